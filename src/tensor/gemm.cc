#include "tensor/gemm.h"

#include <algorithm>
#include <vector>

#include "tensor/kernels.h"

namespace sextant::tensor {
namespace {

// A block of C is kBlockM x kBlockN, taken kBlockK deep: the packed panels (96 KB and 192 KB) stay in a 512 KB L2.
constexpr size_t kBlockM = 96;
constexpr size_t kBlockN = 192;
constexpr size_t kBlockK = 256;

// Copies rows [0, count) x [0, k) into panels of WIDTH rows, k-major, the last panel filled up with zeros.
// element (i, p) = data[i * step + p * k_step].
void pack(const float* data, size_t step, size_t k_step, size_t count, size_t k, size_t width, float* out) {
  for (size_t first = 0; first < count; first += width) {
    size_t filled = std::min(width, count - first);
    const float* source = data + first * step;
    if (step == 1) {
      for (size_t p = 0; p < k; ++p) {
        const float* from = source + p * k_step;
        float* to = out + p * width;
        for (size_t i = 0; i < filled; ++i) to[i] = from[i];
        for (size_t i = filled; i < width; ++i) to[i] = 0;
      }
    } else {
      for (size_t i = 0; i < filled; ++i) {
        const float* from = source + i * step;
        for (size_t p = 0; p < k; ++p) out[p * width + i] = from[p * k_step];
      }
      for (size_t i = filled; i < width; ++i) {
        for (size_t p = 0; p < k; ++p) out[p * width + i] = 0;
      }
    }
    out += width * k;
  }
}

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

void gemm(GemmShape shape, MatrixView a, MatrixView b, float* c, size_t c_stride, bool accumulate,
          base::ThreadPool& pool) {
  const Kernels& kernel = kernels();
  if (shape.k == 0) {
    for (size_t i = 0; i < shape.m && !accumulate; ++i) std::fill_n(c + i * c_stride, shape.n, 0.0f);
    return;
  }
  const size_t mr = kernel.mr;
  const size_t nr = kernel.nr;
  const size_t blocks_m = (shape.m + kBlockM - 1) / kBlockM;
  const size_t blocks_n = (shape.n + kBlockN - 1) / kBlockN;
  const size_t a_floats = round_up(kBlockM, mr) * kBlockK;
  const size_t b_floats = round_up(kBlockN, nr) * kBlockK;
  const size_t tile_floats = mr * nr;
  std::vector<std::vector<float>> scratch(pool.thread_count());
  pool.parallel_for(blocks_m * blocks_n, [&](size_t item, size_t thread) {
    std::vector<float>& memory = scratch[thread];
    if (memory.empty()) memory.resize(a_floats + b_floats + tile_floats);
    float* a_panels = memory.data();
    float* b_panels = a_panels + a_floats;
    float* tile = b_panels + b_floats;
    const size_t i0 = (item / blocks_n) * kBlockM;
    const size_t j0 = (item % blocks_n) * kBlockN;
    const size_t m = std::min(kBlockM, shape.m - i0);
    const size_t n = std::min(kBlockN, shape.n - j0);
    for (size_t p0 = 0; p0 < shape.k; p0 += kBlockK) {
      const size_t k = std::min(kBlockK, shape.k - p0);
      const bool add = accumulate || p0 > 0;
      pack(a.data + i0 * a.row_stride + p0 * a.column_stride, a.row_stride, a.column_stride, m, k, mr, a_panels);
      pack(b.data + p0 * b.row_stride + j0 * b.column_stride, b.column_stride, b.row_stride, n, k, nr, b_panels);
      for (size_t j = 0; j < n; j += nr) {
        for (size_t i = 0; i < m; i += mr) {
          float* out = c + (i0 + i) * c_stride + j0 + j;
          const float* a_panel = a_panels + i * k;
          const float* b_panel = b_panels + j * k;
          if (i + mr <= m && j + nr <= n) {
            kernel.gemm_tile(k, a_panel, b_panel, out, c_stride, add);
            continue;
          }
          kernel.gemm_tile(k, a_panel, b_panel, tile, nr, false);
          for (size_t ii = 0; ii < std::min(mr, m - i); ++ii) {
            for (size_t jj = 0; jj < std::min(nr, n - j); ++jj) {
              float& value = out[ii * c_stride + jj];
              value = add ? value + tile[ii * nr + jj] : tile[ii * nr + jj];
            }
          }
        }
      }
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
