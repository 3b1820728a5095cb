// AVX-512F. Tile 12 x 32: 24 accumulators, 2 registers of b and a broadcast operand use 27 of 32 registers.
#include <immintrin.h>

#include "tensor/kernels.h"

namespace sextant::tensor {
namespace {

constexpr size_t kMr = 12;
constexpr size_t kNr = 32;

void gemm_tile(size_t k, const float* a, const float* b, float* c, size_t c_stride, bool accumulate) {
  __m512 low[kMr];
  __m512 high[kMr];
#pragma GCC unroll 12
  for (size_t i = 0; i < kMr; ++i) {
    low[i] = _mm512_setzero_ps();
    high[i] = _mm512_setzero_ps();
  }
  for (size_t p = 0; p < k; ++p) {
    __m512 b0 = _mm512_loadu_ps(b);
    __m512 b1 = _mm512_loadu_ps(b + 16);
#pragma GCC unroll 12
    for (size_t i = 0; i < kMr; ++i) {
      __m512 ai = _mm512_set1_ps(a[i]);
      low[i] = _mm512_fmadd_ps(ai, b0, low[i]);
      high[i] = _mm512_fmadd_ps(ai, b1, high[i]);
    }
    a += kMr;
    b += kNr;
  }
#pragma GCC unroll 12
  for (size_t i = 0; i < kMr; ++i) {
    float* out = c + i * c_stride;
    if (accumulate) {
      low[i] = _mm512_add_ps(low[i], _mm512_loadu_ps(out));
      high[i] = _mm512_add_ps(high[i], _mm512_loadu_ps(out + 16));
    }
    _mm512_storeu_ps(out, low[i]);
    _mm512_storeu_ps(out + 16, high[i]);
  }
}

// As in gemm_avx2.cc, sixteen lanes wide.
__m512 exp_ps(__m512 x) {
  x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(88.0f)), _mm512_set1_ps(-87.3f));
  __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)),
                                  _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 720);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  __m512i power = _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23);
  return _mm512_mul_ps(p, _mm512_castsi512_ps(power));
}

float exp_sum(const float* in, float* out, size_t n, float scale, float shift) {
  const __m512 scales = _mm512_set1_ps(scale);
  const __m512 shifts = _mm512_set1_ps(shift);
  __m512 total = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 lanes = n - i >= 16 ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>((1u << (n - i)) - 1);
    __m512 x = _mm512_maskz_loadu_ps(lanes, in + i);
    __m512 e = _mm512_maskz_mov_ps(lanes, exp_ps(_mm512_mul_ps(scales, _mm512_sub_ps(x, shifts))));
    _mm512_mask_storeu_ps(out + i, lanes, e);
    total = _mm512_add_ps(total, e);
  }
  return _mm512_reduce_add_ps(total);
}

}  // namespace

const Kernels kAvx512Kernels = {kMr, kNr, gemm_tile, exp_sum};

}  // namespace sextant::tensor
