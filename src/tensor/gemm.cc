#include "tensor/gemm.h"

#include <algorithm>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/packing.h"

namespace sextant::tensor {
namespace {

// A block of C is kBlockM x kBlockN, taken kBlockK deep: the packed panels (96 KB and 192 KB) stay in a 512 KB L2.
constexpr size_t kBlockM = 96;
constexpr size_t kBlockN = 192;
constexpr size_t kBlockK = 256;

// A block of A [m, k] whose rows do not lie in one piece, as rows of k floats.
void copy_rows(const MatrixView& view, size_t m, size_t k, float* out) {
  for (size_t p = 0; p < k; ++p) {
    const float* from = view.data + p * view.column_stride;
    for (size_t i = 0; i < m; ++i) out[i * k + p] = from[i * view.row_stride];
  }
}

}  // namespace

void gemm(GemmShape shape, MatrixView a, MatrixView b, float* c, size_t c_stride, bool accumulate,
          base::ThreadPool& pool) {
  const Kernels& kernel = kernels();
  if (shape.k == 0) {
    for (size_t i = 0; i < shape.m && !accumulate; ++i) std::fill_n(c + i * c_stride, shape.n, 0.0f);
    return;
  }
  const size_t width = kernel.f32.panel.width;
  const size_t blocks_m = (shape.m + kBlockM - 1) / kBlockM;
  const size_t blocks_n = (shape.n + kBlockN - 1) / kBlockN;
  const size_t a_floats = kBlockM * kBlockK;
  const size_t b_floats = (kBlockN + width - 1) / width * width * kBlockK;
  std::vector<std::vector<float>> scratch(pool.thread_count());
  pool.parallel_for(blocks_m * blocks_n, [&](size_t item, size_t thread) {
    std::vector<float>& memory = scratch[thread];
    if (memory.empty()) memory.resize(a_floats + b_floats);
    const size_t i0 = (item / blocks_n) * kBlockM;
    const size_t j0 = (item % blocks_n) * kBlockN;
    Product product{};
    product.m = std::min(kBlockM, shape.m - i0);
    product.n = std::min(kBlockN, shape.n - j0);
    product.c = c + i0 * c_stride + j0;
    product.c_stride = c_stride;
    product.b = memory.data() + a_floats;
    for (size_t p0 = 0; p0 < shape.k; p0 += kBlockK) {
      product.k = std::min(kBlockK, shape.k - p0);
      product.accumulate = accumulate || p0 > 0;
      const MatrixView block{a.data + i0 * a.row_stride + p0 * a.column_stride, a.row_stride, a.column_stride};
      product.a = block.data;
      product.a_stride = block.row_stride * sizeof(float);
      if (block.column_stride != 1) {
        copy_rows(block, product.m, product.k, memory.data());
        product.a = memory.data();
        product.a_stride = product.k * sizeof(float);
      }
      pack_panels(b.data + p0 * b.row_stride + j0 * b.column_stride, b.row_stride, b.column_stride, product.k,
                  product.n, width, memory.data() + a_floats);
      kernel.f32.multiply(product);
    }
  });
}

void gemm_reference(GemmShape shape, MatrixView a, MatrixView b, float* c, size_t c_stride, bool accumulate) {
  for (size_t i = 0; i < shape.m; ++i) {
    for (size_t j = 0; j < shape.n; ++j) {
      double sum = accumulate ? c[i * c_stride + j] : 0.0;
      for (size_t p = 0; p < shape.k; ++p) {
        sum += static_cast<double>(a.data[i * a.row_stride + p * a.column_stride]) *
               b.data[p * b.row_stride + j * b.column_stride];
      }
      c[i * c_stride + j] = static_cast<float>(sum);
    }
  }
}

}  // namespace sextant::tensor
