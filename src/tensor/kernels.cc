#include "tensor/kernels.h"

#include "simd/kernels.h"

namespace sextant::tensor {

const Kernels& kernels_for(simd::Tier tier) {
  switch (tier) {
    case simd::Tier::scalar:
      return kScalarKernels;
    case simd::Tier::avx2:
      return kAvx2Kernels;
    default:
      return kAvx512Kernels;
  }
}

const Kernels& kernels() {
  static const Kernels& chosen = tensor::kernels_for(simd::kernels().tier);
  return chosen;
}

}  // namespace sextant::tensor
