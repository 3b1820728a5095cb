// simd/shapes_codes.h: the loops over rows of short codes (4 bits and 1 bit), one after another or chosen by number.
//
// Included by kernels_*.cc alone, for shapes.h's reasons. An instruction set supplies policies K with
//   Query, Sum     the element types of the query and of the sums
//   row_bytes      how long a row is, from the length that the kernel was given
//   sums<R>        one query with R rows: 4, 2 or 1
// Sums are of integers: neither their order nor the number of rows at once changes them.
#pragma once

#include "simd/shapes.h"

// Before loops over the rows at once. g++ unrolls them too late to keep what they index in registers, and stores it at
// every step.
#if defined(__clang__)
#define SEXTANT_UNROLL _Pragma("unroll")
#else
#define SEXTANT_UNROLL _Pragma("GCC unroll 4")
#endif

namespace sextant::simd {
namespace {

template <class K, size_t R, class Table>
inline __attribute__((always_inline)) void codes_at_once(const typename K::Query* query, const Table& table,
                                                         size_t first, size_t length, typename K::Sum* sums) {
  const uint8_t* rows[R];
  for (size_t r = 0; r < R; ++r) rows[r] = table[first + r];
  K::template sums<R>(query, rows, length, sums + first);
}

template <class K>
void codes_by_number(const typename K::Query* query, const uint8_t* codes, size_t stride_bytes, size_t length,
                     const uint32_t* ids, size_t count, typename K::Sum* sums) {
  RowsByNumber<uint8_t> table{codes, stride_bytes, ids};
  size_t i = 0;
  for (; i + 4 <= count; i += 4) codes_at_once<K, 4>(query, table, i, length, sums);
  if (i + 2 <= count) {
    codes_at_once<K, 2>(query, table, i, length, sums);
    i += 2;
  }
  if (i < count) codes_at_once<K, 1>(query, table, i, length, sums);
}

template <class K>
void codes_in_turn(const typename K::Query* query, Rows<uint8_t> rows, typename K::Sum* sums) {
  constexpr size_t kAhead = 8;
  RowsInTurn<uint8_t> table{rows.data, rows.stride_bytes};
  size_t row_bytes = K::row_bytes(rows.dim);
  size_t i = 0;
  for (; i + 4 <= rows.count; i += 4) {
    if (i + kAhead + 4 <= rows.count) prefetch_rows(table[i + kAhead], rows.stride_bytes, 4, row_bytes);
    codes_at_once<K, 4>(query, table, i, rows.dim, sums);
  }
  if (i + 2 <= rows.count) {
    codes_at_once<K, 2>(query, table, i, rows.dim, sums);
    i += 2;
  }
  if (i < rows.count) codes_at_once<K, 1>(query, table, i, rows.dim, sums);
}

// What all policies of a kind share.
struct NibbleShape {
  using Query = int8_t;
  using Sum = int32_t;
  static size_t row_bytes(size_t dim) { return dim / 2; }
};

struct BitShape {
  using Query = uint8_t;
  using Sum = uint32_t;
  static constexpr size_t kPlanes = 4;
  static size_t row_bytes(size_t bytes) { return bytes; }
};

// Bits that differ, counted by words of 64: what a whole vector of a wider register would save in the middle it loses
// at the ends, rows of bits being short.
struct WordDifferences : BitShape {
  template <size_t R>
  static inline __attribute__((always_inline)) void sums(const uint8_t* query, const uint8_t* const (&rows)[R],
                                                         size_t bytes, uint32_t* out) {
    uint64_t total[R] = {};
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
      uint64_t x;
      __builtin_memcpy(&x, query + i, 8);
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) {
        uint64_t y;
        __builtin_memcpy(&y, rows[r] + i, 8);
        total[r] += static_cast<uint64_t>(__builtin_popcountll(x ^ y));
      }
    }
    for (; i < bytes; ++i) {
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) {
        total[r] += static_cast<uint64_t>(__builtin_popcount(static_cast<unsigned>(query[i] ^ rows[r][i])));
      }
    }
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) out[r] = static_cast<uint32_t>(total[r]);
  }
};

// Dimensions in a run of nibbles that a byte's low and high half keep together, and its bytes.
inline constexpr size_t kNibbleDims = 64;
inline constexpr size_t kNibbleBytes = 32;

template <class K>
void fill_nibbles(Kernels& kernels) {
  kernels.dot_u4_ids = codes_by_number<K>;
  kernels.dot_u4_rows = codes_in_turn<K>;
}

template <class K>
void fill_planes(Kernels& kernels) {
  kernels.dot_u1_ids = codes_by_number<K>;
  kernels.dot_u1_rows = codes_in_turn<K>;
}

template <class K>
void fill_differences(Kernels& kernels) {
  kernels.hamming_ids = codes_by_number<K>;
  kernels.hamming_rows = codes_in_turn<K>;
}

}  // namespace
}  // namespace sextant::simd
