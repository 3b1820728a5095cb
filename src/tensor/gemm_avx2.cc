// AVX2 + FMA. Tile 6 x 16: 12 accumulators, 2 registers of b and 1 broadcast of a fill 15 of 16 registers, and 12
// independent FMAs cover their latency of 4 at two a cycle.
#include <immintrin.h>

#include "tensor/kernels.h"

namespace sextant::tensor {
namespace {

constexpr size_t kMr = 6;
constexpr size_t kNr = 16;

void gemm_tile(size_t k, const float* a, const float* b, float* c, size_t c_stride, bool accumulate) {
  __m256 s00 = _mm256_setzero_ps(), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00;
  __m256 s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
  for (size_t p = 0; p < k; ++p) {
    __m256 b0 = _mm256_loadu_ps(b);
    __m256 b1 = _mm256_loadu_ps(b + 8);
    __m256 a0 = _mm256_broadcast_ss(a);
    __m256 a1 = _mm256_broadcast_ss(a + 1);
    s00 = _mm256_fmadd_ps(a0, b0, s00);
    s01 = _mm256_fmadd_ps(a0, b1, s01);
    s10 = _mm256_fmadd_ps(a1, b0, s10);
    s11 = _mm256_fmadd_ps(a1, b1, s11);
    a0 = _mm256_broadcast_ss(a + 2);
    a1 = _mm256_broadcast_ss(a + 3);
    s20 = _mm256_fmadd_ps(a0, b0, s20);
    s21 = _mm256_fmadd_ps(a0, b1, s21);
    s30 = _mm256_fmadd_ps(a1, b0, s30);
    s31 = _mm256_fmadd_ps(a1, b1, s31);
    a0 = _mm256_broadcast_ss(a + 4);
    a1 = _mm256_broadcast_ss(a + 5);
    s40 = _mm256_fmadd_ps(a0, b0, s40);
    s41 = _mm256_fmadd_ps(a0, b1, s41);
    s50 = _mm256_fmadd_ps(a1, b0, s50);
    s51 = _mm256_fmadd_ps(a1, b1, s51);
    a += kMr;
    b += kNr;
  }
  __m256 low[kMr] = {s00, s10, s20, s30, s40, s50};
  __m256 high[kMr] = {s01, s11, s21, s31, s41, s51};
  for (size_t i = 0; i < kMr; ++i) {
    float* out = c + i * c_stride;
    if (accumulate) {
      low[i] = _mm256_add_ps(low[i], _mm256_loadu_ps(out));
      high[i] = _mm256_add_ps(high[i], _mm256_loadu_ps(out + 8));
    }
    _mm256_storeu_ps(out, low[i]);
    _mm256_storeu_ps(out + 8, high[i]);
  }
}

// exp(x) = 2^n e^r with |r| <= ln 2 / 2, ln 2 split in two so that r is exact, and a polynomial of degree 6 for e^r
// (the Taylor coefficients leave 1.2e-7 at the ends, which is one ulp).
__m256 exp_ps(__m256 x) {
  x = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(88.0f)), _mm256_set1_ps(-87.3f));
  __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341f)),
                             _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 720);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

float sum_lanes(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

float exp_sum(const float* in, float* out, size_t n, float scale, float shift) {
  const __m256 scales = _mm256_set1_ps(scale);
  const __m256 shifts = _mm256_set1_ps(shift);
  __m256 total = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 e = exp_ps(_mm256_mul_ps(scales, _mm256_sub_ps(_mm256_loadu_ps(in + i), shifts)));
    _mm256_storeu_ps(out + i, e);
    total = _mm256_add_ps(total, e);
  }
  float sum = sum_lanes(total);
  if (i < n) {
    float rest[8] = {};
    for (size_t j = i; j < n; ++j) rest[j - i] = in[j];
    float result[8];
    _mm256_storeu_ps(result, exp_ps(_mm256_mul_ps(scales, _mm256_sub_ps(_mm256_loadu_ps(rest), shifts))));
    for (size_t j = i; j < n; ++j) {
      out[j] = result[j - i];
      sum += result[j - i];
    }
  }
  return sum;
}

}  // namespace

const Kernels kAvx2Kernels = {kMr, kNr, gemm_tile, exp_sum};

}  // namespace sextant::tensor
