// base/scattered_reads.h: parts of mapped files that are read here and there, and what to do when memory has no room
// for all of them.
//
// The system reads ahead around each place of a mapped file that is looked at. That is welcome while the whole file is
// going to stay in memory; where it cannot, it pushes out what is needed next. So when the parts that a process has
// registered outgrow its memory, reading ahead is switched off for all of them, and readers name the places that they
// are about to look at: these then come at once and beside each other.
// Threads: all members from many.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

namespace sextant::base {

class ScatteredReads {
 public:
  // All parts together have room in three quarters of memory_bytes, or they do not.
  explicit ScatteredReads(size_t memory_bytes) : memory_bytes_(memory_bytes) {}
  // From now on; returns what it was before.
  size_t set_memory(size_t memory_bytes);
  // The process's, by the memory that it may have: of vectors, of which each search reads a few, and of the codes and
  // links beside them, which are kept in memory longer.
  static ScatteredReads& vectors();
  static ScatteredReads& codes();
  // Of what has no room however large memory is.
  static ScatteredReads& always_far();

  // One registered part: BYTES of a mapped file that outlives it.
  class Part {
   public:
    Part() = default;
    Part(ScatteredReads& reads, std::span<const std::byte> bytes);
    Part(Part&& other) noexcept;
    Part& operator=(Part&& other) noexcept;
    ~Part();

    bool is_registered() const { return reads_ != nullptr; }
    // Whether memory has no room, so that read_soon is worth its while for single places, too.
    bool is_far() const { return reads_ != nullptr && reads_->outgrown_.load(std::memory_order_relaxed); }

   private:
    ScatteredReads* reads_ = nullptr;
    std::span<const std::byte> bytes_;
  };

 private:
  void add(std::span<const std::byte> bytes);
  void remove(std::span<const std::byte> bytes);
  void look();  // REQUIRES: mutex_ is held

  std::atomic<bool> outgrown_ = false;
  std::mutex mutex_;
  size_t memory_bytes_;  // guarded by mutex_, as are all below
  std::vector<std::span<const std::byte>> parts_;
  size_t bytes_ = 0;
};

// Asks the system to have these bytes of a mapped file in memory soon; waits for nothing.
void read_soon(std::span<const std::byte> bytes);

}  // namespace sextant::base
