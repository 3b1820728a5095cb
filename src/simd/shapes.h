// simd/shapes.h: the loops of the kernels, written once over a few operations that each instruction set supplies.
//
// Included by kernels_*.cc alone. Everything is in an unnamed namespace: each file compiles its own copy with its own
// flags and the linker cannot mix them. An instruction set supplies
//   V  lanes of f32: Reg, kLanes, load and load_part from each type, arithmetic, sums, store and store_part, and
//      keep_in_register, which stops g++ from reading a row again for every query of a block
//   W  lanes of int8: Reg, Acc (32-bit sums), kLanes, load, load_part, dot_step, squared_step, add, sum
// The canonical order of additions, that all shapes keep: chunks of kLanes elements go in turn to kChains accumulators,
// the last, partial one too; then the accumulators are added, then the lanes of the result, as V::sum does.
#pragma once

#include "simd/kernel_table.h"

namespace sextant::simd {
namespace {

template <class T>
const T* row_at(const T* data, size_t stride_bytes, size_t i) {
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(data) + i * stride_bytes);
}

// ---- What is summed. A policy P has the element types A and B, what a chunk of each is in registers, and a step.

template <class V, class A_, class B_>
struct FloatSum {
  using A = A_;
  using B = B_;
  using Chunk = typename V::Reg;
  using Acc = typename V::Reg;
  using Out = float;
  static constexpr size_t kLanes = V::kLanes;
  static constexpr size_t kChains = 2;
  static constexpr size_t kBlockQueries = V::kBlockQueries;
  static constexpr size_t kBlockRows = V::kBlockRows;
  static constexpr bool kBiased = false;
  static Acc zero() { return V::zero(); }
  static Acc add(Acc a, Acc b) { return V::add(a, b); }
  static Out sum(Acc a) { return V::sum(a); }
  static void sum4(const Acc* a, Out* out) { V::sum4(a, out); }
  static Chunk load_a(const A* p) { return V::load(p); }
  static Chunk load_b(const B* p) { return V::load(p); }
  static Chunk load_a_part(const A* p, size_t n) { return V::load_part(p, n); }
  static Chunk load_b_part(const B* p, size_t n) { return V::load_part(p, n); }
  static void keep_in_register(Chunk& chunk) { V::keep_in_register(chunk); }
};

template <class V, class A, class B>
struct Dot : FloatSum<V, A, B> {
  using Reg = typename V::Reg;
  static Reg step(Reg acc, Reg x, Reg y) { return V::fma(x, y, acc); }
};

template <class V, class A, class B>
struct SquaredL2 : FloatSum<V, A, B> {
  using Reg = typename V::Reg;
  static Reg step(Reg acc, Reg x, Reg y) {
    Reg d = V::sub(x, y);
    return V::fma(d, d, acc);
  }
};

template <class V, class A, class B>
struct L1 : FloatSum<V, A, B> {
  using Reg = typename V::Reg;
  static Reg step(Reg acc, Reg x, Reg y) { return V::add(acc, V::abs(V::sub(x, y))); }
};

template <class W>
struct ByteSum {
  using A = int8_t;
  using B = int8_t;
  using Chunk = typename W::Reg;
  using Acc = typename W::Acc;
  static constexpr size_t kLanes = W::kLanes;
  static constexpr size_t kChains = 1;  // integers: the order does not matter, and the additions take one cycle
  static constexpr size_t kBlockQueries = W::kBlockQueries;
  static constexpr size_t kBlockRows = W::kBlockRows;
  static constexpr bool kBiased = false;
  static Acc zero() { return W::zero(); }
  static Acc add(Acc a, Acc b) { return W::add(a, b); }
  static Chunk load_a(const int8_t* p) { return W::load(p); }
  static Chunk load_b(const int8_t* p) { return W::load(p); }
  static Chunk load_a_part(const int8_t* p, size_t n) { return W::load_part(p, n); }
  static Chunk load_b_part(const int8_t* p, size_t n) { return W::load_part(p, n); }
  static void keep_in_register(Chunk&) {}
};

template <class W>
struct ByteDot : ByteSum<W> {
  using Out = int32_t;
  static typename W::Acc step(typename W::Acc acc, typename W::Reg x, typename W::Reg y) {
    return W::dot_step(acc, x, y);
  }
  static Out sum(typename W::Acc a) { return W::sum(a); }
  static void sum4(const typename W::Acc* a, Out* out) {
    for (int i = 0; i < 4; ++i) out[i] = W::sum(a[i]);
  }
};

template <class W>
struct ByteSquaredL2 : ByteSum<W> {
  using Out = uint32_t;
  static typename W::Acc step(typename W::Acc acc, typename W::Reg x, typename W::Reg y) {
    return W::squared_step(acc, x, y);
  }
  static Out sum(typename W::Acc a) { return static_cast<uint32_t>(W::sum(a)); }
  static void sum4(const typename W::Acc* a, Out* out) {
    for (int i = 0; i < 4; ++i) out[i] = sum(a[i]);
  }
};

// ---- Q vectors with R vectors, all sums in registers.

// Rows one after another.
template <class T>
struct RowsInTurn {
  const T* data;
  size_t stride_bytes;
  const T* operator[](size_t i) const { return row_at(data, stride_bytes, i); }
};

// Rows of a table chosen by their numbers.
template <class T>
struct RowsByNumber {
  const T* data;
  size_t stride_bytes;
  const uint32_t* ids;
  const T* operator[](size_t i) const { return row_at(data, stride_bytes, ids[i]); }
};

// b[r] is where row r begins.
template <class P, size_t Q, size_t R, class RowsOf>
inline __attribute__((always_inline)) void block_of(const typename P::A* a, size_t a_stride, const RowsOf& b,
                                                    size_t dim, typename P::Acc (&out)[Q][R]) {
  constexpr size_t kStep = P::kLanes;
  typename P::Acc acc[P::kChains][Q][R];
  for (size_t c = 0; c < P::kChains; ++c)
    for (size_t q = 0; q < Q; ++q)
      for (size_t r = 0; r < R; ++r) acc[c][q][r] = P::zero();
  size_t i = 0;
  for (; i + P::kChains * kStep <= dim; i += P::kChains * kStep) {
    for (size_t c = 0; c < P::kChains; ++c) {
      typename P::Chunk x[Q];
      for (size_t q = 0; q < Q; ++q) {
        x[q] = P::load_a(row_at(a, a_stride, q) + i + c * kStep);
        if constexpr (Q > 1) P::keep_in_register(x[q]);
      }
      for (size_t r = 0; r < R; ++r) {
        typename P::Chunk y = P::load_b(b[r] + i + c * kStep);
        if constexpr (Q > 1) P::keep_in_register(y);
        for (size_t q = 0; q < Q; ++q) acc[c][q][r] = P::step(acc[c][q][r], x[q], y);
      }
    }
  }
  if constexpr (P::kChains == 2) {
    if (i + kStep <= dim) {
      typename P::Chunk x[Q];
      for (size_t q = 0; q < Q; ++q) x[q] = P::load_a(row_at(a, a_stride, q) + i);
      for (size_t r = 0; r < R; ++r) {
        typename P::Chunk y = P::load_b(b[r] + i);
        for (size_t q = 0; q < Q; ++q) acc[0][q][r] = P::step(acc[0][q][r], x[q], y);
      }
      i += kStep;
    }
  }
  if (i < dim) {
    typename P::Chunk x[Q];
    for (size_t q = 0; q < Q; ++q) x[q] = P::load_a_part(row_at(a, a_stride, q) + i, dim - i);
    for (size_t r = 0; r < R; ++r) {
      typename P::Chunk y = P::load_b_part(b[r] + i, dim - i);
      for (size_t q = 0; q < Q; ++q) acc[P::kChains - 1][q][r] = P::step(acc[P::kChains - 1][q][r], x[q], y);
    }
  }
  for (size_t q = 0; q < Q; ++q) {
    for (size_t r = 0; r < R; ++r) {
      if constexpr (P::kChains == 2) {
        out[q][r] = P::add(acc[0][q][r], acc[1][q][r]);
      } else {
        out[q][r] = acc[0][q][r];
      }
    }
  }
}

template <class P, size_t Q, size_t R>
inline __attribute__((always_inline)) void block(const typename P::A* a, size_t a_stride, const typename P::B* b,
                                                 size_t b_stride, size_t dim, typename P::Acc (&out)[Q][R]) {
  block_of<P, Q, R>(a, a_stride, RowsInTurn<typename P::B>{b, b_stride}, dim, out);
}

template <class P>
typename P::Out pair(const typename P::A* a, const typename P::B* b, size_t dim) {
  typename P::Acc acc[1][1];
  block<P, 1, 1>(a, 0, b, 0, dim, acc);
  if constexpr (P::kBiased) return P::sum(acc[0][0]) - P::bias(a, dim);
  return P::sum(acc[0][0]);
}

// Asks for the rows that come next: four streams at once, each changing its page, are more than hardware follows.
template <class T>
void prefetch_rows(const T* rows, size_t stride_bytes, size_t count, size_t row_bytes) {
  for (size_t r = 0; r < count; ++r) {
    const char* row = reinterpret_cast<const char*>(rows) + r * stride_bytes;
    for (size_t offset = 0; offset < row_bytes; offset += 64) __builtin_prefetch(row + offset);
  }
}

inline constexpr size_t kRowsAtOnce = 4;

template <class P>
void one_with_rows(const typename P::A* query, Rows<typename P::B> rows, typename P::Out* scores) {
  typename P::Out bias{};
  if constexpr (P::kBiased) bias = P::bias(query, rows.dim);
  size_t row_bytes = rows.dim * sizeof(typename P::B);
  size_t i = 0;
  for (; i + kRowsAtOnce <= rows.count; i += kRowsAtOnce) {
    const typename P::B* row = row_at(rows.data, rows.stride_bytes, i);
    if (i + 2 * kRowsAtOnce <= rows.count) {
      prefetch_rows(row_at(row, rows.stride_bytes, kRowsAtOnce), rows.stride_bytes, kRowsAtOnce, row_bytes);
    }
    typename P::Acc acc[1][kRowsAtOnce];
    block<P, 1, kRowsAtOnce>(query, 0, row, rows.stride_bytes, rows.dim, acc);
    P::sum4(acc[0], scores + i);
    if constexpr (P::kBiased) {
      for (size_t r = 0; r < kRowsAtOnce; ++r) scores[i + r] -= bias;
    }
  }
  for (; i < rows.count; ++i) {
    typename P::Acc acc[1][1];
    block<P, 1, 1>(query, 0, row_at(rows.data, rows.stride_bytes, i), 0, rows.dim, acc);
    scores[i] = P::sum(acc[0][0]);
    if constexpr (P::kBiased) scores[i] -= bias;
  }
}

// How the kernels of f32 ask for rows by number: where each of the next four begins, from where the hardware follows.
// Asking for them whole keeps the loads of this group waiting: 384 dimensions took 222 ns a row instead of 132 (rows
// from memory, one thread of an EPYC; 159 without asking).
inline constexpr size_t kIdsAhead = 4;
inline constexpr size_t kBytesAhead = 128;

// Where kAsksAhead is false, that is left to the caller.
template <class P, bool kAsksAhead>
void one_with_ids(const typename P::A* query, const typename P::B* data, size_t stride_bytes, size_t dim,
                  const uint32_t* ids, size_t count, typename P::Out* scores) {
  using Table = RowsByNumber<typename P::B>;
  typename P::Out bias{};
  if constexpr (P::kBiased) bias = P::bias(query, dim);
  size_t row_bytes = dim * sizeof(typename P::B);
  size_t bytes_ahead = row_bytes < kBytesAhead ? row_bytes : kBytesAhead;
  Table table{data, stride_bytes, ids};
  if constexpr (kAsksAhead) {
    for (size_t r = 0; r < kIdsAhead && r < count; ++r) prefetch_rows(table[r], 0, 1, bytes_ahead);
  }
  size_t i = 0;
  for (; i + kRowsAtOnce <= count; i += kRowsAtOnce) {
    if constexpr (kAsksAhead) {
      for (size_t r = i + kIdsAhead; r < i + kIdsAhead + kRowsAtOnce && r < count; ++r) {
        prefetch_rows(table[r], 0, 1, bytes_ahead);
      }
    }
    typename P::Acc acc[1][kRowsAtOnce];
    block_of<P, 1, kRowsAtOnce>(query, 0, Table{data, stride_bytes, ids + i}, dim, acc);
    P::sum4(acc[0], scores + i);
    if constexpr (P::kBiased) {
      for (size_t r = 0; r < kRowsAtOnce; ++r) scores[i + r] -= bias;
    }
  }
  for (; i < count; ++i) {
    typename P::Acc acc[1][1];
    block_of<P, 1, 1>(query, 0, Table{data, stride_bytes, ids + i}, dim, acc);
    scores[i] = P::sum(acc[0][0]);
    if constexpr (P::kBiased) scores[i] -= bias;
  }
}

// Q queries with all rows of a tile, R at a time.
template <class P, size_t Q, size_t R>
void queries_with_tile(const typename P::A* queries, size_t query_stride, Rows<typename P::B> rows,
                       typename P::Out* scores, size_t scores_stride) {
  typename P::Out bias[Q] = {};
  if constexpr (P::kBiased) {
    for (size_t q = 0; q < Q; ++q) bias[q] = P::bias(row_at(queries, query_stride, q), rows.dim);
  }
  size_t i = 0;
  for (; i + R <= rows.count; i += R) {
    typename P::Acc acc[Q][R];
    block<P, Q, R>(queries, query_stride, row_at(rows.data, rows.stride_bytes, i), rows.stride_bytes, rows.dim, acc);
    for (size_t q = 0; q < Q; ++q) {
      for (size_t r = 0; r < R; ++r) {
        typename P::Out score = P::sum(acc[q][r]);
        if constexpr (P::kBiased) score -= bias[q];
        scores[q * scores_stride + i + r] = score;
      }
    }
  }
  for (; i < rows.count; ++i) {
    typename P::Acc acc[Q][1];
    block<P, Q, 1>(queries, query_stride, row_at(rows.data, rows.stride_bytes, i), 0, rows.dim, acc);
    for (size_t q = 0; q < Q; ++q) {
      typename P::Out score = P::sum(acc[q][0]);
      if constexpr (P::kBiased) score -= bias[q];
      scores[q * scores_stride + i] = score;
    }
  }
}

// Tiles: rows that stay in the first cache while queries pass over them, queries that stay in the second one.
inline constexpr size_t kRowTileBytes = 16 << 10;
inline constexpr size_t kQueryTileBytes = 192 << 10;

template <class P>
void many_with_rows(Rows<typename P::A> queries, Rows<typename P::B> rows, typename P::Out* scores,
                    size_t scores_stride) {
  constexpr size_t kQ = P::kBlockQueries;
  constexpr size_t kR = P::kBlockRows;
  size_t row_bytes = rows.dim * sizeof(typename P::B);
  if (row_bytes == 0) row_bytes = 1;
  size_t tile_rows = kRowTileBytes / row_bytes / kR * kR;
  if (tile_rows < kR) tile_rows = kR;
  size_t tile_queries = kQueryTileBytes / row_bytes / kQ * kQ;
  if (tile_queries < kQ) tile_queries = kQ;
  for (size_t q0 = 0; q0 < queries.count; q0 += tile_queries) {
    size_t q_end = queries.count - q0 < tile_queries ? queries.count : q0 + tile_queries;
    for (size_t r0 = 0; r0 < rows.count; r0 += tile_rows) {
      Rows<typename P::B> tile = rows;
      tile.data = row_at(rows.data, rows.stride_bytes, r0);
      tile.count = rows.count - r0 < tile_rows ? rows.count - r0 : tile_rows;
      size_t q = q0;
      for (; q + kQ <= q_end; q += kQ) {
        queries_with_tile<P, kQ, kR>(row_at(queries.data, queries.stride_bytes, q), queries.stride_bytes, tile,
                                     scores + q * scores_stride + r0, scores_stride);
      }
      for (; q < q_end; ++q) {
        queries_with_tile<P, 1, kR>(row_at(queries.data, queries.stride_bytes, q), queries.stride_bytes, tile,
                                    scores + q * scores_stride + r0, scores_stride);
      }
    }
  }
}

// ---- Cosines.

// Between these, squares neither overflow nor lose the small ones to underflow.
inline constexpr float kSafeSquareLow = 1e-30f;
inline constexpr float kSafeSquareHigh = 1e30f;

template <class A, class B>
float finish_cosine(float dot, float aa, float bb, const A* a, const B* b, size_t dim) {
  bool safe = aa >= kSafeSquareLow && aa <= kSafeSquareHigh && bb >= kSafeSquareLow && bb <= kSafeSquareHigh;
  if (!safe) return cosine_wide(a, b, dim);
  // The product of two floats is exact in double, so that a vector with itself gives exactly 1.
  float c = static_cast<float>(dot / __builtin_sqrt(static_cast<double>(aa) * static_cast<double>(bb)));
  return c > 1.0f ? 1.0f : c < -1.0f ? -1.0f : c;
}

inline float finish_cosine(int32_t dot, int32_t aa, int32_t bb, const int8_t*, const int8_t*, size_t) {
  if (aa == 0 || bb == 0) return 0.0f;
  return static_cast<float>(dot / __builtin_sqrt(static_cast<double>(aa) * static_cast<double>(bb)));
}

// The dot products of one with R and those of each of the R with itself. P is a dot product, the Ps of A with A
// likewise.
template <class P, size_t R>
inline __attribute__((always_inline)) void dots_and_squares(const typename P::A* a, const typename P::B* b,
                                                            size_t b_stride, size_t dim, typename P::Out (&dots)[R],
                                                            typename P::Out (&squares)[R]) {
  constexpr size_t kStep = P::kLanes;
  typename P::Acc ab[P::kChains][R];
  typename P::Acc bb[P::kChains][R];
  for (size_t c = 0; c < P::kChains; ++c)
    for (size_t r = 0; r < R; ++r) ab[c][r] = bb[c][r] = P::zero();
  size_t i = 0;
  for (; i + P::kChains * kStep <= dim; i += P::kChains * kStep) {
    for (size_t c = 0; c < P::kChains; ++c) {
      typename P::Chunk x = P::load_a(a + i + c * kStep);
      for (size_t r = 0; r < R; ++r) {
        typename P::Chunk y = P::load_b(row_at(b, b_stride, r) + i + c * kStep);
        ab[c][r] = P::step(ab[c][r], x, y);
        bb[c][r] = P::step(bb[c][r], y, y);
      }
    }
  }
  if constexpr (P::kChains == 2) {
    if (i + kStep <= dim) {
      typename P::Chunk x = P::load_a(a + i);
      for (size_t r = 0; r < R; ++r) {
        typename P::Chunk y = P::load_b(row_at(b, b_stride, r) + i);
        ab[0][r] = P::step(ab[0][r], x, y);
        bb[0][r] = P::step(bb[0][r], y, y);
      }
      i += kStep;
    }
  }
  if (i < dim) {
    constexpr size_t kLast = P::kChains - 1;
    typename P::Chunk x = P::load_a_part(a + i, dim - i);
    for (size_t r = 0; r < R; ++r) {
      typename P::Chunk y = P::load_b_part(row_at(b, b_stride, r) + i, dim - i);
      ab[kLast][r] = P::step(ab[kLast][r], x, y);
      bb[kLast][r] = P::step(bb[kLast][r], y, y);
    }
  }
  for (size_t r = 0; r < R; ++r) {
    if constexpr (P::kChains == 2) {
      dots[r] = P::sum(P::add(ab[0][r], ab[1][r]));
      squares[r] = P::sum(P::add(bb[0][r], bb[1][r]));
    } else {
      dots[r] = P::sum(ab[0][r]);
      squares[r] = P::sum(bb[0][r]);
    }
  }
}

// P: dot of A with B; PA: dot of A with A.
template <class P, class PA>
float cosine_pair(const typename P::A* a, const typename P::B* b, size_t dim) {
  typename P::Out dot[1];
  typename P::Out bb[1];
  dots_and_squares<P, 1>(a, b, 0, dim, dot, bb);
  return finish_cosine(dot[0], pair<PA>(a, a, dim), bb[0], a, b, dim);
}

template <class P, class PA>
void cosine_with_rows(const typename P::A* query, Rows<typename P::B> rows, float* scores) {
  constexpr size_t kAtOnce = 2;
  typename P::Out aa = pair<PA>(query, query, rows.dim);
  size_t row_bytes = rows.dim * sizeof(typename P::B);
  size_t i = 0;
  for (; i + kAtOnce <= rows.count; i += kAtOnce) {
    const typename P::B* row = row_at(rows.data, rows.stride_bytes, i);
    if (i + 3 * kAtOnce <= rows.count) {
      prefetch_rows(row_at(row, rows.stride_bytes, 2 * kAtOnce), rows.stride_bytes, kAtOnce, row_bytes);
    }
    typename P::Out dots[kAtOnce];
    typename P::Out squares[kAtOnce];
    dots_and_squares<P, kAtOnce>(query, row, rows.stride_bytes, rows.dim, dots, squares);
    for (size_t r = 0; r < kAtOnce; ++r) {
      scores[i + r] = finish_cosine(dots[r], aa, squares[r], query, row_at(row, rows.stride_bytes, r), rows.dim);
    }
  }
  for (; i < rows.count; ++i) {
    const typename P::B* row = row_at(rows.data, rows.stride_bytes, i);
    typename P::Out dots[1];
    typename P::Out squares[1];
    dots_and_squares<P, 1>(query, row, 0, rows.dim, dots, squares);
    scores[i] = finish_cosine(dots[0], aa, squares[0], query, row, rows.dim);
  }
}

// ---- Element by element.

template <class V, class From, class To>
void convert(const From* in, size_t count, To* out) {
  size_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::store(out + i, V::load(in + i));
  if (i < count) V::store_part(out + i, V::load_part(in + i, count - i), count - i);
}

template <class V, class From, class To>
void convert_scaled(const From* in, size_t count, float factor, To* out) {
  typename V::Reg f = V::broadcast(factor);
  size_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) V::store(out + i, V::mul(V::load(in + i), f));
  if (i < count) V::store_part(out + i, V::mul(V::load_part(in + i, count - i), f), count - i);
}

