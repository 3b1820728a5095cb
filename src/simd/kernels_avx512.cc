// Kernels for AVX-512 F, BW, VL and DQ: 16 floats or 32 bytes a step, 32 registers, masks for what is left.
#include <immintrin.h>

#include "simd/shapes_codes.h"
#include "simd/shapes_codes_avx512.h"

#ifndef SEXTANT_KEEP_ZMM  // the emulated instructions bring their own
#define SEXTANT_KEEP_ZMM(reg) __asm__("" : "+v"(reg))
#endif

namespace sextant::simd {
namespace {

__mmask16 mask16(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

struct Avx512Floats {
  static constexpr size_t kLanes = 16;
  static constexpr size_t kBlockQueries = 4;  // 4 x 3 x 2 accumulators, 4 queries and a row: 29 of 32 registers
  static constexpr size_t kBlockRows = 3;
  using Reg = __m512;

  static void keep_in_register(Reg& a) { SEXTANT_KEEP_ZMM(a); }
  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg broadcast(float value) { return _mm512_set1_ps(value); }

  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg load(const Float16* p) { return widen_f16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static Reg load(const BFloat16* p) { return widen_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static Reg load(const int8_t* p) { return widen_i8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static Reg load(const int32_t* p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }

  static Reg load_part(const float* p, size_t n) { return _mm512_maskz_loadu_ps(mask16(n), p); }
  static Reg load_part(const Float16* p, size_t n) { return widen_f16(_mm256_maskz_loadu_epi16(mask16(n), p)); }
  static Reg load_part(const BFloat16* p, size_t n) { return widen_bf16(_mm256_maskz_loadu_epi16(mask16(n), p)); }
  static Reg load_part(const int8_t* p, size_t n) { return widen_i8(_mm_maskz_loadu_epi8(mask16(n), p)); }
  static Reg load_part(const int32_t* p, size_t n) {
    return _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask16(n), p));
  }

  static void store(float* p, Reg a) { _mm512_storeu_ps(p, a); }
  static void store(Float16* p, Reg a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow_f16(a)); }
  static void store(BFloat16* p, Reg a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow_bf16(a)); }
  static void store(int8_t* p, Reg a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow_i8(a)); }

  static void store_part(float* p, Reg a, size_t n) { _mm512_mask_storeu_ps(p, mask16(n), a); }
  static void store_part(Float16* p, Reg a, size_t n) { _mm256_mask_storeu_epi16(p, mask16(n), narrow_f16(a)); }
  static void store_part(BFloat16* p, Reg a, size_t n) { _mm256_mask_storeu_epi16(p, mask16(n), narrow_bf16(a)); }
  static void store_part(int8_t* p, Reg a, size_t n) { _mm_mask_storeu_epi8(p, mask16(n), narrow_i8(a)); }

  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg abs(Reg a) { return _mm512_abs_ps(a); }
  static Reg max_or_second(Reg a, Reg b) { return _mm512_max_ps(a, b); }

  // Lane i and i + 8 first; then as AVX2 does, in both.
  static float sum(Reg a) {
    __m256 eight = halves(a);
    __m256 twos = _mm256_hadd_ps(eight, eight);
    __m256 fours = _mm256_hadd_ps(twos, twos);
    return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
  }
  static void sum4(const Reg* a, float* out) {
    __m256 fours = _mm256_hadd_ps(_mm256_hadd_ps(halves(a[0]), halves(a[1])),  //
                                  _mm256_hadd_ps(halves(a[2]), halves(a[3])));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
  }

  static uint32_t not_below(Reg a, Reg b) { return _mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ); }
  static uint32_t not_above(Reg a, Reg b) { return _mm512_cmp_ps_mask(a, b, _CMP_NGT_UQ); }
  static uint8_t sign_bits_of_8(const float* p) {
    __m256 backwards = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p), _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0));
    return static_cast<uint8_t>(_mm256_movemask_ps(_mm256_cmp_ps(backwards, _mm256_setzero_ps(), _CMP_GT_OQ)));
  }

 private:
  static __m256 halves(Reg a) { return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)); }

  static Reg widen_f16(__m256i halves) { return _mm512_cvtph_ps(halves); }
  static Reg widen_bf16(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static Reg widen_i8(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }

  static __m256i narrow_f16(Reg a) { return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT); }
  static __m256i narrow_bf16(Reg a) {
    __m512i bits = _mm512_castps_si512(a);
    __m512i upper = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
    __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, upper, _mm512_set1_epi32(0x40)));
  }
  static __m128i narrow_i8(Reg a) {
    a = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a);
    a = _mm512_max_ps(_mm512_min_ps(a, _mm512_set1_ps(127.0f)), _mm512_set1_ps(-127.0f));
    return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a));
  }
};

