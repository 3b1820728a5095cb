// simd/kernel_table.h: the table of kernels, and the plain types that cross its border.
//
// Kernel files include this and nothing that defines a function: an inline function or std template compiled there with
// AVX flags could be the copy that the linker keeps for the whole program, which then dies on an older machine.
// Everybody else includes simd/kernels.h.
//
// What holds for every kernel:
//   - Pointers need only the element's own alignment. Nothing outside the named elements is read or written.
//   - dim 0 and count 0 are fine: sums are 0, cosines 0.
//   - The order of additions is fixed per tier and depends on dim alone: a pair, the same row among many, and the same
//     row in a block of queries give the same bytes, and so does every run on the same tier. Tiers differ in last bits.
//   - NaN and infinity propagate as IEEE 754 says: a NaN in a vector makes its dot, cosine and distances NaN;
//   infinities
//     give infinity or, where two cancel or are divided, NaN. Sums that overflow float are infinite.
//   - cosine is 0 when either vector is zero and the other finite, lies in [-1, 1], is exactly 1 for a non-zero finite
//     vector with itself, and is right for vectors whose squared length leaves float's range.
//   - Denormals count in full, with one exception: dot_bf16 on the tiers avx512_bf16 and amx takes them for zero.
//   - int8 covers all of [-128, 127]; REQUIRES: dim <= 65536, which keeps every sum within its 32 bits.
// Threads: all kernels may be called from many.     Memory: none is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sextant::simd {

// Sets of instructions, each of which includes all before it.
enum class Tier {
  scalar,       // whatever the compiler's baseline has; runs everywhere
  avx2,         // AVX2, FMA, F16C, POPCNT
  avx512,       // AVX-512 F, BW, VL, DQ
  avx512_vnni,  // and VNNI: int8 dot products
  avx512_bf16,  // and BF16: bf16 dot products
  amx,          // AMX tiles with int8 and bf16. Of use to matrix kernels; those of this table are avx512_bf16's
};
inline constexpr int kTierCount = 6;

// IEEE 754 binary16, and the upper half of a binary32. Kernels convert whole arrays.
struct Float16 {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

// Vectors one after another: row i starts i * stride_bytes after data, and has dim elements.
// For bits an element is a byte of eight. REQUIRES: stride_bytes is a multiple of sizeof(T).
template <class T>
struct Rows {
  const T* data;
  size_t count;
  size_t dim;
  size_t stride_bytes;
};

// Which rows of a table to add up, and how much of each.
struct Bag {
  const uint32_t* ids;   // [count], each below the table's count
  const float* weights;  // [count], or nullptr: all 1
  size_t count;
};

struct Kernels {
  Tier tier;

  // One pair of vectors of dim elements. l2_squared is the squared Euclidean, l1 the Manhattan distance.
  float (*dot_f32)(const float* a, const float* b, size_t dim);
  float (*cosine_f32)(const float* a, const float* b, size_t dim);
  float (*l2_squared_f32)(const float* a, const float* b, size_t dim);
  float (*l1_f32)(const float* a, const float* b, size_t dim);
  float (*dot_f16)(const Float16* a, const Float16* b, size_t dim);
  float (*cosine_f16)(const Float16* a, const Float16* b, size_t dim);
  float (*l2_squared_f16)(const Float16* a, const Float16* b, size_t dim);
  float (*dot_bf16)(const BFloat16* a, const BFloat16* b, size_t dim);
  float (*cosine_bf16)(const BFloat16* a, const BFloat16* b, size_t dim);
  float (*l2_squared_bf16)(const BFloat16* a, const BFloat16* b, size_t dim);
  int32_t (*dot_i8)(const int8_t* a, const int8_t* b, size_t dim);
  float (*cosine_i8)(const int8_t* a, const int8_t* b, size_t dim);
  uint32_t (*l2_squared_i8)(const int8_t* a, const int8_t* b, size_t dim);
  // The number of bits that differ. REQUIRES: bytes < 2^29.
  uint32_t (*hamming)(const uint8_t* a, const uint8_t* b, size_t bytes);

