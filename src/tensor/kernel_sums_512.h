// tensor/kernel_sums_512.h: integer sums of 16 columns into floats, the same on every tier of 512 bits.
//
// Included by kernels_avx512*.cc and kernels_amx.cc alone; unnamed for the reason that kernel_shapes.h gives.
#pragma once

#include <immintrin.h>

#include "tensor/kernel_table.h"

namespace sextant::tensor {
namespace {

// Row i, columns j to j + 15 of C, as Product says.
inline __m512 dequantised(__m512i sum, const Product& product, size_t i, size_t j) {
  const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(product.row_scales[i]));
  const __m512 all =
      _mm512_fmadd_ps(_mm512_loadu_ps(product.column_sums + j), _mm512_set1_ps(product.row_offsets[i]), scaled);
  return _mm512_mul_ps(all, _mm512_loadu_ps(product.column_scales + j));
}

}  // namespace
}  // namespace sextant::tensor
