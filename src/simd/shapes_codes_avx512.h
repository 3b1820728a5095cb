// simd/shapes_codes_avx512.h: what the kernels of 4-bit codes share, with VNNI and without it.
//
// Included by kernels_avx512*.cc alone, after <immintrin.h>. A step is two blocks of 64 dimensions, one in each half of
// a register; a last block alone has zeros in the other half.
#pragma once

#include "simd/shapes_codes.h"

namespace sextant::simd {
namespace {

// The query's numbers as the low and the high halves of a step's bytes meet them.
struct NibbleQuery {
  __m512i lower;
  __m512i upper;
};

struct Avx512NibbleShape : NibbleShape {
  static constexpr size_t kStep = 2 * kNibbleDims;

  static __m512i lower(__m512i codes) { return _mm512_and_si512(codes, _mm512_set1_epi8(15)); }
  static __m512i upper(__m512i codes) { return lower(_mm512_srli_epi16(codes, 4)); }

  static __m512i load_half(const void* p) { return _mm512_maskz_loadu_epi32(0x00ff, p); }

  static NibbleQuery nibble_query(const int8_t* query) {
    return {halves_at(query, query + kNibbleDims), halves_at(query + 32, query + kNibbleDims + 32)};
  }
  static NibbleQuery nibble_query_half(const int8_t* query) { return {load_half(query), load_half(query + 32)}; }

  static void store_sums(const __m512i (&a)[4], int32_t* out) {
    __m256i fours = _mm256_hadd_epi32(_mm256_hadd_epi32(eight_of(a[0]), eight_of(a[1])),
                                      _mm256_hadd_epi32(eight_of(a[2]), eight_of(a[3])));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), four_of(fours));
  }
  static void store_sums(const __m512i (&a)[2], int32_t* out) {
    __m128i four = four_of(_mm256_hadd_epi32(eight_of(a[0]), eight_of(a[1])));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_hadd_epi32(four, four));
  }
  static void store_sums(const __m512i (&a)[1], int32_t* out) {
    __m128i two = _mm_hadd_epi32(four_of(eight_of(a[0])), _mm_setzero_si128());
    out[0] = _mm_cvtsi128_si32(_mm_hadd_epi32(two, two));
  }

 private:
  static __m512i halves_at(const int8_t* low, const int8_t* high) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(low))),
                              _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)), 1);
  }
  static __m256i eight_of(__m512i a) {
    return _mm256_add_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
  }
  static __m128i four_of(__m256i a) { return _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)); }
};

}  // namespace
}  // namespace sextant::simd
