// The compiler's baseline, in vectors of four: what every machine runs, and what the other tiers are compared with.
#include "tensor/kernel_shapes.h"

namespace sextant::tensor {
namespace {

typedef float Float4 __attribute__((vector_size(16)));
typedef int32_t Int4 __attribute__((vector_size(16)));

float widened(simd::BFloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

float widened(simd::Float16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000) << 16;
  const uint32_t exponent = x.bits >> 10 & 31;
  const uint32_t fraction = x.bits & 1023;
  if (exponent == 0) {
    // Zero and what is below the normal numbers: multiples of 2^-24.
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

struct Lanes {
  using Reg = Float4;
  static constexpr size_t kLanes = 4;
  static Reg zero() { return Reg{0, 0, 0, 0}; }
  static Reg set1(float x) { return Reg{x, x, x, x}; }
  static Reg load(const float* p) {
    Reg x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  template <class T>
  static Reg load(const T* p) {
    return Reg{widened(p[0]), widened(p[1]), widened(p[2]), widened(p[3])};
  }
  static Reg load_part(const float* p, size_t n) {
    Reg x = zero();
    for (size_t i = 0; i < n; ++i) x[i] = p[i];
    return x;
  }
  static void store(float* p, Reg x) { __builtin_memcpy(p, &x, sizeof x); }
  static void store_part(float* p, Reg x, size_t n) {
    for (size_t i = 0; i < n; ++i) p[i] = x[i];
  }
  static void store_bytes(uint8_t* p, Reg x) { store_bytes_part(p, x, 4); }
  static void store_bytes_part(uint8_t* p, Reg x, size_t n) {
    for (size_t i = 0; i < n; ++i) p[i] = static_cast<uint8_t>(x[i]);
  }
  static Reg add(Reg a, Reg b) { return a + b; }
  static Reg sub(Reg a, Reg b) { return a - b; }
  static Reg mul(Reg a, Reg b) { return a * b; }
  static Reg div(Reg a, Reg b) { return a / b; }
  static Reg fma(Reg a, Reg b, Reg c) { return a * b + c; }
  // As minps and maxps: the second operand where one is NaN.
  static Reg min(Reg a, Reg b) { return a < b ? a : b; }
  static Reg max(Reg a, Reg b) { return a > b ? a : b; }
  // Adding 1.5 * 2^23 leaves no bits for a fraction. REQUIRES: |x| < 2^22.
  static Reg round(Reg x) {
    const Reg big = set1(12582912.0f);
    return (x + big) - big;
  }
  static Reg pow2(Reg n) { return reinterpret_cast<Reg>((__builtin_convertvector(n, Int4) + 127) << 23); }
  static float sum(Reg x) { return (x[0] + x[2]) + (x[1] + x[3]); }
  static float largest(Reg x) {
    float most = x[0];
    for (int i = 1; i < 4; ++i) most = most < x[i] ? x[i] : most;
    return most;
  }
  static float least(Reg x) {
    float least = x[0];
    for (int i = 1; i < 4; ++i) least = x[i] < least ? x[i] : least;
    return least;
  }
};

void product_bf16(const Product& product) {
  constexpr size_t kWidth = 8;
  const auto* b = static_cast<const simd::BFloat16*>(product.b);
  for (size_t i = 0; i < product.m; ++i) {
    const auto* a = reinterpret_cast<const simd::BFloat16*>(static_cast<const char*>(product.a) + i * product.a_stride);
    for (size_t j = 0; j < product.n; ++j) {
      const simd::BFloat16* column = b + j / kWidth * kWidth * product.k + j % kWidth * 2;
      float sum = 0;
      for (size_t p = 0; p < product.k; p += 2) {
        sum += widened(a[p]) * widened(column[p * kWidth]);
        sum += widened(a[p + 1]) * widened(column[p * kWidth + 1]);
      }
      product.c[i * product.c_stride + j] = sum;
    }
  }
}

void product_i8(const Product& product) {
  constexpr size_t kWidth = 8;
  const auto* b = static_cast<const int8_t*>(product.b);
  for (size_t i = 0; i < product.m; ++i) {
    const auto* a = static_cast<const uint8_t*>(product.a) + i * product.a_stride;
    for (size_t j = 0; j < product.n; ++j) {
      const int8_t* column = b + j / kWidth * kWidth * product.k + j % kWidth * 4;
      int32_t sum = 0;
      for (size_t p = 0; p < product.k; ++p) sum += a[p] * column[p / 4 * 4 * kWidth + p % 4];
      product.c[i * product.c_stride + j] =
          product.column_scales[j] *
          (product.row_scales[i] * static_cast<float>(sum) + product.row_offsets[i] * product.column_sums[j]);
    }
  }
}

}  // namespace

void fill_scalar(Kernels& kernels) {
  fill_rows<Lanes>(kernels);
  fill_f32<Lanes, 4, 2>(kernels);
  kernels.bf16 = {{8, 2, 2}, 4, product_bf16};
  kernels.i8 = {{8, 4, 4}, 4, product_i8};
  kernels.i8_max = 255;
  kernels.bf16_native = false;
}

}  // namespace sextant::tensor
