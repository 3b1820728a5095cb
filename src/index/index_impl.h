// index/index_impl.h: the index behind sextant/index.h: rows, their codes, a graph over them, and which row has which
// id.
//
// Below kFirstRows rows there is no graph: they are all compared, and give the centre of the space once there are
// enough. A row that is removed is marked at once and its room is used again when no search can still look at it.
// Threads: as sextant/index.h says; one mutex is held by whoever changes something, searches take none.
#pragma once

#include <atomic>
#include <bit>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/growing_array.h"
#include "base/page_budget.h"
#include "base/threads.h"
#include "index/bounded_rows.h"
#include "index/calibration.h"
#include "index/graph.h"
#include "index/landmarks.h"
#include "index/readers.h"
#include "index/search_plan.h"
#include "index/section_file.h"
#include "sextant/index.h"

namespace sextant::index {

// From so many rows on there is a graph.
inline constexpr size_t kFirstRows = 1024;

class IndexImpl : public Index {
 public:
  explicit IndexImpl(const IndexOptions& options);
  // Maps a saved index.
  IndexImpl(const std::filesystem::path& path, const OpenOptions& options);
  // Of the sections that save_into made.
  IndexImpl(std::unique_ptr<SectionFile> file, const OpenOptions& options);

  // rows [count] of options().type are taken as they lie, under the ids 0, 1, ... to an empty index, and must outlive
  // it: for building from a mapped file. progress may be nullptr; pages, where there is one, must outlive it, too: it
  // is told what is read of the rows.
  void add_view(std::span<const std::byte> rows, size_t threads, base::Progress* progress,
                base::PageBudget* pages = nullptr);
  // Whether many rows of a new index find their neighbours by products of all in groups (index/near_rows.h): several
  // times as fast, but the rows are read here and there, and all lists are in memory at once.
  void set_bulk(bool bulk) { bulk_ = bulk; }
  // Such an index is linked in half the time, and walked over two thirds as fast for most of the same finds.
  void set_hasty(bool hasty) { hasty_ = hasty; }
  // Of a PageBudget, at least.
  static constexpr size_t kPagesLeast = size_t{8} << 20;
  // What adding so many vectors to an empty index takes, about; of a view, with that budget.
  size_t memory_for(size_t rows, bool as_view) const;

  void add(std::span<const uint64_t> ids, std::span<const float> vectors, size_t threads) override;
  bool remove(uint64_t id) override;
  IndexSearchResult search(std::span<const float> query, const IndexSearchOptions& options) const override;
  std::vector<IndexSearchResult> search_batch(std::span<const float> queries, const IndexSearchOptions& options,
                                              size_t threads) const override;
  void calibrate(size_t count, size_t threads) override;
  void save(const std::filesystem::path& path) override;
  size_t size() const override { return alive_.load(std::memory_order_acquire); }
  const IndexOptions& options() const override { return options_; }
  bool contains(uint64_t id) const override;

  std::shared_ptr<const Calibration> calibration() const;

  // For those who build on rows, under ids of their own. An index of appended vectors has its rows' numbers for ids.
  //
  // Adds vectors [n, dim] that passed check_new and returns their rows; before_found is told of these before a search
  // can meet them.
  std::vector<uint32_t> append(std::span<const float> vectors, size_t threads,
                               const std::function<void(std::span<const uint32_t>)>& before_found);
  // Throws where add would refuse one of the vectors.
  void check_new(std::span<const float> vectors) const;
  void save_into(SectionFileWriter& file);
  static constexpr size_t kSectionsMax = 40;
  const SectionFile* file() const { return file_.get(); }
  const Rows& rows() const { return rows_; }
  size_t row_count() const { return row_count_.load(std::memory_order_acquire); }
  bool has_graph() const { return graph_ready_.load(std::memory_order_acquire); }
  // While the lease is held no row that is there is written over.
  Readers::Lease hold() const { return readers_.lease(vectors_); }
  Readers& readers() const { return readers_; }

 private:
  Gone gone() const;
  uint64_t id_of(uint32_t row) const { return ids_ == nullptr ? row : ids_[row]; }
  // For searches, which take no lock.
  bool ids_are_rows() const { return ids_are_rows_.load(std::memory_order_acquire); }
  void check_query(std::span<const float> query, const IndexSearchOptions& options) const;
  void check_room(size_t wanted);
  uint32_t take_row(size_t& end);
  void publish(std::span<const uint32_t> rows, size_t end);
  void link(std::span<const uint32_t> rows, base::ThreadPool& pool, base::Progress* progress);
  void make_space();
  void set_landmarks(std::unique_ptr<const Landmarks> landmarks);
  void replace_landmark(uint32_t row);
  void store_row(uint32_t row, const float* vector);
  void encode(std::span<const uint32_t> rows, base::ThreadPool& pool);
  // The next kRowsAtOnce of ROWS, from the file where they may have to come from there.
  void read_soon(std::span<const uint32_t> rows, size_t first) const;
  bool remove_row(uint64_t id);
  void note_ids(std::span<const uint32_t> rows);
  void forget_id(uint64_t id);
  std::optional<uint32_t> find_row(uint64_t id) const;
  void reclaim();

