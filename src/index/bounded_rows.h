// index/bounded_rows.h: rows as int8 with what rounding left out, so that the nearest are found exactly although few of
// the rows themselves are compared.
//
// A row x is s c + e and a query q is t d + f, where c and d are of int8. <q, x> is off s t <c, d> by at most
// |q| |e| + |f| |s c| (Cauchy and Schwarz), to which comes what float32 may lose. Rows that are farther off than the
// k-th nearest by more than that are not looked at. For cosine all is divided by |x|; for l2, 2 <q, x> - |x|^2 orders
// rows. Threads: one sets rows; others may use the rows that they were told of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/growing_array.h"
#include "sextant/index.h"

namespace sextant::index {

class BoundedRows {
 public:
  // What stands beside a row's code; divided by |x| for cosine.
  struct Factors {
    float scale;   // s
    float error;   // |e|, rounded up
    float length;  // |x|
    float square;  // |x|^2 for l2, else 0
  };

  static bool suits(Metric metric) { return metric == Metric::cosine || metric == Metric::dot || metric == Metric::l2; }
  // REQUIRES: suits(metric). Room for CAPACITY rows, in address space alone.
  BoundedRows(Metric metric, size_t dim, size_t capacity);
  // Views of what codes() and factors() gave.
  BoundedRows(Metric metric, size_t dim, std::span<const int8_t> codes, std::span<const Factors> factors);

  // values [dim], finite.
  void set(size_t row, const float* values);

  // Appends to OUT, ascending, those of the first COUNT rows that may be among the k nearest to query [dim], as
  // Rows::score tells them, of the rows that ALLOWED (a bit a row) has; empty: of all.
  void candidates(const float* query, size_t k, size_t count, std::span<const uint64_t> allowed,
                  std::vector<uint32_t>& out) const;

  std::span<const int8_t> codes(size_t count) const { return {codes_, count * dim_}; }
  std::span<const Factors> factors(size_t count) const { return {factors_, count}; }
  static size_t row_bytes(size_t dim) { return dim + sizeof(Factors); }

 private:
  Metric metric_;
  size_t dim_;
  base::GrowingArray<int8_t> owned_codes_;
  base::GrowingArray<Factors> owned_factors_;
  const int8_t* codes_;
  const Factors* factors_;
};

}  // namespace sextant::index