template <class V>
void scores_from_integers(const int32_t* in, size_t count, float scale, const float* scales, float* out) {
  if (scales == nullptr) return convert_scaled<V>(in, count, scale, out);
  typename V::Reg f = V::broadcast(scale);
  size_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    V::store(out + i, V::mul(V::mul(V::load(in + i), f), V::load(scales + i)));
  }
  if (i < count) {
    size_t n = count - i;
    V::store_part(out + i, V::mul(V::mul(V::load_part(in + i, n), f), V::load_part(scales + i, n)), n);
  }
}

template <class V>
void bits_from_signs(const float* in, size_t count, uint8_t* out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) out[i / 8] = V::sign_bits_of_8(in + i);
  if (i < count) {
    unsigned byte = 0;
    for (size_t j = i; j < count; ++j) byte |= (in[j] > 0.0f ? 0x80u : 0u) >> (j - i);
    out[i / 8] = static_cast<uint8_t>(byte);
  }
}

template <class V>
float max_abs(const float* values, size_t count) {
  typename V::Reg acc = V::zero();
  size_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) acc = V::max_or_second(V::abs(V::load(values + i)), acc);
  if (i < count) acc = V::max_or_second(V::abs(V::load_part(values + i, count - i)), acc);
  float lanes[V::kLanes];
  V::store(lanes, acc);
  float best = 0.0f;
  for (float lane : lanes) best = lane > best ? lane : best;
  return best;
}

