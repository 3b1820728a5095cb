// tensor/kernels.h: the innermost loops, one file per instruction set, chosen once at run time.
//
// A kernel file uses intrinsics and raw pointers only: an inline function shared with an ordinary file could carry its
// instructions into code that runs everywhere.
#pragma once

#include <cstddef>

#include "simd/kernels.h"

namespace sextant::tensor {

struct Kernels {
  // Micro kernel of gemm: c[mr, nr] (+)= a[k, mr] panel times b[k, nr] panel. All of mr x nr is written.
  size_t mr;
  size_t nr;
  void (*gemm_tile)(size_t k, const float* a_panel, const float* b_panel, float* c, size_t c_stride, bool accumulate);

  // out[i] = exp(scale * (in[i] - shift)); returns the sum, in an order that depends on n alone. in may equal out.
  // Relative error below 3e-7 for arguments in [-87, 88]; below that range the result is at most 1.2e-38.
  float (*exp_sum)(const float* in, float* out, size_t n, float scale, float shift);
};

// The widest tier that this processor and SEXTANT_SIMD allow.
const Kernels& kernels();

// The kernels of one tier; for tests. REQUIRES: simd::is_available(tier).
const Kernels& kernels_for(simd::Tier tier);

extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;

}  // namespace sextant::tensor
