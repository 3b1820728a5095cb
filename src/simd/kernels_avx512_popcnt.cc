// Hamming distance with AVX-512 VPOPCNTDQ: counts eight words of 64 bits at once.
#include <immintrin.h>

#include "simd/shapes.h"

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

}  // namespace

void fill_avx512_popcnt(Kernels& kernels) {
  kernels.hamming = hamming;
  kernels.hamming_rows = hamming_with_rows<hamming>;
}

}  // namespace sextant::simd
