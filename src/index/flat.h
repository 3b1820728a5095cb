// index/flat.h: exact search: every row is compared with the query, so nothing near is ever missed.
//
// In: rows of equal dim, f32, int8 with one scale a row, or bits.      Out: (row, score), best first; of equal scores,
// the lower row. The result does not depend on the number of threads, nor on what else is in a batch. Rows whose score
// is NaN are never returned, and counted. An index is a view: the rows must outlive it. Threads: all members from many.
// Memory: per search, k entries and one block of scores; nothing is allocated per row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "sextant/metric.h"
#include "simd/top_k.h"

namespace sextant::index {

using simd::Scored;

class FlatIndex {
 public:
  // rows [count, dim], row-major. Throws unsupported for hamming, which is of bits. Cosine of rows that are all of unit
  // length is faster as Metric::dot.
  FlatIndex(std::span<const float> rows, size_t dim, Metric metric);
  // codes [count, dim]: row i is codes[i] * scales[i]. The query is quantised likewise, so scores are approximate
  // (about 1 % of a cosine). Throws unsupported for distances.
  FlatIndex(std::span<const int8_t> codes, std::span<const float> scales, size_t dim, Metric metric);
  // bits [count, (dim + 7) / 8], as pack_bits gives them, by Metric::hamming. REQUIRES: queries of 0 and 1 alone.
  FlatIndex(std::span<const uint8_t> bits, size_t dim);

  size_t size() const { return count_; }
  size_t dim() const { return dim_; }
  Metric metric() const { return metric_; }

  // The scores of rows [first, first + out.size()), as Metric says: distances are not squared.
  // REQUIRES: query.size() == dim, the rows exist.
  void score_rows(std::span<const float> query, size_t first, std::span<float> out) const;

  // The k nearest rows; fewer where there are fewer. POOL splits long scans, nullptr: this thread alone.
  std::vector<Scored> search(std::span<const float> query, size_t k, base::ThreadPool* pool = nullptr,
                             uint64_t* nan_count = nullptr) const;

  // queries [n, dim]: one list a query, equal to what search() gives.
  std::vector<std::vector<Scored>> search_batch(std::span<const float> queries, size_t k,
                                                base::ThreadPool* pool = nullptr, uint64_t* nan_count = nullptr) const;

 private:
  struct Query;
  Query prepare(std::span<const float> query) const;
  void score_prepared(const Query& query, size_t first, std::span<float> out) const;
  void score_group(std::span<const Query> queries, std::span<const float> vectors, size_t first, size_t count,
                   float* out) const;

  const float* rows_ = nullptr;    // [count_, dim_], or null
  const int8_t* codes_ = nullptr;  // [count_, dim_], or null
  const float* scales_ = nullptr;  // [count_] beside codes_
  const uint8_t* bits_ = nullptr;  // [count_, row_bytes_], or null
  size_t row_bytes_ = 0;
  size_t count_ = 0;
  size_t dim_ = 0;
  Metric metric_ = Metric::cosine;
};

// The codes [count, dim] and scales [count] of rows, for a FlatIndex over int8: scale = largest magnitude / 127.
void quantize_rows(std::span<const float> rows, size_t dim, std::span<int8_t> codes, std::span<float> scales);

}  // namespace sextant::index
