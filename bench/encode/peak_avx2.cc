// AVX2: ten independent sums hide the four cycles of an FMA on two units; int8 as processors without VNNI do it, bytes
// multiplied into 16 bits, those into 32, and added.
#include <immintrin.h>

#include "peak_loops.h"

namespace sextant::bench {

double peak_avx2_f32(uint64_t iterations, float* sink) {
  const __m256 a = _mm256_set1_ps(1 + *sink), b = _mm256_set1_ps(0.5f);
  repeat<10>(
      iterations, _mm256_setzero_ps(),
      [&](__m256& sum) {
        sum = _mm256_fmadd_ps(sum, b, a);
        __asm__ volatile("" : "+x"(sum));
      },
      [&](__m256& sum) { *sink += _mm256_cvtss_f32(sum) * 1e-30f; });
  return static_cast<double>(iterations) * 10 * 8 * 2;
}

double peak_avx2_int8(uint64_t iterations, float* sink) {
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(2), ones = _mm256_set1_epi16(1);
  repeat<8>(
      iterations, _mm256_setzero_si256(),
      [&](__m256i& sum) {
        __asm__ volatile("" : "+x"(a));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
        __asm__ volatile("" : "+x"(sum));
      },
      [&](__m256i& sum) { *sink += static_cast<float>(_mm256_extract_epi32(sum, 0)) * 1e-30f; });
  return static_cast<double>(iterations) * 8 * 32 * 2;
}

}  // namespace sextant::bench