  // One query with every row: scores [rows.count]. Rows of f16 and bf16 meet a query in f32, which loses nothing.
  void (*dot_f32_rows)(const float* query, Rows<float> rows, float* scores);
  void (*cosine_f32_rows)(const float* query, Rows<float> rows, float* scores);
  void (*l2_squared_f32_rows)(const float* query, Rows<float> rows, float* scores);
  void (*l1_f32_rows)(const float* query, Rows<float> rows, float* scores);
  void (*dot_f16_rows)(const float* query, Rows<Float16> rows, float* scores);
  void (*cosine_f16_rows)(const float* query, Rows<Float16> rows, float* scores);
  void (*l2_squared_f16_rows)(const float* query, Rows<Float16> rows, float* scores);
  void (*dot_bf16_rows)(const float* query, Rows<BFloat16> rows, float* scores);
  void (*cosine_bf16_rows)(const float* query, Rows<BFloat16> rows, float* scores);
  void (*l2_squared_bf16_rows)(const float* query, Rows<BFloat16> rows, float* scores);
  void (*dot_i8_rows)(const int8_t* query, Rows<int8_t> rows, int32_t* scores);
  void (*cosine_i8_rows)(const int8_t* query, Rows<int8_t> rows, float* scores);
  void (*l2_squared_i8_rows)(const int8_t* query, Rows<int8_t> rows, uint32_t* scores);
  void (*hamming_rows)(const uint8_t* query, Rows<uint8_t> rows, uint32_t* scores);  // rows.dim: bytes

  // Every query with every row: scores [queries.count, rows.count], row q of it starting q * scores_stride elements on.
  // REQUIRES: queries.dim == rows.dim.
  void (*dot_f32_block)(Rows<float> queries, Rows<float> rows, float* scores, size_t scores_stride);
  void (*dot_i8_block)(Rows<int8_t> queries, Rows<int8_t> rows, int32_t* scores, size_t scores_stride);

  // Rows by number, for walks that jump from row to row: row i of the call starts ids[i] * stride_bytes after the
  // table's first, and out has [count]. ids may repeat and come in any order. The caller knows the ids before the
  // kernels do and prefetches codes itself; for rows of f32, which are long, these kernels do it.
  // Every score has the bytes of the pair's.
  void (*dot_f32_ids)(const float* query, const float* rows, size_t stride_bytes, size_t dim, const uint32_t* ids,
                      size_t count, float* scores);
  void (*l2_squared_f32_ids)(const float* query, const float* rows, size_t stride_bytes, size_t dim,
                             const uint32_t* ids, size_t count, float* scores);
  void (*dot_i8_ids)(const int8_t* query, const int8_t* rows, size_t stride_bytes, size_t dim, const uint32_t* ids,
                     size_t count, int32_t* sums);

  void (*hamming_ids)(const uint8_t* query, const uint8_t* rows, size_t stride_bytes, size_t bytes, const uint32_t* ids,
                      size_t count, uint32_t* scores);

  // Codes of 4 bits, 0..15: 64 dimensions lie in 32 bytes, byte j of which holds dimension j in its low and dimension
  // 32 + j in its high half. The query has any int8 for every dimension, in the natural order.
  // REQUIRES: dim is a multiple of 64 and at most 65536.
  void (*dot_u4_ids)(const int8_t* query, const uint8_t* codes, size_t stride_bytes, size_t dim, const uint32_t* ids,
                     size_t count, int32_t* sums);
  void (*dot_u4_rows)(const int8_t* query, Rows<uint8_t> rows, int32_t* sums);  // rows.dim: dimensions

  // Codes of one bit with a query of four bits a dimension, as RaBitQ has them (Gao & Long 2024, arXiv:2405.12497,
  // section 3.3): the query is four planes of bits in the order of the codes, plane p (worth 2^p) starting p * bytes
  // after planes. A sum is that of popcount(plane & row) << p. REQUIRES: bytes < 2^25.
  void (*dot_u1_ids)(const uint8_t* planes, const uint8_t* codes, size_t stride_bytes, size_t bytes,
                     const uint32_t* ids, size_t count, uint32_t* sums);
  void (*dot_u1_rows)(const uint8_t* planes, Rows<uint8_t> rows, uint32_t* sums);  // rows.dim: bytes

