// int8 and 4-bit dot products with AVX-512 VNNI: 64 products and their sums in one instruction.
//
// The instruction multiplies unsigned by signed bytes, which 4-bit codes and their query are. Rows of int8 are made
// unsigned by adding 128 (flipping the top bit), so that every sum is too large by 128 times the sum of the query, the
// bias, which is taken off once at the end. Sums wrap around 2^32 in between; the final value fits, so it is right.
#include <immintrin.h>

#include "simd/shapes_codes_avx512.h"

#ifndef SEXTANT_KEEP_ZMM  // the emulated instructions bring their own
#define SEXTANT_KEEP_ZMM(reg) __asm__("" : "+v"(reg))
#endif

namespace sextant::simd {
namespace {

__mmask64 mask64(size_t n) { return (uint64_t{1} << n) - 1; }

int32_t sum_of(__m512i a) {
  __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
  __m128i v = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  v = _mm_add_epi32(v, _mm_shuffle_epi32(v, _MM_SHUFFLE(1, 0, 3, 2)));
  v = _mm_add_epi32(v, _mm_shuffle_epi32(v, _MM_SHUFFLE(2, 3, 0, 1)));
  return _mm_cvtsi128_si32(v);
}

struct VnniDot {
  using A = int8_t;
  using B = int8_t;
  using Chunk = __m512i;
  using Acc = __m512i;
  using Out = int32_t;
  static constexpr size_t kLanes = 64;
  static constexpr size_t kChains = 2;  // the instruction takes four cycles or five
  static constexpr size_t kBlockQueries = 3;
  static constexpr size_t kBlockRows = 4;  // 3 x 4 x 2 accumulators, 3 queries, a row and the constant
  static constexpr bool kBiased = true;

  static Acc zero() { return _mm512_setzero_si512(); }
  static Acc add(Acc a, Acc b) { return _mm512_add_epi32(a, b); }
  static Chunk load_a(const int8_t* p) { return _mm512_loadu_si512(p); }
  static Chunk load_a_part(const int8_t* p, size_t n) { return _mm512_maskz_loadu_epi8(mask64(n), p); }
  static Chunk load_b(const int8_t* p) { return _mm512_xor_si512(_mm512_loadu_si512(p), offset()); }
  static Chunk load_b_part(const int8_t* p, size_t n) {
    return _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask64(n), p), offset());
  }
  static void keep_in_register(Chunk& chunk) { SEXTANT_KEEP_ZMM(chunk); }
  static Acc step(Acc acc, Chunk x, Chunk y) { return _mm512_dpbusd_epi32(acc, y, x); }
  static Out sum(Acc a) { return sum_of(a); }
  static void sum4(const Acc* a, Out* out) {
    for (int i = 0; i < 4; ++i) out[i] = sum_of(a[i]);
  }
  static Out bias(const int8_t* query, size_t dim) {
    Acc acc = zero();
    size_t i = 0;
    for (; i + kLanes <= dim; i += kLanes) acc = _mm512_dpbusd_epi32(acc, offset(), load_a(query + i));
    if (i < dim) acc = _mm512_dpbusd_epi32(acc, offset(), load_a_part(query + i, dim - i));
    return sum_of(acc);
  }

 private:
  static __m512i offset() { return _mm512_set1_epi8(static_cast<char>(0x80)); }
};

// The low and the high halves have sums of their own: each instruction waits four cycles or five for the one before.
struct VnniNibbles : Avx512NibbleShape {
  template <size_t R>
  static void sums(const int8_t* query, const uint8_t* const (&rows)[R], size_t dim, int32_t* out) {
    __m512i low[R];
    __m512i high[R];
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) low[r] = high[r] = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + kStep <= dim; i += kStep) {
      NibbleQuery x = nibble_query(query + i);
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) add(_mm512_loadu_si512(rows[r] + i / 2), x, low[r], high[r]);
    }
    if (i < dim) {
      NibbleQuery x = nibble_query_half(query + i);
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) add(load_half(rows[r] + i / 2), x, low[r], high[r]);
    }
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) low[r] = _mm512_add_epi32(low[r], high[r]);
    store_sums(low, out);
  }

 private:
  static inline __attribute__((always_inline)) void add(__m512i codes, const NibbleQuery& x, __m512i& low,
                                                        __m512i& high) {
    low = _mm512_dpbusd_epi32(low, lower(codes), x.lower);
    high = _mm512_dpbusd_epi32(high, upper(codes), x.upper);
  }
};

}  // namespace

void fill_avx512_vnni(Kernels& kernels) {
  kernels.dot_i8 = pair<VnniDot>;
  kernels.dot_i8_rows = one_with_rows<VnniDot>;
  kernels.dot_i8_ids = one_with_ids<VnniDot, false>;
  kernels.dot_i8_block = many_with_rows<VnniDot>;
  fill_nibbles<VnniNibbles>(kernels);
}

}  // namespace sextant::simd
