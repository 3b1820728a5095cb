// int8 with AVX-512 VNNI: 64 products and their 16 sums in one instruction, in 32 bits throughout, so that A may use
// all of its 8 bits. 24 sums cover the instruction's latency (5 at two a cycle).
#include <immintrin.h>

#include "tensor/kernel_shapes.h"
#include "tensor/kernel_sums_512.h"

namespace sextant::tensor {
namespace {

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
  static Sum step(Sum sum, Left a, Right b) { return _mm512_dpbusd_epi32(sum, a, b); }
  static void store(float* c, Sum sum, const Product& product, size_t i, size_t j) {
    _mm512_storeu_ps(c, dequantised(sum, product, i, j));
  }
};

}  // namespace

void fill_avx512_vnni(Kernels& kernels) {
  kernels.i8 = small_kernel<Quads, 12, 2>();
  kernels.i8_max = 255;
}

}  // namespace sextant::tensor
