#include "tensor/packing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/memory.h"
#include "sextant/error.h"

namespace sextant::tensor {
namespace {

template <class T>
std::shared_ptr<T[]> aligned(size_t count) {
  const std::shared_ptr<std::byte> memory = base::allocate_long_lived(count * sizeof(T));
  return {memory, reinterpret_cast<T*>(memory.get())};
}

size_t row_count(std::span<const Rows> parts) {
  size_t count = 0;
  for (const Rows& part : parts) count += part.count;
  return count;
}

// Writes column J of a panel, GROUP elements every WIDTH * GROUP.
template <class T>
void scatter(const T* column, size_t k, size_t filled, const PanelShape& shape, size_t j, T* panel) {
  for (size_t p = 0; p < filled; p += shape.group) {
    T* to = panel + (p * shape.width + j * shape.group);
    for (size_t g = 0; g < shape.group; ++g) to[g] = p + g < k ? column[p + g] : T{};
  }
}

// Rows of W into one panel.
void pack_rows(std::span<const float* const> rows, size_t k, size_t width, float* panel) {
  constexpr size_t kRun = 16;  // so that what is read and what is written both stay near
  for (size_t p0 = 0; p0 < k; p0 += kRun) {
    const size_t run = std::min(kRun, k - p0);
    for (size_t j = 0; j < width; ++j) {
      float* to = panel + p0 * width + j;
      for (size_t p = 0; p < run; ++p) to[p * width] = j < rows.size() ? rows[j][p0 + p] : 0.0f;
    }
  }
}

// The rows of several matrices, one under another, as floats.
class AllRows {
 public:
  AllRows(std::span<const Rows> parts, size_t in) : in_(in) {
    for (const Rows& part : parts) {
      for (size_t i = 0; i < part.count; ++i) rows_.push_back({&part, i * part.stride});
    }
  }
  size_t count() const { return rows_.size(); }
  // Row i: where it lies if it is of floats, else in BUFFER [in].
  const float* row(size_t i, float* buffer) const {
    const auto& [part, first] = rows_[i];
    if (part->kept == Kept::f32) return static_cast<const float*>(part->data) + first;
    widen(part->data, part->kept, first, in_, buffer);
    return buffer;
  }