  static bool is_exact(const IndexSearchOptions& options) {
    return options.exact || (options.breadth == 0 && options.target_recall >= 1);
  }
  // REQUIRES: there is a graph.
  PlanAnswer plan_for(size_t k, const IndexSearchOptions& options) const;
  // Of the rows, those that are allowed, at most.
  size_t count_allowed(const AllowedIds* allowed) const;
  bool products_are_cheaper(size_t queries, const IndexSearchOptions& options) const;
  std::vector<IndexSearchResult> scan_products(std::span<const float> queries, size_t k, const AllowedIds* allowed,
                                               base::ThreadPool& pool) const;
  IndexSearchResult scan(std::span<const float> query, size_t k, const AllowedIds* allowed) const;
  IndexSearchResult scan_codes(std::span<const float> query, size_t k, const AllowedIds* allowed) const;
  // Calls take for every row that is there and allowed.
  template <class Take>
  void for_rows(const AllowedIds* allowed, Take take) const;
  // Nothing where the walk did not find k rows. EXCEPT is looked past.
  std::optional<IndexSearchResult> walk_for(std::span<const float> query, size_t k, const PlanAnswer& plan,
                                            const AllowedIds* allowed, uint32_t except = kNoNode,
                                            WalkReport* report = nullptr) const;
  float estimate_deviation(const Reader& reader) const;
  // The k best of reader.found, nearest first, by the vectors themselves, as far as the codes' errors make it
  // necessary.
  void rerank(const float* query, size_t k, Reader& reader, IndexSearchResult& result) const;
  void write_sections(SectionFileWriter& file) const;
  // Rows that are read here and there before they are told of, each perhaps with a huge page.
  static constexpr size_t kScatteredAtOnce = 2;
  // Rows that were read, one after another or here and there.
  void tell_read(size_t rows, bool scattered) const {
    if (pages_ != nullptr) pages_->read(rows * rows_.row_bytes(), scattered ? rows : 1);
  }

  IndexOptions options_;
  bool bulk_ = true, hasty_ = false;
  base::PageBudget* pages_ = nullptr;  // add_view's
  std::unique_ptr<SectionFile> file_;  // what the views below look at, where it is mapped
  std::vector<base::GrowingArray<std::byte>> loaded_;
  std::optional<base::ScatteredReads::Part> mapped_codes_;  // what walks look at, where it is not loaded

  Rows rows_;
  std::optional<Space> space_;
  std::optional<Codes> codes_;
  std::optional<BoundedRows> bounded_;  // of a flat index with codes
  base::GrowingArray<uint64_t> owned_ids_, owned_gone_;
  const uint64_t* ids_ = nullptr;  // nullptr: a row's id is its number
  const uint64_t* gone_ = nullptr;
  std::optional<Graph> graph_;
  Vectors vectors_;  // as searches compare them
  // As links are chosen: where codes are of one bit, by others of four, which are not saved.
  Vectors linking_;
  std::optional<Codes> linking_codes_;
  double code_error_ = 0;  // squared length of what codes leave out, relative to the rows'
  std::atomic<bool> graph_ready_ = false;
  std::atomic<size_t> row_count_ = 0;  // rows that were ever used
  std::atomic<size_t> alive_ = 0;
  std::atomic<bool> any_gone_ = false;
  mutable std::mutex calibration_mutex_;
  std::shared_ptr<const Calibration> calibration_ = std::make_shared<const Calibration>();

  mutable std::mutex writer_;
  mutable Readers readers_;
  std::atomic<bool> ids_are_rows_ = true;
  std::unordered_map<uint64_t, uint32_t> row_of_id_;  // where they are not
  struct Retired {
    uint32_t row;
    uint64_t mark;
  };
  std::vector<Retired> retired_;
  std::unique_ptr<const Landmarks> landmarks_;
  std::vector<std::pair<std::unique_ptr<const Landmarks>, uint64_t>> retired_landmarks_;
  size_t landmark_rows_ = 0;  // how many there were when landmarks were chosen
  size_t rows_since_landmarks_ = 0;
  std::vector<uint32_t> free_rows_;
};

template <class Take>
void IndexImpl::for_rows(const AllowedIds* allowed, Take take) const {
  const size_t count = row_count_.load(std::memory_order_acquire);
  const Gone gone = this->gone();
  if (allowed != nullptr && ids_are_rows()) {
    for (uint64_t id : allowed->listed()) {
      if (id < count && !gone.contains(static_cast<uint32_t>(id))) take(static_cast<uint32_t>(id));
    }
    if (!allowed->listed().empty()) return;
    for (size_t w = 0; w < allowed->words().size() && w * 64 < count; ++w) {
      for (uint64_t word = allowed->words()[w]; word != 0; word &= word - 1) {
        const size_t row = w * 64 + static_cast<size_t>(std::countr_zero(word));
        if (row < count && !gone.contains(static_cast<uint32_t>(row))) take(static_cast<uint32_t>(row));
      }
    }
    return;
  }
  for (uint32_t row = 0; row < count; ++row) {
    if (gone.contains(row) || (allowed != nullptr && !allowed->contains(id_of(row)))) continue;
    take(row);
  }
}

}  // namespace sextant::index
