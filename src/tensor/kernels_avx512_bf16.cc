#include "tensor/kernel_shapes.h"

namespace sextant::tensor {

void fill_avx512_bf16(Kernels&) {}

}  // namespace sextant::tensor