 private:
  struct Row {
    const Rows* part;
    size_t first;
  };
  size_t in_;
  std::vector<Row> rows_;
};

// sqrt(largest weight / largest input) of each input, which evens both out; 1 where either is 0 or not known to be
// finite. Powers of two would lose nothing, but the rest is rounded to 8 bits anyway.
std::shared_ptr<const float[]> smoothing_factors(const AllRows& rows, size_t in, std::span<const float> input_ranges) {
  std::vector<float> largest(in, 0.0f), buffer(in);
  for (size_t i = 0; i < rows.count(); ++i) {
    const float* row = rows.row(i, buffer.data());
    for (size_t p = 0; p < in; ++p) largest[p] = std::max(largest[p], std::abs(row[p]));
  }
  auto factors = aligned<float>(in);
  for (size_t p = 0; p < in; ++p) {
    const float factor = std::sqrt(largest[p] / input_ranges[p]);
    factors[p] = std::isnormal(factor) ? factor : 1.0f;
  }
  return factors;
}

}  // namespace

void pack_panels(const float* data, size_t step, size_t column_step, size_t k, size_t columns, size_t width,
                 float* panels) {
  constexpr size_t kRun = 16;  // so that what is read and what is written both stay near
  for (size_t first = 0; first < columns; first += width, panels += k * width) {
    const size_t filled = std::min(width, columns - first);
    const float* source = data + first * column_step;
    if (column_step == 1) {
      for (size_t p = 0; p < k; ++p) {
        float* to = panels + p * width;
        std::memcpy(to, source + p * step, filled * sizeof(float));
        std::fill(to + filled, to + width, 0.0f);
      }
      continue;
    }
    for (size_t p0 = 0; p0 < k; p0 += kRun) {
      const size_t run = std::min(kRun, k - p0);
      float* to = panels + p0 * width;
      for (size_t j = 0; j < filled; ++j) {
        const float* from = source + j * column_step + p0 * step;
        for (size_t p = 0; p < run; ++p) to[p * width + j] = from[p * step];
      }
      for (size_t p = 0; p < run; ++p) std::fill(to + p * width + filled, to + (p + 1) * width, 0.0f);
    }
  }
}

void widen(const void* data, Kept kept, size_t first, size_t count, float* out) {
  switch (kept) {
    case Kept::f32:
      std::memcpy(out, static_cast<const float*>(data) + first, count * sizeof(float));
      break;
    case Kept::bf16:
      simd::kernels().bf16_to_f32(static_cast<const simd::BFloat16*>(data) + first, count, out);
      break;
    case Kept::f16:
      simd::kernels().f16_to_f32(static_cast<const simd::Float16*>(data) + first, count, out);
      break;
  }
}

const ProductKernel& product_kernel(const Kernels& kernels, Compute compute) {
  switch (compute) {
    case Compute::float32_bf16:
      return kernels.f32_bf16;
    case Compute::float32_f16:
      return kernels.f32_f16;
    case Compute::bfloat16:
      return kernels.bf16;
    case Compute::int8:
      return kernels.i8;
    default:
      return kernels.f32;
  }
}

size_t element_bytes(Compute compute) { return compute == Compute::float32 ? 4 : compute == Compute::int8 ? 1 : 2; }

PackedWeights::PackedWeights(size_t out, size_t in, Compute compute, const PanelShape& shape)
    : in_(in),
      out_(out),
      depth_(shape.filled(in)),
      compute_(compute),
      columns_filled_((out + shape.width - 1) / shape.width * shape.width) {
  constexpr size_t kInt8DepthMax = 65536;  // beyond it sums could leave 32 bits
  if (compute == Compute::int8 && in > kInt8DepthMax) {
    throw Error(ErrorCode::unsupported,
                "int8 is for layers of at most 65536 inputs, this one has " + std::to_string(in));
  }
}

PackedWeights::PackedWeights(std::span<const Rows> parts, size_t in, Compute compute, const Kernels& kernels,
                             std::span<const float> input_ranges)
    : PackedWeights(row_count(parts), in, compute, product_kernel(kernels, compute).panel) {
  const PanelShape& shape = product_kernel(kernels, compute).panel;
  const AllRows rows(parts, in);
  const size_t panels = columns_filled_ / shape.width;
  const size_t panel_elements = depth_ * shape.width;
  auto bytes = aligned<std::byte>(panels * panel_elements * element_bytes(compute));
  std::shared_ptr<float[]> columns;
  if (compute == Compute::int8) {
    columns = aligned<float>(2 * columns_filled_);
    std::fill_n(columns.get(), 2 * columns_filled_, 0.0f);
  }
  std::vector<simd::BFloat16> bf16(depth_);
  std::vector<simd::Float16> f16(depth_);
  std::vector<int8_t> codes(depth_);
  std::vector<float> widened(shape.width * in);
  std::vector<float> weighted;  // a row of W with the inputs' factors taken out of it
  if (compute == Compute::int8 && !input_ranges.empty()) {
    factors_ = smoothing_factors(rows, in, input_ranges);
    weighted.resize(in);
  }
  std::vector<const float*> of_panel;
  for (size_t panel = 0; panel < panels; ++panel) {
    const size_t first = panel * shape.width;
    const size_t filled = std::min(shape.width, out_ - first);
    of_panel.clear();
    for (size_t j = 0; j < filled; ++j) of_panel.push_back(rows.row(first + j, widened.data() + j * in));
    std::byte* to = bytes.get() + panel * panel_elements * element_bytes(compute);
    if (compute == Compute::float32) {
      pack_rows(of_panel, in, shape.width, reinterpret_cast<float*>(to));
      continue;
    }
    if (filled < shape.width) std::memset(to, 0, panel_elements * element_bytes(compute));
    for (size_t j = 0; j < filled; ++j) {
      const float* row = of_panel[j];
      if (compute == Compute::float32_f16) {
        simd::kernels().f32_to_f16(row, in, f16.data());
        scatter(f16.data(), in, depth_, shape, j, reinterpret_cast<simd::Float16*>(to));
        continue;
      }
      if (compute != Compute::int8) {
        simd::kernels().f32_to_bf16(row, in, bf16.data());
        scatter(bf16.data(), in, depth_, shape, j, reinterpret_cast<simd::BFloat16*>(to));
        continue;
      }
      if (factors_) {
        for (size_t p = 0; p < in; ++p) weighted[p] = row[p] / factors_[p];
        row = weighted.data();
      }
      const float scale = simd::kernels().max_abs_f32(row, in) / 127.0f;
      simd::kernels().f32_to_i8(row, in, scale > 0 ? 1.0f / scale : 0.0f, codes.data());
      int32_t sum = 0;
      for (size_t p = 0; p < in; ++p) sum += codes[p];
      columns[first + j] = scale;
      columns[columns_filled_ + first + j] = static_cast<float>(sum);
      scatter(codes.data(), in, depth_, shape, j, reinterpret_cast<int8_t*>(to));
    }
  }
  panels_ = std::move(bytes);
  columns_ = std::move(columns);
}

PackedWeights::PackedWeights(size_t out, size_t in, Compute compute, const Kernels& kernels, const PackedBytes& kept,
                             std::shared_ptr<const void> owner)
    : PackedWeights(out, in, compute, product_kernel(kernels, compute).panel) {
  auto require = [](bool fits, const char* what) {
    if (!fits) throw Error(ErrorCode::corrupted, std::string("packed ") + what + " are not of the layer's size");
  };
  const uint64_t column_bytes = compute == Compute::int8 ? 2 * columns_filled_ * sizeof(float) : 0;
  require(kept.panels.size() == columns_filled_ * depth_ * element_bytes(compute), "panels");
  require(kept.columns.size() == column_bytes, "columns");
  require(kept.factors.empty() || (compute == Compute::int8 && kept.factors.size() == in * sizeof(float)), "factors");
  for (const auto& part : {kept.panels, kept.columns, kept.factors}) {
    require(reinterpret_cast<uintptr_t>(part.data()) % kPackedAlignment == 0, "bytes");
  }
  panels_ = {owner, kept.panels.data()};
  if (!kept.columns.empty()) columns_ = {owner, reinterpret_cast<const float*>(kept.columns.data())};
  if (!kept.factors.empty()) factors_ = {owner, reinterpret_cast<const float*>(kept.factors.data())};
}

PackedBytes PackedWeights::kept_bytes() const {
  PackedBytes kept;
  kept.panels = {panels_.get(), columns_filled_ * depth_ * element_bytes(compute_)};
  if (columns_) kept.columns = std::as_bytes(std::span(columns_.get(), 2 * columns_filled_));
  if (factors_) kept.factors = std::as_bytes(std::span(factors_.get(), in_));
  return kept;
}

uint64_t PackedWeights::bytes() const {
  return columns_filled_ * (depth_ * element_bytes(compute_) + (columns_ ? 2 * sizeof(float) : 0));
}

void PackedWeights::multiply(const Kernels& kernels, const void* a, size_t a_stride, size_t m, size_t first,
                             size_t columns, float* c, size_t c_stride, const float* row_scales,
                             const float* row_offsets) const {
  Product product{};
  product.m = m;
  product.n = columns;
  product.k = depth_;
  product.a = a;
  product.a_stride = a_stride;
  product.b = panels_.get() + first * depth_ * element_bytes(compute_);
  product.c = c;
  product.c_stride = c_stride;
  product.row_scales = row_scales;
  product.row_offsets = row_offsets;
  if (columns_) {
    product.column_scales = columns_.get() + first;
    product.column_sums = columns_.get() + columns_filled_ + first;
  }
  product_kernel(kernels, compute_).multiply(product);
}

}  // namespace sextant::tensor
