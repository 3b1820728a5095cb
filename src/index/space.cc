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

void Centre::add(const float* row) {
  std::copy_n(row, row_.size(), row_.begin());
  if (metric_ == Metric::cosine) simd::kernels().normalize_f32(row_.data(), row_.size());
  for (size_t i = 0; i < row_.size(); ++i) sums_[i] += row_[i];
  ++count_;
}

std::vector<float> Centre::mean() const {
  std::vector<float> mean(sums_.size());
  for (size_t i = 0; i < mean.size() && count_ > 0; ++i) {
    mean[i] = static_cast<float>(sums_[i] / static_cast<double>(count_));
  }
  return mean;
}

}  // namespace sextant::index
