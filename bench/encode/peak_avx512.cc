// AVX-512: twelve independent sums.
#include <immintrin.h>

#include "peak_loops.h"

namespace sextant::bench {

double peak_avx512_f32(uint64_t iterations, float* sink) {
  const __m512 a = _mm512_set1_ps(1 + *sink), b = _mm512_set1_ps(0.5f);
  repeat<12>(
      iterations, _mm512_setzero_ps(),
      [&](__m512& sum) {
        sum = _mm512_fmadd_ps(sum, b, a);
        __asm__ volatile("" : "+v"(sum));
      },
      [&](__m512& sum) { *sink += _mm512_cvtss_f32(sum) * 1e-30f; });
  return static_cast<double>(iterations) * 12 * 16 * 2;
}

}  // namespace sextant::bench
