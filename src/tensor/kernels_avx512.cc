// AVX-512 F, BW, VL, DQ. Tiles of 12 x 32 floats, as BLIS and MLAS have them: 24 accumulators, 2 registers of B and a
// broadcast of A use 27 of 32 registers. 14 rows would fit, but 24 sums already cover the FMA's latency (4 at two a
// cycle), 14 loads are far from the two a cycle that go beside 24 FMAs, and 12 rows leave registers for pointers.
#include <immintrin.h>

#include "tensor/kernel_shapes.h"
#include "tensor/kernel_sums_512.h"

namespace sextant::tensor {
namespace {

struct Lanes {
  using Reg = __m512;
  static constexpr size_t kLanes = 16;
  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg set1(float x) { return _mm512_set1_ps(x); }
  static __mmask16 mask(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg load(const simd::BFloat16* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static Reg load(const simd::Float16* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
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

// Pairs of bf16 widened to floats: the elements of even and odd rows.
struct Pairs {
  using A = simd::BFloat16;
  using B = simd::BFloat16;
  static constexpr size_t kGroup = 2;
  static constexpr size_t kColumns = 16;
  struct Left {
    __m512 even, odd;
  };
  using Right = Left;
  using Sum = __m512;
  static Left widen(__m512i pairs) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
            _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xFFFF0000u))))};
  }
  static Sum zero() { return _mm512_setzero_ps(); }
  static Left left(const A* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return widen(_mm512_set1_epi32(pair));
  }
  static Right right(const B* p) { return widen(_mm512_loadu_si512(p)); }
  static Sum step(Sum sum, Left a, Right b) {
    return _mm512_fmadd_ps(a.odd, b.odd, _mm512_fmadd_ps(a.even, b.even, sum));
  }
  static void store(float* c, Sum sum, const Product&, size_t, size_t) { _mm512_storeu_ps(c, sum); }
};

// Four products at a time. Pairs of them are summed in 16 bits, which is why A stops at 127: 2 * 127 * 127 < 2^15.
struct Quads {
  using A = uint8_t;
  using B = int8_t;
  static constexpr size_t kGroup = 4;
  static constexpr size_t kColumns = 16;
  using Left = __m512i;
  using Right = __m512i;
  using Sum = __m512i;
  static Sum zero() { return _mm512_setzero_si512(); }
  static Left left(const A* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Right right(const B* p) { return _mm512_loadu_si512(p); }
  static Sum step(Sum sum, Left a, Right b) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1)));
  }
  static void store(float* c, Sum sum, const Product& product, size_t i, size_t j) {
    _mm512_storeu_ps(c, dequantised(sum, product, i, j));
  }
};

}  // namespace

void fill_avx512(Kernels& kernels) {
  fill_rows<Lanes>(kernels);
  fill_f32<Lanes, 12, 2>(kernels);
  kernels.bf16 = small_kernel<Pairs, 8, 2>();  // 16 sums, 4 of B, 2 of A
  kernels.i8 = small_kernel<Quads, 12, 2>();
  kernels.i8_max = 127;
  kernels.bf16_native = false;
}

}  // namespace sextant::tensor
