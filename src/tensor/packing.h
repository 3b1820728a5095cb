// tensor/packing.h: the weights of a linear layer in the form that a kernel reads, packed once.
//
// A weight matrix W [out, in] is the right operand B = W^T [in, out] of a product. Sources: Goto & van de Geijn 2008
// (packed panels); int8 symmetric per output channel, as in ONNX Runtime's dynamic quantisation.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tensor/kernels.h"

namespace sextant::tensor {

// What a product's operands are rounded to. Sums are float32 (int32 for int8) everywhere.
enum class Compute {
  float32,   // nothing
  bfloat16,  // weights and activations to 8 bits of mantissa
  int8,      // weights to [-127, 127] by output channel, activations to 8 bits by row
  // float32, with weights that have no more than 16 bits anyway kept in these: half the memory, the same bytes.
  float32_bf16,
  float32_f16,
};

const ProductKernel& product_kernel(const Kernels& kernels, Compute compute);

// Bytes of an element of B.
size_t element_bytes(Compute compute);

// The type that numbers are kept in.
enum class Kept { f32, bf16, f16 };
// Writes COUNT floats: those that begin FIRST numbers after DATA.
void widen(const void* data, Kept kept, size_t first, size_t count, float* out);

// A matrix whose rows lie STRIDE numbers apart.
struct Rows {
  const void* data;
  size_t count;
  size_t stride;
  Kept kept = Kept::f32;
};

// Element (p, j) of B [k, columns] is data[p * step + j * column_step]: into f32 panels of WIDTH columns, of which
// there are ceil(columns / width), k * width floats each.
void pack_panels(const float* data, size_t step, size_t column_step, size_t k, size_t columns, size_t width,
                 float* panels);

// What packed weights consist of, for those who keep them in a file. Each begins at a multiple of kPackedAlignment.
struct PackedBytes {
  std::span<const std::byte> panels, columns, factors;  // the last two may be empty
};
constexpr size_t kPackedAlignment = 64;

class PackedWeights {
 public:
  PackedWeights() = default;
  // The rows of all PARTS, one under another, are W [out, in]. INPUT_RANGES [in], where not empty, are the largest
  // magnitudes that each input is known to take: int8 then moves a part of what makes some inputs large into their
  // weights (SmoothQuant, Xiao et al. 2022, with alpha 1/2), so that the others keep their bits.
  PackedWeights(std::span<const Rows> parts, size_t in, Compute compute, const Kernels& kernels,
                std::span<const float> input_ranges = {});
  // What kept_bytes() gave, with the same kernels; views into what OWNER keeps alive. Throws corrupted where sizes or
  // alignment cannot be those of W [out, in].
  PackedWeights(size_t out, size_t in, Compute compute, const Kernels& kernels, const PackedBytes& kept,
                std::shared_ptr<const void> owner);

  size_t in() const { return in_; }
  size_t out() const { return out_; }
  size_t depth() const { return depth_; }  // in() filled up: the length of A's rows
  Compute compute() const { return compute_; }
  // What A's columns are multiplied by before they are rounded: [in], or nullptr: 1.
  const float* input_factors() const { return factors_.get(); }
  uint64_t bytes() const;
  // Views that live as long as this object.
  PackedBytes kept_bytes() const;

  // C [m, columns] = A [m, depth] times the columns from FIRST on. REQUIRES: FIRST is a multiple of the panel's width.
  // row_scales and row_offsets for int8 alone.
  void multiply(const Kernels& kernels, const void* a, size_t a_stride, size_t m, size_t first, size_t columns,
                float* c, size_t c_stride, const float* row_scales = nullptr, const float* row_offsets = nullptr) const;

 private:
  PackedWeights(size_t out, size_t in, Compute compute, const PanelShape& shape);

  size_t in_ = 0, out_ = 0, depth_ = 0;
  Compute compute_ = Compute::float32;
  std::shared_ptr<const std::byte[]> panels_;
  std::shared_ptr<const float[]> columns_;  // int8: scales, then sums; each filled up to whole panels
  size_t columns_filled_ = 0;
  std::shared_ptr<const float[]> factors_;  // [in], or nullptr
};

}  // namespace sextant::tensor
