// store/tail.h: the newest rows of a collection, in memory, until a segment covers them. They are compared one by one.
//
// One thread appends; others read the rows below a count that they were handed, which stay as they are. Room is
// reserved when it is made: an append never moves anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/growing_array.h"
#include "index/bounded_rows.h"
#include "index/rows.h"
#include "store/point_id.h"
#include "store/row_scorer.h"
#include "store/store_config.h"

namespace sextant::store {

class Tail {
 public:
  // Room for CAPACITY rows.
  Tail(const StoreConfig& config, size_t capacity);
  Tail(const Tail&) = delete;
  Tail& operator=(const Tail&) = delete;

  struct Value {
    uint16_t slot;
    std::string_view bytes;  // as vector_bytes.h writes them; they are copied
  };
  // False, and nothing is done, where there is no room. ROW: greater than those before.
  bool append(uint64_t row, const PointId& id, std::span<const Value> vectors);

  size_t size() const { return size_; }  // of the appending thread
  size_t capacity() const { return capacity_; }
  // What its rows take, about.
  size_t memory_bytes() const;
  uint64_t row(size_t at) const { return rows_[at]; }
  const PointId& id(size_t at) const { return ids_[at]; }
  // Where ROW is among the first COUNT, or COUNT.
  size_t find(uint64_t row, size_t count) const;
  bool has_vector(const VectorConfig& config, size_t at) const;

  // Of the first COUNT rows that ALLOWED (a bit a row) has, those that may be among the k nearest, ascending. There are
  // more of them where nothing can be told of the others.
  std::vector<uint32_t> candidates(const VectorConfig& config, const VectorValue& query, size_t k, size_t count,
                                   std::span<const uint64_t> allowed) const;
  // Calls take(at, score) for each of the places AT, ascending, whose row has that vector.
  template <class Take>
  void score(const VectorConfig& config, RowScorer& scorer, std::span<const uint32_t> at, Take take) const;

 private:
  // Of one slot. Place i of dense vectors is row i; others have ends.
  struct Column {
    VectorKind kind;
    index::Rows vectors;  // dense, multi
    // Dense, where the metric is one of products: the same, so that few of them need be looked at.
    std::optional<index::BoundedRows> bounded;
    base::GrowingArray<uint8_t> present;  // [capacity]
    base::GrowingArray<uint32_t> ends;    // [capacity] of multi: places of vectors; of sparse: of components
    base::GrowingArray<uint32_t> indices;
    base::GrowingArray<float> values;
    size_t used = 0;  // vectors or components
  };
  const Column* column(const VectorConfig& config) const;
  static uint32_t begin_of(const Column& column, size_t at) { return at == 0 ? 0 : column.ends[at - 1]; }

  size_t capacity_;
  size_t size_ = 0;
  base::GrowingArray<uint64_t> rows_;
  std::vector<PointId> ids_;
  std::map<uint16_t, Column> columns_;
  std::map<uint16_t, VectorConfig> configs_;
  std::vector<float> values_;  // append's
};

template <class Take>
void Tail::score(const VectorConfig& config, RowScorer& scorer, std::span<const uint32_t> at, Take take) const {
  const Column* column = this->column(config);
  if (column == nullptr) return;
  constexpr size_t kBlock = 256;
  std::vector<uint32_t> block;
  float scores[kBlock];
  auto flush = [&] {
    if (block.empty()) return;
    scorer.score(column->vectors, block.data(), block.size(), scores);
    for (size_t i = 0; i < block.size(); ++i) take(block[i], scores[i]);
    block.clear();
  };
  for (uint32_t place : at) {
    if (column->present[place] == 0) continue;
    switch (column->kind) {
      case VectorKind::dense:
        block.push_back(place);
        if (block.size() == kBlock) flush();
        break;
      case VectorKind::multi:
        take(place, scorer.score_multi(column->vectors, begin_of(*column, place), column->ends[place]));
        break;
      case VectorKind::sparse: {
        const uint32_t begin = begin_of(*column, place);
        const size_t count = column->ends[place] - begin;
        take(place,
             scorer.score_sparse({column->indices.data() + begin, count}, {column->values.data() + begin, count}));
        break;
      }
    }
  }
  flush();
}

}  // namespace sextant::store
