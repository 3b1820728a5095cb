#include <cmath>

#include "tensor/kernels.h"

namespace sextant::tensor {
namespace {

constexpr size_t kMr = 4;
constexpr size_t kNr = 8;

void gemm_tile(size_t k, const float* a, const float* b, float* c, size_t c_stride, bool accumulate) {
  float sum[kMr][kNr] = {};
  for (size_t p = 0; p < k; ++p) {
    for (size_t i = 0; i < kMr; ++i) {
      for (size_t j = 0; j < kNr; ++j) sum[i][j] += a[p * kMr + i] * b[p * kNr + j];
    }
  }
  for (size_t i = 0; i < kMr; ++i) {
    for (size_t j = 0; j < kNr; ++j) {
      float* out = c + i * c_stride + j;
      *out = accumulate ? *out + sum[i][j] : sum[i][j];
    }
  }
}

float exp_sum(const float* in, float* out, size_t n, float scale, float shift) {
  float total = 0;
  for (size_t i = 0; i < n; ++i) {
    out[i] = std::exp(scale * (in[i] - shift));
    total += out[i];
  }
  return total;
}

}  // namespace

const Kernels kScalarKernels = {kMr, kNr, gemm_tile, exp_sum};

}  // namespace sextant::tensor
