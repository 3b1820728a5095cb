#include "index/bounded_rows.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "simd/kernels.h"

namespace sextant::index {
namespace {

// Rows whose products are made at once.
constexpr size_t kBlock = 256;
// Candidates that are kept before those that cannot be among the nearest any more are dropped.
constexpr size_t kKeptMin = 1024;
constexpr float kRoundedUp = 1.0001f;

float infinite() { return std::numeric_limits<float>::infinity(); }

// VALUES [dim] as int8. Returns the length of what is left out.
float to_codes(const float* values, size_t dim, int8_t* codes, float& scale) {
  const simd::Kernels& kernels = simd::kernels();
  scale = kernels.max_abs_f32(values, dim) / 127;
  // What is too small to be divided by becomes zeros.
  const float multiplier = scale > std::numeric_limits<float>::min() ? 1 / scale : 0;
  kernels.f32_to_i8(values, dim, multiplier, codes);
  double squared = 0;
  for (size_t d = 0; d < dim; ++d) {
    const double left = double{values[d]} - double{scale} * codes[d];
    squared += left * left;
  }
  return static_cast<float>(std::sqrt(squared)) * kRoundedUp;
}

double length_of(const float* values, size_t dim) {
  double squared = 0;
  for (size_t d = 0; d < dim; ++d) squared += double{values[d]} * values[d];
  return std::sqrt(squared);
}

// The k-th highest of what was added.
class KthHighest {
 public:
  explicit KthHighest(size_t k) : k_(k) {}
  float value() const { return heap_.size() < k_ ? -infinite() : heap_.front(); }
  void add(float score) {
    if (!(score > value())) return;  // NaN never is
    if (heap_.size() == k_) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      heap_.pop_back();
    }
    heap_.push_back(score);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

 private:
  size_t k_;
  std::vector<float> heap_;
};

}  // namespace

BoundedRows::BoundedRows(Metric metric, size_t dim, size_t capacity)
    : metric_(metric),
      dim_(dim),
      owned_codes_(capacity * dim),
      owned_factors_(capacity),
      codes_(owned_codes_.data()),
      factors_(owned_factors_.data()) {}

BoundedRows::BoundedRows(Metric metric, size_t dim, std::span<const int8_t> codes, std::span<const Factors> factors)
    : metric_(metric), dim_(dim), codes_(codes.data()), factors_(factors.data()) {}

void BoundedRows::set(size_t row, const float* values) {
  Factors factors{};
  factors.error = to_codes(values, dim_, owned_codes_.data() + row * dim_, factors.scale);
  const double length = length_of(values, dim_);
  factors.length = static_cast<float>(length) * kRoundedUp;
  if (metric_ == Metric::l2) factors.square = static_cast<float>(length * length);
  if (metric_ == Metric::cosine) {
    // A row without a direction is always compared itself.
    const auto shorter = static_cast<float>(1 / length);
    factors.error = length > 0 ? factors.error * shorter : infinite();
    factors.scale *= length > 0 ? shorter : 0;
    factors.length = 1;
  }
  owned_factors_[row] = factors;
}

void BoundedRows::candidates(const float* query, size_t k, size_t count, std::span<const uint64_t> allowed,
                             std::vector<uint32_t>& out) const {
  if (k == 0) return;
  std::vector<int8_t> codes(dim_);
  float query_scale = 0;
  const float query_error = to_codes(query, dim_, codes.data(), query_scale);
  const auto query_length = static_cast<float>(length_of(query, dim_)) * kRoundedUp;
  const float weight = metric_ == Metric::l2 ? 2 : 1;
  // What sums of dim products in float32 lose, in 64 parts of such a sum, with room for other orders.
  const float loss = 2.5e-7f * (static_cast<float>(dim_) / 64 + 16);
  const float of_scale = weight * query_scale;
  const float of_error = weight * (query_length + query_error);
  const float of_length = weight * query_error + loss * query_length * weight;
  const float of_all = metric_ == Metric::l2 ? loss * query_length * query_length : 0;

  KthHighest kth(k);
  std::vector<std::pair<float, uint32_t>> kept;  // the highest that they may score
  size_t kept_max = std::max(kKeptMin, 4 * k);
  auto drop = [&] {
    std::erase_if(kept, [&](const auto& one) { return one.first < kth.value(); });
    kept_max = std::max(kept_max, 2 * kept.size());
  };
  int32_t sums[kBlock];
  float lows[kBlock], highs[kBlock];
  for (size_t first = 0; first < count; first += kBlock) {
    const size_t n = std::min(kBlock, count - first);
    simd::kernels().dot_i8_rows(codes.data(), {codes_ + first * dim_, n, dim_, dim_}, sums);
    const Factors* factors = factors_ + first;
    for (size_t i = 0; i < n; ++i) {
      const float score = of_scale * factors[i].scale * static_cast<float>(sums[i]) - factors[i].square;
      const float bound =
          of_error * factors[i].error + of_length * factors[i].length + loss * factors[i].square + of_all;
      lows[i] = score - bound;
      highs[i] = score + bound;
    }
    for (size_t i = 0; i < n; ++i) {
      // What is not a number is compared itself.
      if (highs[i] < kth.value()) continue;
      const auto row = static_cast<uint32_t>(first + i);
      if (!allowed.empty() && (allowed[row / 64] >> (row % 64) & 1) == 0) continue;
      kth.add(lows[i]);
      kept.emplace_back(highs[i], row);
    }
    if (kept.size() > kept_max) drop();
  }
  drop();
  for (const auto& [high, row] : kept) out.push_back(row);
}

}  // namespace sextant::index
