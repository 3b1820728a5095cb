// AVX-512: twelve independent sums.
#include <immintrin.h>

#include "peak_loops.h"

namespace sextant::bench {

double peak_avx512_f32(uint64_t iterations, float* sink) {
  const __m512 a = _mm512_set1_ps(1 + *sink), b = _mm512_set1_ps(0.5f);
  const __m512 zero = _mm512_setzero_ps();
  __m512 s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero, s8 = zero, s9 = zero,
         s10 = zero, s11 = zero;
  // Named sums and not an array, which would be kept in memory.
  auto step = [&](__m512& sum) {
    sum = _mm512_fmadd_ps(sum, b, a);
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
  for (const __m512& sum : {s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11}) *sink += _mm512_cvtss_f32(sum) * 1e-30f;
  return static_cast<double>(iterations) * 12 * 16 * 2;
}

}  // namespace sextant::bench
