// tensor/kernels.h: the tensor kernels that this machine runs best, chosen once. What they do is written in
// tensor/kernel_table.h.
#pragma once

#include "simd/kernels.h"
#include "tensor/kernel_table.h"

namespace sextant::tensor {

// The tier that SEXTANT_SIMD names, else the best one.
const Kernels& kernels();

// The kernels of one tier; for tests. REQUIRES: simd::is_available(tier).
const Kernels& kernels_for(simd::Tier tier);

}  // namespace sextant::tensor
