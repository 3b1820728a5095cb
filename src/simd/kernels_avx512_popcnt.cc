// Hamming distance and sums of planes with AVX-512 VPOPCNTDQ: counts eight words of 64 bits at once.
#include <immintrin.h>

#include "simd/shapes_codes.h"

namespace sextant::simd {
namespace {

uint32_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  __m512i acc = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= bytes; i += 64) {
    acc = _mm512_add_epi64(acc, _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_loadu_si512(a + i),  //
                                                                     _mm512_loadu_si512(b + i))));
  }
  if (i < bytes) {
    __mmask64 mask = (uint64_t{1} << (bytes - i)) - 1;
    acc = _mm512_add_epi64(acc, _mm512_popcnt_epi64(_mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, a + i),
                                                                     _mm512_maskz_loadu_epi8(mask, b + i))));
  }
  uint64_t lanes[8];
  _mm512_storeu_si512(lanes, acc);
  uint64_t total = 0;
  for (uint64_t lane : lanes) total += lane;
  return static_cast<uint32_t>(total);
}

// Where the sums of 4, 2 or 1 rows go.
struct Avx512Sums : BitShape {
  // Sums fit 32 bits, so that two rows share a lane of 64.
  static __m256i both(__m512i a, __m512i b) {
    __m512i lanes = _mm512_add_epi64(a, _mm512_slli_epi64(b, 32));
    return _mm256_add_epi32(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
  }
  static __m128i halves(__m256i a) { return _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)); }
  static void store_sums(const __m512i (&a)[4], uint32_t* out) {
    __m256i first = both(a[0], a[1]);
    __m256i second = both(a[2], a[3]);
    __m256i sum = _mm256_add_epi32(_mm256_unpacklo_epi64(first, second), _mm256_unpackhi_epi64(first, second));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), halves(sum));
  }
  static void store_sums(const __m512i (&a)[2], uint32_t* out) {
    __m128i two = halves(both(a[0], a[1]));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_add_epi32(two, _mm_unpackhi_epi64(two, two)));
  }
  static void store_sums(const __m512i (&a)[1], uint32_t* out) {
    __m128i two = halves(both(a[0], _mm512_setzero_si512()));
    out[0] = static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_add_epi32(two, _mm_unpackhi_epi64(two, two))));
  }
};

// Each plane is counted by itself; what it is worth is shifted in at the end.
struct Avx512Planes : Avx512Sums {
  template <size_t R>
  static void sums(const uint8_t* planes, const uint8_t* const (&rows)[R], size_t bytes, uint32_t* out) {
    __m512i acc[R][kPlanes];
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) SEXTANT_UNROLL
    for (size_t p = 0; p < kPlanes; ++p) acc[r][p] = _mm512_setzero_si512();
    for (size_t i = 0; i < bytes; i += 64) {
      __mmask64 mask = bytes - i < 64 ? (uint64_t{1} << (bytes - i)) - 1 : ~uint64_t{0};
      __m512i plane[kPlanes];
      SEXTANT_UNROLL
      for (size_t p = 0; p < kPlanes; ++p) plane[p] = _mm512_maskz_loadu_epi8(mask, planes + p * bytes + i);
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) {
        __m512i row = _mm512_maskz_loadu_epi8(mask, rows[r] + i);
        SEXTANT_UNROLL
        for (size_t p = 0; p < kPlanes; ++p) {
          acc[r][p] = _mm512_add_epi64(acc[r][p], _mm512_popcnt_epi64(_mm512_and_si512(row, plane[p])));
        }
      }
    }
    __m512i sums[R];
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) {
      __m512i low = _mm512_add_epi64(acc[r][0], _mm512_slli_epi64(acc[r][1], 1));
      __m512i high = _mm512_add_epi64(acc[r][2], _mm512_slli_epi64(acc[r][3], 1));
      sums[r] = _mm512_add_epi64(low, _mm512_slli_epi64(high, 2));
    }
    store_sums(sums, out);
  }
};

struct Avx512Differences : Avx512Sums {
  template <size_t R>
  static void sums(const uint8_t* query, const uint8_t* const (&rows)[R], size_t bytes, uint32_t* out) {
    __m512i acc[R];
    SEXTANT_UNROLL
    for (size_t r = 0; r < R; ++r) acc[r] = _mm512_setzero_si512();
    for (size_t i = 0; i < bytes; i += 64) {
      __mmask64 mask = bytes - i < 64 ? (uint64_t{1} << (bytes - i)) - 1 : ~uint64_t{0};
      __m512i part = _mm512_maskz_loadu_epi8(mask, query + i);
      SEXTANT_UNROLL
      for (size_t r = 0; r < R; ++r) {
        __m512i x = _mm512_xor_si512(part, _mm512_maskz_loadu_epi8(mask, rows[r] + i));
        acc[r] = _mm512_add_epi64(acc[r], _mm512_popcnt_epi64(x));
      }
    }
    store_sums(acc, out);
  }
};

}  // namespace

void fill_avx512_popcnt(Kernels& kernels) {
  kernels.hamming = hamming;
  fill_differences<Avx512Differences>(kernels);
  fill_planes<Avx512Planes>(kernels);
}

}  // namespace sextant::simd
