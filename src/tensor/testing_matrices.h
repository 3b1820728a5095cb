// tensor/testing_matrices.h: for tests: numbers to compute with, and comparing what comes out.
#pragma once

#include <cstring>
#include <vector>

#include "base/random.h"
#include "tensor/kernel_table.h"
#include "tensor/matrix.h"

namespace sextant::tensor {

inline constexpr Activation kActivations[] = {Activation::identity,   Activation::gelu,   Activation::gelu_tanh,
                                              Activation::gelu_quick, Activation::relu,   Activation::silu,
                                              Activation::tanh,       Activation::sigmoid};

inline std::vector<float> random_floats(size_t count, uint64_t seed) {
  base::Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

inline Matrix random_matrix(size_t rows, size_t columns, uint64_t seed, double spread = 1) {
  base::Random random(seed);
  Matrix matrix(rows, columns);
  for (float& value : matrix.values()) value = static_cast<float>(spread * random.normal());
  return matrix;
}

inline bool same_bytes(const float* a, const float* b, size_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}

}  // namespace sextant::tensor