  // Conversions round to nearest, ties to even, and give the same bytes on every tier. NaN stays NaN (made quiet, sign
  // and upper payload kept); what is too large for f16 or bf16 becomes infinite.
  void (*f32_to_f16)(const float* in, size_t count, Float16* out);
  void (*f16_to_f32)(const Float16* in, size_t count, float* out);
  void (*f32_to_bf16)(const float* in, size_t count, BFloat16* out);
  void (*bf16_to_f32)(const BFloat16* in, size_t count, float* out);
  // out = in * multiplier, rounded and held within [-127, 127]; NaN becomes 0. For a symmetric scale s pass 1 / s.
  void (*f32_to_i8)(const float* in, size_t count, float multiplier, int8_t* out);
  // out = in * scale.
  void (*i8_to_f32)(const int8_t* in, size_t count, float scale, float* out);
  // out = in * scale * scales[i]; scales may be nullptr: all 1. Turns integer dot products into scores.
  void (*i32_to_f32)(const int32_t* in, size_t count, float scale, const float* scales, float* out);
  // One bit a value, 1 where it is above 0 (NaN is not), the first value in a byte's highest bit, as numpy.packbits
  // does. out has (count + 7) / 8 bytes, the last filled up with 0.
  void (*f32_to_bits)(const float* in, size_t count, uint8_t* out);

  // The largest magnitude, NaN left out; 0 of nothing.
  float (*max_abs_f32)(const float* values, size_t count);
  // values *= factor.
  void (*scale_f32)(float* values, size_t count, float factor);
  // Makes the Euclidean length 1 and returns what it was. A zero vector stays as it is; NaN or infinity spreads.
  float (*normalize_f32)(float* values, size_t dim);

  // accumulator [dim] += weight * row [dim].
  void (*add_row_f32)(float* accumulator, const float* row, float weight, size_t dim);
  void (*add_row_f16)(float* accumulator, const Float16* row, float weight, size_t dim);
  void (*add_row_i8)(float* accumulator, const int8_t* row, float weight, size_t dim);
  // An embedding bag: add_row for every id of the bag in turn, with weights[i] * row_scales[ids[i]]; the same bytes.
  // row_scales [table.count] may be nullptr: all 1.
  void (*bag_f32)(Rows<float> table, const float* row_scales, Bag bag, float* accumulator);
  void (*bag_f16)(Rows<Float16> table, const float* row_scales, Bag bag, float* accumulator);
  void (*bag_i8)(Rows<int8_t> table, const float* row_scales, Bag bag, float* accumulator);

  // Positions i with scores[i] at or above the threshold (at or below, for select_low), and those of NaN: returns how
  // many, their positions ascending in positions, which needs room for count. REQUIRES: count < 2^32.
  size_t (*select_high)(const float* scores, size_t count, float threshold, uint32_t* positions);
  size_t (*select_low)(const float* scores, size_t count, float threshold, uint32_t* positions);
};

// Each puts its kernels over those of the tiers below; called in the order of Tier. REQUIRES: the machine has the
// instructions that the name says; these functions themselves are compiled with them.
void fill_scalar(Kernels& kernels);
void fill_avx2(Kernels& kernels);
void fill_avx512(Kernels& kernels);
void fill_avx512_popcnt(Kernels& kernels);  // bits, where AVX-512 VPOPCNTDQ is present, whatever the tier
void fill_avx512_vnni(Kernels& kernels);
void fill_avx512_bf16(Kernels& kernels);

// The sums of a cosine in double, for vectors whose squared length has left float's comfortable range. Slow, rare.
float cosine_wide(const float* a, const float* b, size_t dim);
float cosine_wide(const float* a, const Float16* b, size_t dim);
float cosine_wide(const Float16* a, const Float16* b, size_t dim);
float cosine_wide(const float* a, const BFloat16* b, size_t dim);
float cosine_wide(const BFloat16* a, const BFloat16* b, size_t dim);
// Likewise normalize_f32.
float normalize_wide(float* values, size_t dim);

}  // namespace sextant::simd
