// index/readers.h: the memory that searches use, and how a writer knows which searches may still look at a row.
//
// A row that was removed may be written over once every search that began before has ended (epoch-based reclamation,
// Fraser 2004).     Threads: all members from many.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "index/scorer.h"
#include "index/walk.h"

namespace sextant::index {

struct Reader {
  static constexpr uint64_t kIdle = UINT64_MAX;

  explicit Reader(const Vectors& vectors) : scorer(vectors) {}
  std::atomic<uint64_t> since = kIdle;
  Scorer scorer;
  WalkMemory memory;
  std::vector<Candidate> found;
  std::vector<uint32_t> rows;
  std::vector<float> scores;
};

class Readers {
 public:
  // A reader for one search, given back when this goes.
  class Lease {
   public:
    Lease(Readers& readers, std::unique_ptr<Reader> reader);
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();
    Reader& operator*() { return *reader_; }
    Reader* operator->() { return reader_.get(); }

   private:
    Readers& readers_;
    std::unique_ptr<Reader> reader_;
  };

  // VECTORS as they are when the first reader is made, and for all time.
  Lease lease(const Vectors& vectors);

  // To be called once something can no longer be found; returns the number of this moment.
  uint64_t mark() { return epoch_.fetch_add(1) + 1; }
  // Whether all searches that began before that moment have ended.
  bool all_later_than(uint64_t mark);

 private:
  friend class Lease;
  std::atomic<uint64_t> epoch_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_;
  std::vector<Reader*> all_;
};

}  // namespace sextant::index
