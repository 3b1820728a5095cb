#include "index/row_products.h"

#include <algorithm>

namespace sextant::index {

RowProducts::RowProducts(const float* values, size_t count, size_t dim) : kernels_(tensor::kernels()) {
  const tensor::Rows rows{values, count, dim};
  packed_ = tensor::PackedWeights({&rows, 1}, dim, tensor::Compute::int8, kernels_);
}

void RowProducts::multiply(const float* values, size_t rows, float* products, size_t stride, Scratch& scratch) const {
  const size_t depth = packed_.depth();
  scratch.codes.resize(rows * depth);
  scratch.scales.resize(rows);
  scratch.offsets.resize(rows);
  for (size_t r = 0; r < rows; ++r) {
    uint8_t* codes = scratch.codes.data() + r * depth;
    kernels_.quantize(values + r * dim(), dim(), kernels_.i8_max, codes, &scratch.scales[r], &scratch.offsets[r]);
    std::fill(codes + dim(), codes + depth, uint8_t{0});
  }
  packed_.multiply(kernels_, scratch.codes.data(), depth, rows, 0, count(), products, stride, scratch.scales.data(),
                   scratch.offsets.data());
}

}  // namespace sextant::index
