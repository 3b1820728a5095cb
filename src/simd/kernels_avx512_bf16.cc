// bf16 dot products with AVX-512 BF16: 32 products and their sums in one instruction, which takes denormals for zero.
//
// Only where both sides are bf16: rounding an f32 query first would lose what the caller did not agree to lose.
#include <immintrin.h>

#include "simd/shapes.h"

namespace sextant::simd {
namespace {

struct Bf16Dot {
  using A = BFloat16;
  using B = BFloat16;
  using Chunk = __m512bh;
  using Acc = __m512;
  using Out = float;
  static constexpr size_t kLanes = 32;
  static constexpr size_t kChains = 2;
  static constexpr bool kBiased = false;

  static Acc zero() { return _mm512_setzero_ps(); }
  static Acc add(Acc a, Acc b) { return _mm512_add_ps(a, b); }
  static Acc step(Acc acc, Chunk x, Chunk y) { return _mm512_dpbf16_ps(acc, x, y); }
  static Chunk load_a(const BFloat16* p) { return chunk_of(_mm512_loadu_si512(p)); }
  static Chunk load_b(const BFloat16* p) { return load_a(p); }
  static Chunk load_a_part(const BFloat16* p, size_t n) {
    return chunk_of(_mm512_maskz_loadu_epi16(static_cast<__mmask32>((1u << n) - 1), p));
  }
  static Chunk load_b_part(const BFloat16* p, size_t n) { return load_a_part(p, n); }
  static Out sum(Acc a) {
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m256 twos = _mm256_hadd_ps(eight, eight);
    __m256 fours = _mm256_hadd_ps(twos, twos);
    return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
  }

 private:
  static Chunk chunk_of(__m512i bits) {
    Chunk chunk;
    __builtin_memcpy(&chunk, &bits, sizeof(chunk));
    return chunk;
  }
};

}  // namespace

void fill_avx512_bf16(Kernels& kernels) {
  kernels.dot_bf16 = pair<Bf16Dot>;
  kernels.cosine_bf16 = cosine_pair<Bf16Dot, Bf16Dot>;
}

}  // namespace sextant::simd
