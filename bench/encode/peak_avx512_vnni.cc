// AVX-512 VNNI: vpdpbusd, four products of bytes into each of sixteen sums.
#include <immintrin.h>

#include "peak_loops.h"

namespace sextant::bench {

double peak_avx512_int8(uint64_t iterations, float* sink) {
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(2);
  const __m512i zero = _mm512_setzero_si512();
  __m512i s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero, s8 = zero, s9 = zero,
          s10 = zero, s11 = zero;
  // Named sums and not an array, which would be kept in memory.
  auto step = [&](__m512i& sum) {
    sum = _mm512_dpbusd_epi32(sum, a, b);
    __asm__ volatile("" : "+v"(sum));
  };
  for (uint64_t i = 0; i < iterations; ++i) {
    step(s0);
    step(s1);
    step(s2);
    step(s3);
    step(s4);
    step(s5);
    step(s6);
    step(s7);
    step(s8);
    step(s9);
    step(s10);
    step(s11);
  }
  for (const __m512i& sum : {s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11})
    *sink += static_cast<float>(_mm512_cvtsi512_si32(sum)) * 1e-30f;
  return static_cast<double>(iterations) * 12 * 64 * 2;
}

}  // namespace sextant::bench