template <class V>
void scale(float* values, size_t count, float factor) {
  convert_scaled<V>(values, count, factor, values);
}

template <class V>
float normalize(float* values, size_t dim) {
  float square = pair<Dot<V, float, float>>(values, values, dim);
  if (!(square >= kSafeSquareLow && square <= kSafeSquareHigh)) return normalize_wide(values, dim);
  double length = __builtin_sqrt(static_cast<double>(square));
  scale<V>(values, dim, static_cast<float>(1.0 / length));
  return static_cast<float>(length);
}

// ---- Sums of rows.

template <class V, class T>
void add_row(float* accumulator, const T* row, float weight, size_t dim) {
  typename V::Reg w = V::broadcast(weight);
  size_t i = 0;
  for (; i + V::kLanes <= dim; i += V::kLanes) {
    V::store(accumulator + i, V::fma(w, V::load(row + i), V::load(accumulator + i)));
  }
  if (i < dim) {
    size_t n = dim - i;
    V::store_part(accumulator + i, V::fma(w, V::load_part(row + i, n), V::load_part(accumulator + i, n)), n);
  }
}

inline float bag_weight(const float* row_scales, Bag bag, size_t i) {
  float weight = bag.weights == nullptr ? 1.0f : bag.weights[i];
  return row_scales == nullptr ? weight : weight * row_scales[bag.ids[i]];
}

