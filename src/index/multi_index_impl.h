// index/multi_index_impl.h: the index behind sextant/multi_index.h: an index of all vectors, and which row owns which.
//
// A row sits in a slot; its vectors are a chain of places in the inner index. A slot is born in one version of the
// index and dies in another; a search takes the version at its beginning and sees the slots that live in it, so it sees
// the rows of one moment. Places and slots are used again when no search can still look at them. A search lets each of
// the query's vectors look for its nearest vectors. A row that one of them did not find cannot have, for that one, a
// greater similarity than the worst it found; with that in the place of what is missing (as PLAID, Santhanam et al.
// 2022, and WARP, Scheerer et al. 2025, do) the rows are ordered, and the first ones' scores are then computed from
// their vectors. Threads: as sextant/multi_index.h says; one mutex is held by whoever changes something, searches take
// none.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/growing_array.h"
#include "index/calibration.h"
#include "index/index_impl.h"
#include "sextant/multi_index.h"

namespace sextant::index {

class MultiIndexImpl : public MultiIndex {
 public:
  explicit MultiIndexImpl(const IndexOptions& options);
  MultiIndexImpl(const std::filesystem::path& path, const OpenOptions& options);

  // Rows under the ids 0, 1, ..., to an empty index: the next counts[i] of the vectors [sum of counts] of
  // options().type, which are taken as they lie and must outlive it. Nothing can be added or removed then. progress may
  // be nullptr.
  // As IndexImpl's.
  void set_hasty(bool hasty) { inner_->set_hasty(hasty); }
  void add_view(std::span<const size_t> counts, std::span<const std::byte> vectors, size_t threads,
                base::Progress* progress);

  void add(std::span<const uint64_t> ids, std::span<const size_t> counts, std::span<const float> vectors,
           size_t threads) override;
  bool remove(uint64_t id) override;
  MultiSearchResult search(std::span<const float> queries, const MultiSearchOptions& options) const override;
  void calibrate(size_t count, size_t threads) override;
  void save(const std::filesystem::path& path) override;
  size_t size() const override { return alive_.load(std::memory_order_acquire); }
  size_t vector_count() const override { return inner_->size(); }
  const IndexOptions& options() const override { return inner_->options(); }
  bool contains(uint64_t id) const override;

 private:
  // As it lies in a file.
  struct Slot {
    uint64_t id;
    uint32_t first;  // place in the inner index
    uint32_t count;  // of vectors; 0: nobody lives here (in a file)
  };
  // Versions in which a slot's row is there: from born on, until died.
  struct Life {
    uint64_t born, died;
  };
  // What one search looks at.
  struct View {
    uint64_t version;
    size_t slots;
    const AllowedIds* allowed;
    uint32_t except;  // a slot that is looked past
  };
  struct Candidate {
    double estimate;
    uint32_t slot;
  };

  void check_counts(std::span<const size_t> counts, size_t vectors) const;
  void check_new(std::span<const uint64_t> ids, std::span<const size_t> counts, std::span<const float> vectors) const;
  void check_query(std::span<const float> queries, const MultiSearchOptions& options) const;
  void refuse_where_mapped() const;
  void reclaim();
  std::vector<uint32_t> take_slots(size_t count);
  void remove_vectors(uint32_t slot);
  std::shared_ptr<const Calibration> calibration() const;
  static std::shared_ptr<const Calibration> unmeasured();

  bool is_seen(const View& view, uint32_t slot) const;
  void places_of(uint32_t slot, std::vector<uint32_t>& places) const;
  MultiSearchResult search_view(std::span<const float> queries, const MultiSearchOptions& options, const View& view,
                                const Calibration& measured) const;
  MultiSearchResult scan(std::span<const float> queries, size_t k, const View& view) const;
  // Rows that some vector of the query found, most promising first; COMPARED and PLAN tell how.
  std::vector<Candidate> find_candidates(std::span<const float> queries, size_t candidates, const View& view,
                                         const AllowedIds* allowed_places, MultiSearchResult& result) const;

  std::unique_ptr<IndexImpl> inner_;
  bool is_view_ = false;  // of vectors that lie elsewhere
  base::GrowingArray<Slot> owned_slots_;
  base::GrowingArray<Life> lives_;                           // empty where a file is mapped
  base::GrowingArray<uint32_t> owned_next_, owned_slot_of_;  // of each place: the row's next one, and its slot
  const Slot* slots_ = nullptr;
  const uint32_t* next_ = nullptr;
  const uint32_t* slot_of_ = nullptr;
  std::atomic<uint64_t> version_ = 1;
  std::atomic<size_t> slot_count_ = 0;  // slots that were ever used
  std::atomic<size_t> alive_ = 0;
  mutable std::mutex calibration_mutex_;
  std::shared_ptr<const Calibration> calibration_;

  mutable std::mutex writer_;
  std::unordered_map<uint64_t, uint32_t> slot_of_id_;
  struct Retired {
    uint32_t slot;
    uint64_t mark;
  };
  std::vector<Retired> retired_;
  std::vector<uint32_t> free_slots_;
};

}  // namespace sextant::index
