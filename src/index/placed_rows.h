// index/placed_rows.h: rows in the geometry of their index (index/space.h), multiplied with others by blocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/page_budget.h"
#include "index/row_products.h"
#include "index/scorer.h"

namespace sextant::index {

// Rows, and what makes distances of products: the nearer y is to x, the higher
// <x, y> + lift(x) lift(y) - half(y), with half(y) = (|y|^2 + lift(y)^2) / 2.
struct PlacedRows {
  std::vector<float> values;  // [rows, dim]
  std::vector<float> lifts, halves;
};

// A thread's own means.
class RowPlacer {
 public:
  // Of an index whose metric is not l1. VECTORS must stay where they are. pages, where there is one, is told which rows
  // were read.
  explicit RowPlacer(const Vectors& vectors, base::PageBudget* pages = nullptr)
      : vectors_(&vectors), pages_(pages), row_(vectors.rows->dim()) {}

  void place(std::span<const uint32_t> numbers, PlacedRows& placed) {
    const size_t dim = vectors_->rows->dim();
    placed.values.resize(numbers.size() * dim);
    placed.lifts.resize(numbers.size());
    placed.halves.resize(numbers.size());
    for (size_t i = 0; i < numbers.size(); ++i) {
      vectors_->rows->read(numbers[i], row_.data());
      if (pages_ != nullptr) pages_->read(vectors_->rows->row_bytes());
      const float squared = vectors_->space->place_row(row_.data(), placed.values.data() + i * dim);
      const float lift = vectors_->space->lift(squared);
      placed.lifts[i] = lift;
      placed.halves[i] = (squared + lift * lift) / 2;
    }
  }

  // Calls body(i, scores) for each row of LEFT: its scores [RIGHT's rows] with RIGHT, which PRODUCTS was made of.
  template <class Body>
  void multiply(const PlacedRows& left, const RowProducts& products, const PlacedRows& right, Body body) {
    const size_t count = products.count(), dim = products.dim();
    const bool lifted = vectors_->space->metric() == Metric::dot;
    products_.resize(kRowsAtOnce * count);
    for (size_t first = 0; first < left.halves.size(); first += kRowsAtOnce) {
      const size_t n = std::min(kRowsAtOnce, left.halves.size() - first);
      products.multiply(left.values.data() + first * dim, n, products_.data(), count, scratch_);
      for (size_t i = 0; i < n; ++i) {
        float* scores = products_.data() + i * count;
        for (size_t j = 0; j < count; ++j) scores[j] -= right.halves[j];
        if (lifted) {
          for (size_t j = 0; j < count; ++j) scores[j] += left.lifts[first + i] * right.lifts[j];
        }
        body(first + i, scores);
      }
    }
  }

  PlacedRows rows;  // for the caller

 private:
  // Their products stay in the cache.
  static constexpr size_t kRowsAtOnce = 32;

  const Vectors* vectors_;
  base::PageBudget* pages_;
  std::vector<float> row_;
  std::vector<float> products_;
  RowProducts::Scratch scratch_;
};

}  // namespace sextant::index
