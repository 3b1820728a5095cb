#include "tensor/kernel_shapes.h"

namespace sextant::tensor {

void fill_amx(Kernels&) {}

}  // namespace sextant::tensor
