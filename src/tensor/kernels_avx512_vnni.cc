#include "tensor/kernel_shapes.h"

namespace sextant::tensor {

void fill_avx512_vnni(Kernels&) {}

}  // namespace sextant::tensor