struct Avx512Bytes {
  static constexpr size_t kLanes = 32;
  static constexpr size_t kBlockQueries = 4;
  static constexpr size_t kBlockRows = 4;
  using Reg = __m512i;
  using Acc = __m512i;

  static Acc zero() { return _mm512_setzero_si512(); }
  static Reg load(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Reg load_part(const int8_t* p, size_t n) {
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(static_cast<__mmask32>((1u << n) - 1), p));
  }
  static Acc dot_step(Acc acc, Reg x, Reg y) { return _mm512_add_epi32(acc, _mm512_madd_epi16(x, y)); }
  static Acc squared_step(Acc acc, Reg x, Reg y) {
    __m512i d = _mm512_sub_epi16(x, y);
    return _mm512_add_epi32(acc, _mm512_madd_epi16(d, d));
  }
  static Acc add(Acc a, Acc b) { return _mm512_add_epi32(a, b); }
  static int32_t sum(Acc a) {
    __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
    __m128i v = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, _MM_SHUFFLE(1, 0, 3, 2)));
    v = _mm_add_epi32(v, _mm_shuffle_epi32(v, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(v);
  }
};

// As AVX2 does, two blocks of 64 dimensions at a step: one in each half of a register. What four steps add to a lane of
// 16 bits is the same, 30720 at most.
struct Avx512Nibbles : Avx512NibbleShape {
  template <size_t R>
  static void sums(const int8_t* query, const uint8_t* const (&rows)[R], size_t dim, int32_t* out) {
    __m512i acc[R];
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) acc[r] = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 4 * kStep <= dim; i += 4 * kStep) add<R, 4>(query, rows, i, acc);
    if (i + 2 * kStep <= dim) {
      add<R, 2>(query, rows, i, acc);
      i += 2 * kStep;
    }
    if (i + kStep <= dim) {
      add<R, 1>(query, rows, i, acc);
      i += kStep;
    }
    if (i < dim) add<R, 0>(query, rows, i, acc);
    store_sums(acc, out);
  }

 private:
  // kSteps 0: the block of 64 dimensions that is left.
  template <size_t R, size_t kSteps>
  static inline __attribute__((always_inline)) void add(const int8_t* query, const uint8_t* const (&rows)[R],
                                                        size_t first, __m512i (&acc)[R]) {
    __m512i words[R];
    SEXTANT_UNROLL
    for (size_t s = 0; s < (kSteps == 0 ? 1 : kSteps); ++s) {
      size_t i = first + s * kStep;
      NibbleQuery x = kSteps == 0 ? nibble_query_half(query + i) : nibble_query(query + i);
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) {
        __m512i codes = kSteps == 0 ? load_half(rows[r] + i / 2) : _mm512_loadu_si512(rows[r] + i / 2);
        __m512i low = _mm512_maddubs_epi16(lower(codes), x.lower);
        words[r] = s == 0 ? low : _mm512_add_epi16(words[r], low);
        words[r] = _mm512_add_epi16(words[r], _mm512_maddubs_epi16(upper(codes), x.upper));
        SEXTANT_KEEP_ZMM(words[r]);
      }
    }
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) {
      acc[r] = _mm512_add_epi32(acc[r], _mm512_madd_epi16(words[r], _mm512_set1_epi16(1)));
    }
  }
};

// Without VPOPCNTDQ, AVX2's way is kept for counting bits: twice the width is not worth a second copy of it.

}  // namespace

void fill_avx512(Kernels& kernels) {
  fill<Avx512Floats, Avx512Bytes>(kernels);
  fill_nibbles<Avx512Nibbles>(kernels);
}

}  // namespace sextant::simd
