// AVX-512 F, BW, VL, DQ. Tiles of 12 x 32 floats: 24 accumulators, 2 registers of B and a broadcast operand use 27 of
// 32 registers.
#include <immintrin.h>

#include "tensor/kernel_shapes.h"

namespace sextant::tensor {
namespace {

struct Lanes {
  using Reg = __m512;
  static constexpr size_t kLanes = 16;
  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg set1(float x) { return _mm512_set1_ps(x); }
  static __mmask16 mask(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg load_part(const float* p, size_t n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  static void store(float* p, Reg x) { _mm512_storeu_ps(p, x); }
  static void store_part(float* p, Reg x, size_t n) { _mm512_mask_storeu_ps(p, mask(n), x); }
  static void store_bytes(uint8_t* p, Reg x) { store_bytes_part(p, x, 16); }
  static void store_bytes_part(uint8_t* p, Reg x, size_t n) {
    _mm512_mask_cvtusepi32_storeu_epi8(p, mask(n), _mm512_cvtps_epi32(x));
  }
  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  static Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static Reg round(Reg x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Reg pow2(Reg n) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
  }
  static float sum(Reg x) { return _mm512_reduce_add_ps(x); }
  static float largest(Reg x) { return _mm512_reduce_max_ps(x); }
  static float least(Reg x) { return _mm512_reduce_min_ps(x); }
};

}  // namespace

void fill_avx512(Kernels& kernels) {
  fill_rows<Lanes>(kernels);
  kernels.f32 = f32_kernel<Lanes, 12, 2>();
}

}  // namespace sextant::tensor
