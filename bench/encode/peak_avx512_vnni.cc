// AVX-512 VNNI: vpdpbusd, four products of bytes into each of sixteen sums.
#include <immintrin.h>

#include "peak_loops.h"

namespace sextant::bench {

double peak_avx512_int8(uint64_t iterations, float* sink) {
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(2);
  repeat<12>(
      iterations, _mm512_setzero_si512(),
      [&](__m512i& sum) {
        sum = _mm512_dpbusd_epi32(sum, a, b);
        __asm__ volatile("" : "+v"(sum));
      },
      [&](__m512i& sum) { *sink += static_cast<float>(_mm512_cvtsi512_si32(sum)) * 1e-30f; });
  return static_cast<double>(iterations) * 12 * 64 * 2;
}

}  // namespace sextant::bench
