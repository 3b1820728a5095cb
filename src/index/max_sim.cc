#include "index/max_sim.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/kernels.h"

namespace sextant::index {
namespace {

// Vectors of a block stay in the second-level cache while all of the query's meet them.
constexpr size_t kBlockBytes = size_t{1} << 16;
constexpr float kLeast = std::numeric_limits<float>::lowest();
constexpr float kMost = std::numeric_limits<float>::max();
// Squared lengths between which products of two vectors neither overflow nor vanish.
constexpr float kSquareLow = 1e-15f;
constexpr float kSquareHigh = 1e15f;

float scale_of(const float* vector, size_t dim) {
  const float square = simd::kernels().dot_f32(vector, vector, dim);
  return square >= kSquareLow && square <= kSquareHigh ? 1 / std::sqrt(square) : 0;
}

}  // namespace

MaxSim::MaxSim(const Rows& rows, Metric metric, std::span<const float> queries)
    : rows_(rows),
      metric_(metric),
      queries_(queries),
      dim_(rows.dim()),
      query_count_(queries.size() / dim_),
      block_size_(std::clamp<size_t>(kBlockBytes / (dim_ * sizeof(float)), 8, 256)),
      vectors_(block_size_ * dim_),
      similarities_(query_count_ * block_size_),
      scales_(block_size_),
      best_(query_count_) {
  if (metric_ != Metric::cosine) return;
  for (size_t q = 0; q < query_count_; ++q) query_scales_.push_back(scale_of(queries_.data() + q * dim_, dim_));
}

// The vectors [places.size(), dim], one after another.
const float* MaxSim::block(std::span<const uint32_t> places) {
  if (rows_.type() == ElementType::float32 && places.back() - places.front() + 1 == places.size() &&
      std::is_sorted(places.begin(), places.end())) {
    return reinterpret_cast<const float*>(rows_.at(places.front()));
  }
  for (size_t i = 0; i < places.size(); ++i) rows_.read(places[i], vectors_.data() + i * dim_);
  return vectors_.data();
}

// Of the products in similarities_.
void MaxSim::make_cosines(const float* vectors, size_t count) {
  for (size_t i = 0; i < count; ++i) scales_[i] = scale_of(vectors + i * dim_, dim_);
  const bool any_odd = std::find(scales_.begin(), scales_.begin() + static_cast<ptrdiff_t>(count), 0.0f) !=
                       scales_.begin() + static_cast<ptrdiff_t>(count);
  for (size_t q = 0; q < query_count_; ++q) {
    float* values = similarities_.data() + q * block_size_;
    for (size_t i = 0; i < count; ++i) values[i] *= scales_[i] * query_scales_[q];
    if (!any_odd && query_scales_[q] != 0) continue;
    for (size_t i = 0; i < count; ++i) {
      if (scales_[i] != 0 && query_scales_[q] != 0) continue;
      values[i] = simd::kernels().cosine_f32(queries_.data() + q * dim_, vectors + i * dim_, dim_);
    }
  }
}

void MaxSim::look_at(const float* vectors, size_t count) {
  const simd::Kernels& k = simd::kernels();
  const size_t stride = dim_ * sizeof(float);
  k.dot_f32_block({queries_.data(), query_count_, dim_, stride}, {vectors, count, dim_, stride}, similarities_.data(),
                  block_size_);
  if (metric_ == Metric::cosine) make_cosines(vectors, count);
  for (size_t q = 0; q < query_count_; ++q) {
    const float* values = similarities_.data() + q * block_size_;
    Best& best = best_[q];
    size_t found = count;
    for (size_t i = 0; i < count; ++i) {
      if (values[i] <= best.value || std::isnan(values[i])) continue;
      best.value = values[i];
      found = i;
    }
    if (found == count) continue;
    best.score = metric_ == Metric::cosine ? k.cosine_f32(queries_.data() + q * dim_, vectors + found * dim_, dim_)
                                           : std::min(best.value, kMost);
  }
}

float MaxSim::score(std::span<const uint32_t> places) {
  std::fill(best_.begin(), best_.end(), Best{kLeast, kLeast});
  for (size_t first = 0; first < places.size(); first += block_size_) {
    const std::span<const uint32_t> part = places.subspan(first, std::min(block_size_, places.size() - first));
    look_at(block(part), part.size());
  }
  double sum = 0;
  for (const Best& best : best_) sum += best.score;
  return static_cast<float>(std::clamp<double>(sum, kLeast, kMost));
}

}  // namespace sextant::index
