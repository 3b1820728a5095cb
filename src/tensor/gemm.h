// tensor/gemm.h: single-precision matrix products over strided views, blocked for the cache (Goto & van de Geijn).
//
// C = A B or C += A B with A [m, k], B [k, n], C [m, n]. A view has two strides, so a transposed operand is the same
// memory seen otherwise. Each element of C is summed over k in one fixed order, whatever the number of threads:
// the same tier gives the same bytes.
// Threads: blocks of C are shared out over the pool.   Memory: two packed panels a thread, under 0.5 MB.
#pragma once

#include <cstddef>

#include "base/threads.h"

namespace sextant::tensor {

struct MatrixView {
  const float* data;
  size_t row_stride;     // floats from one row to the next
  size_t column_stride;  // floats from one column to the next
};

// A row-major matrix whose rows are STRIDE floats apart, and the same seen transposed.
inline MatrixView rows(const float* data, size_t stride) { return {data, stride, 1}; }
inline MatrixView transposed(const float* data, size_t stride) { return {data, 1, stride}; }

struct GemmShape {
  size_t m;
  size_t n;
  size_t k;
};

// REQUIRES: c is row-major with rows c_stride floats apart and overlaps neither operand.
void gemm(GemmShape shape, MatrixView a, MatrixView b, float* c, size_t c_stride, bool accumulate,
          base::ThreadPool& pool);

// The plain triple loop in double precision: what gemm is compared with.
void gemm_reference(GemmShape shape, MatrixView a, MatrixView b, float* c, size_t c_stride, bool accumulate);

}  // namespace sextant::tensor
