// index/space.h: the geometry in which an index walks: that of a metric, turned into Euclidean distances.
//
//   cosine  vectors are scaled to length 1, and their mean is taken away: distances order them as cosines do
//   l2      their mean is taken away
//   hamming is squared Euclidean distance of components that are 0 or 1: as l2
//   dot     a vector x of length |x| <= M gets one more component, sqrt(M^2 - |x|^2), and a query a 0: the nearest by
//           distance is then the largest product (Bachrach et al. 2014). The component is kept as a number beside x
// and all are rotated at random, which makes their components alike (index/rotation.h).
// Threads: immutable, all members from many.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/rotation.h"
#include "sextant/metric.h"

namespace sextant::index {

class Space {
 public:
  // centre [dim]: what is taken away from rows, ignored for dot. longest: M above, for dot.
  Space(Metric metric, size_t dim, std::vector<float> centre, float longest, uint64_t seed);

  Metric metric() const { return metric_; }
  size_t dim() const { return dim_; }
  // dim() filled up with zeros to a multiple of 64.
  size_t padded_dim() const { return rotation_.dim(); }
  std::span<const float> centre() const { return centre_; }
  float longest() const { return longest_; }
  uint64_t seed() const { return seed_; }

  // A row [dim] as it is compared: out [padded_dim]. Returns its squared length.
  float transform_row(const float* row, float* out) const;
  // The same without the rotation, which distances do not change with: out [dim].
  float place_row(const float* row, float* out) const;
  // A query as transform_row does it. For cosine and dot the centre stays in it: it moves all products by the same
  // amount.
  float transform_query(const float* query, float* out) const;
  // The component that dot adds to a row of that squared length; 0 for other metrics.
  float lift(float squared_length) const {
    if (metric_ != Metric::dot) return 0;
    return std::sqrt(std::max(0.0f, longest_ * longest_ - squared_length));
  }

 private:
  void rotate_into(float* out) const;

  Metric metric_;
  size_t dim_;
  std::vector<float> centre_;
  float longest_;
  uint64_t seed_;
  Rotation rotation_;
};

// The mean of rows, each scaled to length 1 first where the metric is cosine.
class Centre {
 public:
  Centre(Metric metric, size_t dim) : metric_(metric), sums_(dim), row_(dim) {}
  void add(const float* row);  // [dim]
  std::vector<float> mean() const;

 private:
  Metric metric_;
  size_t count_ = 0;
  std::vector<double> sums_;
  std::vector<float> row_;
};

}  // namespace sextant::index
