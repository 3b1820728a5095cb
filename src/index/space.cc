#include "index/space.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernels.h"

namespace sextant::index {
namespace {

constexpr size_t kPadding = 64;

}  // namespace

Space::Space(Metric metric, size_t dim, std::vector<float> centre, float longest, uint64_t seed)
    : metric_(metric),
      dim_(dim),
      centre_(std::move(centre)),
      longest_(longest),
      seed_(seed),
      rotation_((dim + kPadding - 1) / kPadding * kPadding, seed) {
  if (metric_ == Metric::dot) std::fill(centre_.begin(), centre_.end(), 0.0f);
}

void Space::rotate_into(float* out) const {
  std::fill(out + dim_, out + padded_dim(), 0.0f);
  rotation_.apply(out);
}

float Space::place_row(const float* row, float* out) const {
  std::memcpy(out, row, dim_ * sizeof(float));
  if (metric_ == Metric::cosine) simd::kernels().normalize_f32(out, dim_);
  for (size_t i = 0; i < dim_; ++i) out[i] -= centre_[i];
  return simd::kernels().dot_f32(out, out, dim_);
}

float Space::transform_row(const float* row, float* out) const {
  const float squared = place_row(row, out);
  rotate_into(out);
  return squared;
}

float Space::transform_query(const float* query, float* out) const {
  std::memcpy(out, query, dim_ * sizeof(float));
  if (metric_ == Metric::cosine) simd::kernels().normalize_f32(out, dim_);
  if (metric_ == Metric::l2) {
    for (size_t i = 0; i < dim_; ++i) out[i] -= centre_[i];
  }
  const float squared = simd::kernels().dot_f32(out, out, dim_);
  rotate_into(out);
  return squared;
}

std::vector<float> centre_of(Metric metric, std::span<const float> rows, size_t dim) {
  std::vector<double> sums(dim);
  std::vector<float> row(dim);
  const size_t count = rows.size() / dim;
  for (size_t r = 0; r < count; ++r) {
    std::copy_n(rows.data() + r * dim, dim, row.begin());
    if (metric == Metric::cosine) simd::kernels().normalize_f32(row.data(), dim);
    for (size_t i = 0; i < dim; ++i) sums[i] += row[i];
  }
  std::vector<float> centre(dim);
  for (size_t i = 0; i < dim && count > 0; ++i) centre[i] = static_cast<float>(sums[i] / static_cast<double>(count));
  return centre;
}

}  // namespace sextant::index
