// index/row_products.h: products of many vectors with all of a set, on the units that multiply matrices.
//
// Both sides are rounded to 8 bits, vector by vector (int8 symmetric for the set, unsigned with an offset for the
// others; 7 bits where the machine sums pairs of products in 16): products are about a hundredth of the vectors'
// lengths off. Sums are exact, so that every tier of one rounding gives the same numbers.
// Threads: immutable, multiply from many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tensor/kernels.h"
#include "tensor/packing.h"

namespace sextant::index {

class RowProducts {
 public:
  // A caller's memory, for one thread.
  struct Scratch {
    std::vector<uint8_t> codes;
    std::vector<float> scales, offsets;
  };

  // values [count, dim].
  RowProducts(const float* values, size_t count, size_t dim);

  size_t count() const { return packed_.out(); }
  size_t dim() const { return packed_.in(); }
  // products [rows, count()] of values [rows, dim]; a row's begin STRIDE after the one's before.
  void multiply(const float* values, size_t rows, float* products, size_t stride, Scratch& scratch) const;

 private:
  const tensor::Kernels& kernels_;
  tensor::PackedWeights packed_;
};

}  // namespace sextant::index