// The stretch [begin, begin + kRegs * kLanes) of all the rows; kAhead rows are asked for in advance.
template <class V, class T, size_t kRegs>
void bag_stretch(Rows<T> table, const float* row_scales, Bag bag, float* accumulator, size_t begin, bool prefetch) {
  constexpr size_t kAhead = 6;
  size_t row_bytes = table.dim * sizeof(T);
  typename V::Reg acc[kRegs];
  for (size_t j = 0; j < kRegs; ++j) acc[j] = V::load(accumulator + begin + j * V::kLanes);
  for (size_t i = 0; i < bag.count; ++i) {
    if (prefetch && i + kAhead < bag.count) {
      prefetch_rows(row_at(table.data, table.stride_bytes, bag.ids[i + kAhead]), 0, 1, row_bytes);
    }
    const T* row = row_at(table.data, table.stride_bytes, bag.ids[i]) + begin;
    typename V::Reg w = V::broadcast(bag_weight(row_scales, bag, i));
    for (size_t j = 0; j < kRegs; ++j) acc[j] = V::fma(w, V::load(row + j * V::kLanes), acc[j]);
  }
  for (size_t j = 0; j < kRegs; ++j) V::store(accumulator + begin + j * V::kLanes, acc[j]);
}

template <class V, class T>
void add_bag(Rows<T> table, const float* row_scales, Bag bag, float* accumulator) {
  constexpr size_t kRegs = 8;
  size_t begin = 0;
  for (; begin + kRegs * V::kLanes <= table.dim; begin += kRegs * V::kLanes) {
    bag_stretch<V, T, kRegs>(table, row_scales, bag, accumulator, begin, begin == 0);
  }
  for (; begin + V::kLanes <= table.dim; begin += V::kLanes) {
    bag_stretch<V, T, 1>(table, row_scales, bag, accumulator, begin, false);
  }
  if (begin < table.dim) {
    size_t n = table.dim - begin;
    typename V::Reg acc = V::load_part(accumulator + begin, n);
    for (size_t i = 0; i < bag.count; ++i) {
      const T* row = row_at(table.data, table.stride_bytes, bag.ids[i]) + begin;
      acc = V::fma(V::broadcast(bag_weight(row_scales, bag, i)), V::load_part(row, n), acc);
    }
    V::store_part(accumulator + begin, acc, n);
  }
}

