// AVX-512 BF16: vdpbf16ps, two products into each of sixteen numbers of twelve independent sums.
#include <immintrin.h>

#include "peak_loops.h"

namespace sextant::bench {

double peak_avx512_bf16(uint64_t iterations, float* sink) {
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1), _mm512_set1_ps(1));
  repeat<12>(
      iterations, _mm512_setzero_ps(),
      [&](__m512& sum) {
        sum = _mm512_dpbf16_ps(sum, a, a);
        __asm__ volatile("" : "+v"(sum));
      },
      [&](__m512& sum) { *sink += _mm512_cvtss_f32(sum) * 1e-30f; });
  return static_cast<double>(iterations) * 12 * 32 * 2;
}

}  // namespace sextant::bench
