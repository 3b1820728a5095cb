#include "index/rotation.h"

#include <bit>
#include <cmath>

#include "base/random.h"

namespace sextant::index {
namespace {

// Of n values, a power of two of at least 4; not scaled.
void walsh_hadamard(float* values, size_t n) {
  for (size_t i = 0; i < n; i += 4) {
    float* v = values + i;
    const float a = v[0] + v[1], b = v[0] - v[1], c = v[2] + v[3], d = v[2] - v[3];
    v[0] = a + c;
    v[1] = b + d;
    v[2] = a - c;
    v[3] = b - d;
  }
  for (size_t half = 4; half < n; half *= 2) {
    for (size_t i = 0; i < n; i += 2 * half) {
      float* low = values + i;
      float* high = low + half;
      for (size_t j = 0; j < half; ++j) {
        const float sum = low[j] + high[j];
        high[j] = low[j] - high[j];
        low[j] = sum;
      }
    }
  }
}

}  // namespace

Rotation::Rotation(size_t dim, uint64_t seed) : dim_(dim), span_(std::bit_floor(dim)), factors_(kRounds * dim) {
  base::Random random(seed);
  const float scale = 1.0f / std::sqrt(static_cast<float>(span_));
  for (size_t round = 0; round < kRounds; ++round) {
    const size_t begin = round % 2 == 0 ? 0 : dim_ - span_;
    for (size_t i = 0; i < dim_; ++i) {
      const float sign = (random.next() >> 63) != 0 ? 1.0f : -1.0f;
      factors_[round * dim_ + i] = i >= begin && i < begin + span_ ? sign * scale : sign;
    }
  }
}

void Rotation::apply(float* values) const {
  for (size_t round = 0; round < kRounds; ++round) {
    const float* factors = factors_.data() + round * dim_;
    for (size_t i = 0; i < dim_; ++i) values[i] *= factors[i];
    walsh_hadamard(values + (round % 2 == 0 ? 0 : dim_ - span_), span_);
  }
}

}  // namespace sextant::index
