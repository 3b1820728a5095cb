// tensor/kernel_table.h: the table of tensor kernels, and the plain types that cross its border.
//
// Kernel files (kernels_*.cc) include this and nothing that defines a function, for the reason that
// simd/kernel_table.h gives. Everybody else includes tensor/kernels.h.
//
// What holds for every kernel: an element of the result is computed by the same operations in the same order whatever
// rows, columns and panels are computed beside it, so the same tier gives the same bytes however work is cut.
// Threads: all kernels may be called from many.     Memory: none is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simd/kernel_table.h"

namespace sextant::tensor {

enum class Activation {
  identity,
  gelu,        // x Phi(x), with erf
  gelu_tanh,   // its approximation by tanh ("gelu_new", "gelu_pytorch_tanh", "gelu_fast")
  gelu_quick,  // x sigmoid(1.702 x)
  relu,
  silu,  // x sigmoid(x), also called swish
  tanh,
  sigmoid,
};

// How the right operand B [k, n] of a product is packed: panels of WIDTH columns, one after another, the last filled up
// with zero columns. In a panel, GROUP consecutive elements of a column lie together, then those of the next column:
// element (p, j) is at ((p / group) * width + j) * group + p % group. k is filled up with zeros to a multiple of DEPTH.
struct PanelShape {
  size_t width;
  size_t group;
  size_t depth;

  // Rows of a panel: k filled up.
  constexpr size_t filled(size_t k) const { return (k + depth - 1) / depth * depth; }
};

// C [m, n] = A [m, k] B [k, n], B packed. The types of A and B are the kernel's:
//   f32   A float, B float
//   f32_bf16, f32_f16  A float, B BFloat16 or Float16 widened to float, which loses nothing: the bytes of f32
//   bf16  A BFloat16, B BFloat16, sums in float; the tiers avx512_bf16 and amx take denormals for zero
//   i8    A uint8, B int8, sums in int32; C[i, j] = column_scales[j] *
//         (row_scales[i] * sum + row_offsets[i] * column_sums[j]). REQUIRES: k <= 65536, which keeps every sum exact
struct Product {
  size_t m, n;
  size_t k;         // already filled up, for A as well: A's rows hold k elements
  const void* a;    // [m, k]
  size_t a_stride;  // bytes from one row to the next
  const void* b;    // the first panel; each has k * width elements
  float* c;         // [m, n]; nothing beyond is written
  size_t c_stride;  // floats from one row to the next
  bool accumulate;  // C += A B; for f32 alone
  // For i8 alone. The arrays of columns begin with the first panel's, and are filled up to whole panels.
  const float* row_scales;
  const float* row_offsets;
  const float* column_scales;
  const float* column_sums;
};

struct ProductKernel {
  PanelShape panel;
  size_t rows;  // of a tile: blocks of a multiple of so many rows leave none half empty
  void (*multiply)(const Product& product);
};

struct Kernels {
  simd::Tier tier;
  ProductKernel f32, f32_bf16, f32_f16, bf16, i8;
  // The largest value of A that i8 takes: 255, or 127 where pairs of products are summed in 16 bits.
  int i8_max;
  // Whether bf16 is faster than f32 here: it has instructions of its own (else it computes in f32 what it reads as
  // bf16), and the processor starts them often enough. Known by vendor, not measured: the same machine always says the
  // same.
  bool bf16_native;

  // row = activation(row + bias) + residual. bias and residual may be nullptr: 0; residual may equal row.
  void (*finish)(float* row, size_t n, const float* bias, Activation activation, const float* residual);
  // out = activation(gate) * other. out may equal either.
  void (*gate)(const float* gate, const float* other, float* out, size_t n, Activation activation);
  // out = (in - mean) / sqrt(variance + epsilon) * weight + bias; weight and bias may be nullptr: 1 and 0. out may
  // equal in.
  void (*layer_norm)(const float* in, float* out, size_t n, const float* weight, const float* bias, float epsilon);
  // out = in / sqrt(mean of squares + epsilon) * (offset + weight). out may equal in.
  void (*rms_norm)(const float* in, float* out, size_t n, const float* weight, float offset, float epsilon);
  // The largest of n > 0 values; if one is NaN, any.
  float (*max)(const float* values, size_t n);
  // out[i] = exp(scale * (in[i] - shift)); returns the sum, in an order that depends on n alone. in may equal out.
  // Relative error below 3e-7 for arguments in [-87, 88]; below that range the result is at most 1.3e-38.
  float (*exp_sum)(const float* in, float* out, size_t n, float scale, float shift);
  // in[i] ~ scale * out[i] + offset with out[i] in [0, levels]: offset is the smallest value, scale the range over
  // levels. Where a value is not finite, offset is NaN.
  void (*quantize)(const float* in, size_t n, int levels, uint8_t* out, float* scale, float* offset);
};

// Each puts its kernels over those of the tiers below; called in the order of Tier. REQUIRES: the machine has the
// instructions that the name says.
void fill_scalar(Kernels& kernels);
void fill_avx2(Kernels& kernels);
void fill_avx512(Kernels& kernels);
void fill_avx512_vnni(Kernels& kernels);
void fill_avx512_bf16(Kernels& kernels);
void fill_amx(Kernels& kernels);

}  // namespace sextant::tensor
