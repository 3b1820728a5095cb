// index/codes.h: rows as a few bits a component, and products of a query with many of them.
//
//   sq4  16 levels of 0.3352 deviations, the best even spacing for what a random rotation makes of components (Max
//        1960), 64 components in 32 bytes
//   sq8  255 levels up to the row's largest component
//   sq1  the component's sign
// A row x is coded as its levels c and one number s, so that <q, x> is about s * <q, c - middle>; s also takes out the
// part by which coding shortens x, which makes the estimate unbiased (as in RaBitQ, Gao & Long 2024,
// arXiv:2405.12497). Queries become int8; for sq1, 16 even levels, as there.
// Threads: one thread adds, or several add different rows; others may use the rows that they were told of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/growing_array.h"
#include "sextant/index.h"

namespace sextant::index {

// A query in the form that codes are multiplied with.
struct CodedQuery {
  std::vector<int8_t> values;  // [padded dim]; sq1: four planes of bits
  float scale = 0;             // of values
  float middle = 0;            // what the codes' middle contributes to every product
  float low = 0;               // sq1: what the lowest level stands for, in scales

  const uint8_t* planes() const { return reinterpret_cast<const uint8_t*>(values.data()); }
};

// What stands beside a row's code.
struct CodeFactors {
  float scale;   // of its levels
  float length;  // of the row, squared, as Space::transform_row gives it
};

// Where rows lie that will be needed soon; to be kept in registers.
struct Prefetch {
  Prefetch(const std::byte* at, size_t bytes, const CodeFactors* beside)
      : rows(at), row_bytes(bytes), reach(bytes % 64 == 0 ? bytes : bytes + 63), factors(beside) {}

  const std::byte* rows;
  size_t row_bytes;
  size_t reach;                // rows that are no multiple of a cache line begin anywhere in one
  const CodeFactors* factors;  // beside them, or nullptr

  void operator()(uint32_t row) const {
    const std::byte* from = rows + row * row_bytes;
    for (const std::byte* end = from + reach; from < end; from += 64) __builtin_prefetch(from);
    if (factors != nullptr) __builtin_prefetch(factors + row);
  }
};

class Codes {
 public:
  Codes() = default;
  // kind is not none; dim a multiple of 64.
  Codes(CodeKind kind, size_t dim, size_t capacity);
  // Copies of rows of OTHERS, which number from 0 on.
  Codes(const Codes& others, std::span<const uint32_t> rows);
  // Views of what codes() and factors() gave.
  Codes(CodeKind kind, size_t dim, std::span<const std::byte> codes, std::span<const CodeFactors> factors);

  CodeKind kind() const { return kind_; }
  size_t row_bytes() const { return row_bytes_; }
  static size_t row_bytes(CodeKind kind, size_t dim);

  // values [dim], rotated, of that squared length. Returns the squared length of what the code leaves out, relative to
  // that of the row.
  float encode(size_t row, const float* values, float length);

  void make_query(const float* values, CodedQuery& query) const;
  // A row in the place of a query. REQUIRES: kind() is not sq1: of two codes of signs nothing unbiased is known.
  void make_query(size_t row, CodedQuery& query) const;

  // Estimated products of the query with rows ids[0..count).
  void products(const CodedQuery& query, const uint32_t* ids, size_t count, float* products) const;
  // Of the first COUNT rows; the same bytes, faster.
  void first_products(const CodedQuery& query, size_t count, float* products) const;
  Prefetch prefetch() const { return {codes_, row_bytes_, factors_}; }
  float length(uint32_t row) const { return factors_[row].length; }

  std::span<const std::byte> codes(size_t count) const { return {codes_, count * row_bytes_}; }
  std::span<const CodeFactors> factors(size_t count) const { return {factors_, count}; }

 private:
  // Rows whose sums are made before they become products.
  static constexpr size_t kGroup = 64;
  union Sums {
    int32_t of_levels[kGroup];
    uint32_t of_bits[kGroup];
  };
  template <class Number>
  void finish(const CodedQuery& query, const Sums& sums, size_t count, Number number, float* products) const;
  void make_planes(const float* values, CodedQuery& query) const;
  uint32_t ones(size_t row) const;
  base::GrowingArray<std::byte> owned_codes_;
  base::GrowingArray<CodeFactors> owned_factors_;
  const std::byte* codes_ = nullptr;
  const CodeFactors* factors_ = nullptr;
  CodeKind kind_ = CodeKind::sq4;
  size_t dim_ = 0;
  size_t row_bytes_ = 0;
};

}  // namespace sextant::index