// ---- Picking scores. The mask has a bit for each lane that is not worse than the threshold; NaN is not.

template <class V, bool kHigh>
size_t select(const float* scores, size_t count, float threshold, uint32_t* positions) {
  typename V::Reg t = V::broadcast(threshold);
  size_t found = 0;
  size_t i = 0;
  for (; i + V::kLanes <= count; i += V::kLanes) {
    typename V::Reg s = V::load(scores + i);
    uint32_t mask = kHigh ? V::not_below(s, t) : V::not_above(s, t);
    while (mask != 0) {
      positions[found++] = static_cast<uint32_t>(i) + static_cast<uint32_t>(__builtin_ctz(mask));
      mask &= mask - 1;
    }
  }
  for (; i < count; ++i) {
    bool worse = kHigh ? scores[i] < threshold : scores[i] > threshold;
    if (!worse) positions[found++] = static_cast<uint32_t>(i);
  }
  return found;
}

// ---- The table.

template <class V, class W>
void fill(Kernels& k) {
  using FF = Dot<V, float, float>;
  using FH = Dot<V, float, Float16>;
  using HH = Dot<V, Float16, Float16>;
  using FB = Dot<V, float, BFloat16>;
  using BB = Dot<V, BFloat16, BFloat16>;
  using II = ByteDot<W>;
  k.dot_f32 = pair<FF>;
  k.cosine_f32 = cosine_pair<FF, FF>;
  k.l2_squared_f32 = pair<SquaredL2<V, float, float>>;
  k.l1_f32 = pair<L1<V, float, float>>;
  k.dot_f16 = pair<HH>;
  k.cosine_f16 = cosine_pair<HH, HH>;
  k.l2_squared_f16 = pair<SquaredL2<V, Float16, Float16>>;
  k.dot_bf16 = pair<BB>;
  k.cosine_bf16 = cosine_pair<BB, BB>;
  k.l2_squared_bf16 = pair<SquaredL2<V, BFloat16, BFloat16>>;
  k.dot_i8 = pair<II>;
  k.cosine_i8 = cosine_pair<II, II>;
  k.l2_squared_i8 = pair<ByteSquaredL2<W>>;
  k.dot_f32_rows = one_with_rows<FF>;
  k.cosine_f32_rows = cosine_with_rows<FF, FF>;
  k.l2_squared_f32_rows = one_with_rows<SquaredL2<V, float, float>>;
  k.l1_f32_rows = one_with_rows<L1<V, float, float>>;
  k.dot_f16_rows = one_with_rows<FH>;
  k.cosine_f16_rows = cosine_with_rows<FH, FF>;
  k.l2_squared_f16_rows = one_with_rows<SquaredL2<V, float, Float16>>;
  k.dot_bf16_rows = one_with_rows<FB>;
  k.cosine_bf16_rows = cosine_with_rows<FB, FF>;
  k.l2_squared_bf16_rows = one_with_rows<SquaredL2<V, float, BFloat16>>;
  k.dot_i8_rows = one_with_rows<II>;
  k.cosine_i8_rows = cosine_with_rows<II, II>;
  k.l2_squared_i8_rows = one_with_rows<ByteSquaredL2<W>>;
  k.dot_f32_ids = one_with_ids<FF, true>;
  k.l2_squared_f32_ids = one_with_ids<SquaredL2<V, float, float>, true>;
  k.dot_i8_ids = one_with_ids<II, false>;
  k.dot_f32_block = many_with_rows<FF>;
  k.dot_i8_block = many_with_rows<II>;
  k.f32_to_f16 = convert<V, float, Float16>;
  k.f16_to_f32 = convert<V, Float16, float>;
  k.f32_to_bf16 = convert<V, float, BFloat16>;
  k.bf16_to_f32 = convert<V, BFloat16, float>;
  k.f32_to_i8 = convert_scaled<V, float, int8_t>;
  k.i8_to_f32 = convert_scaled<V, int8_t, float>;
  k.i32_to_f32 = scores_from_integers<V>;
  k.f32_to_bits = bits_from_signs<V>;
  k.max_abs_f32 = max_abs<V>;
  k.scale_f32 = scale<V>;
  k.normalize_f32 = normalize<V>;
  k.add_row_f32 = add_row<V, float>;
  k.add_row_f16 = add_row<V, Float16>;
  k.add_row_i8 = add_row<V, int8_t>;
  k.bag_f32 = add_bag<V, float>;
  k.bag_f16 = add_bag<V, Float16>;
  k.bag_i8 = add_bag<V, int8_t>;
  k.select_high = select<V, true>;
  k.select_low = select<V, false>;
}

}  // namespace
}  // namespace sextant::simd
