// AVX2 + FMA. Tiles of 6 x 16 floats: 12 accumulators, 2 registers of B and 1 broadcast of A fill 15 of 16 registers,
// and 12 independent FMAs cover their latency of 4 at two a cycle.
#include <immintrin.h>

#include "tensor/kernel_shapes.h"

namespace sextant::tensor {
namespace {

struct Lanes {
  using Reg = __m256;
  static constexpr size_t kLanes = 8;
  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg set1(float x) { return _mm256_set1_ps(x); }
  static Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg load(const simd::BFloat16* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  static Reg load(const simd::Float16* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  // The first n lanes' sign bits are set.
  static __m256i mask(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Reg load_part(const float* p, size_t n) { return _mm256_maskload_ps(p, mask(n)); }
  static void store(float* p, Reg x) { _mm256_storeu_ps(p, x); }
  static void store_part(float* p, Reg x, size_t n) { _mm256_maskstore_ps(p, mask(n), x); }
  static void store_bytes(uint8_t* p, Reg x) {
    const __m256i whole = _mm256_cvtps_epi32(x);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
  }
  static void store_bytes_part(uint8_t* p, Reg x, size_t n) {
    uint8_t whole[8];
    store_bytes(whole, x);
    for (size_t i = 0; i < n; ++i) p[i] = whole[i];
  }
  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  static Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static Reg round(Reg x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static Reg pow2(Reg n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
  }
  static float sum(Reg x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
  static float largest(Reg x) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
  }
  static float least(Reg x) {
    __m128 half = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_min_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_min_ss(half, _mm_movehdup_ps(half)));
  }
};

// Pairs of bf16 widened to floats: the elements of even and odd rows.
struct Pairs {
  using A = simd::BFloat16;
  using B = simd::BFloat16;
  static constexpr size_t kGroup = 2;
  static constexpr size_t kColumns = 8;
  struct Left {
    __m256 even, odd;
  };
  using Right = Left;
  using Sum = __m256;
  static Left widen(__m256i pairs) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xFFFF0000u))))};
  }
  static Sum zero() { return _mm256_setzero_ps(); }
  static Left left(const A* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return widen(_mm256_set1_epi32(pair));
  }
  static Right right(const B* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static Sum step(Sum sum, Left a, Right b) {
    return _mm256_fmadd_ps(a.odd, b.odd, _mm256_fmadd_ps(a.even, b.even, sum));
  }
  static void store(float* c, Sum sum, const Product&, size_t, size_t) { _mm256_storeu_ps(c, sum); }
};

// Four products at a time. Pairs of them are summed in 16 bits, which is why A stops at 127: 2 * 127 * 127 < 2^15.
// The two multiplications share two ports, so twice the speed of f32 is the limit (measured on Zen 3: 194 GOP/s of
// 207). Adding two steps in 16 bits before widening gained 8 %, and only where the weights are small enough: left out.
struct Quads {
  using A = uint8_t;
  using B = int8_t;
  static constexpr size_t kGroup = 4;
  static constexpr size_t kColumns = 8;
  using Left = __m256i;
  using Right = __m256i;
  using Sum = __m256i;
  static Sum zero() { return _mm256_setzero_si256(); }
  static Left left(const A* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Right right(const B* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Sum step(Sum sum, Left a, Right b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
  }
  static void store(float* c, Sum sum, const Product& product, size_t i, size_t j) {
    const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(product.row_scales[i]));
    const __m256 all =
        _mm256_fmadd_ps(_mm256_loadu_ps(product.column_sums + j), _mm256_set1_ps(product.row_offsets[i]), scaled);
    _mm256_storeu_ps(c, _mm256_mul_ps(all, _mm256_loadu_ps(product.column_scales + j)));
  }
};

}  // namespace

void fill_avx2(Kernels& kernels) {
  fill_rows<Lanes>(kernels);
  fill_f32<Lanes, 6, 2>(kernels);
  kernels.bf16 = small_kernel<Pairs, 4, 2>();
  kernels.i8 = small_kernel<Quads, 4, 2>();
  kernels.i8_max = 127;
  kernels.bf16_native = false;
}

}  // namespace sextant::tensor
