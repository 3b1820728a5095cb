// index/testing_vectors.h: seeded vectors in clusters, and a slow search in double to judge others by.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sextant/index.h"
#include "sextant/metric.h"

namespace sextant::index {

// [count, dim]: around cluster_count centres, in a few directions of each. The same centres for every seed.
inline std::vector<float> clustered(size_t count, size_t dim, uint64_t seed, size_t cluster_count = 20) {
  base::Random shape(7);
  const size_t directions = std::clamp<size_t>(dim / 10, 1, 20);
  std::vector<double> centres(cluster_count * dim), axes(cluster_count * directions * dim);
  for (double& value : centres) value = shape.normal();
  for (double& value : axes) value = shape.normal();
  base::Random random(seed);
  std::vector<float> out(count * dim);
  for (size_t i = 0; i < count; ++i) {
    const size_t cluster = random.below(cluster_count);
    std::vector<double> row(centres.begin() + static_cast<ptrdiff_t>(cluster * dim),
                            centres.begin() + static_cast<ptrdiff_t>((cluster + 1) * dim));
    for (size_t d = 0; d < directions; ++d) {
      const double along = random.normal() * 0.6;
      for (size_t j = 0; j < dim; ++j) row[j] += along * axes[(cluster * directions + d) * dim + j];
    }
    for (size_t j = 0; j < dim; ++j) out[i * dim + j] = static_cast<float>(row[j] + 0.1 * random.normal());
  }
  return out;
}

// [count, dim]: each the sum of some words' vectors, few of which are frequent, as models without layers make
// sentences' vectors. What is near to one has little to do with what is near to those. The same words for every seed.
inline std::vector<float> sums_of_words(size_t count, size_t dim, uint64_t seed) {
  constexpr size_t kWords = 4000;
  base::Random shape(7), random(seed);
  std::vector<double> words(kWords * dim);
  for (double& value : words) value = shape.normal();
  std::vector<float> out(count * dim);
  for (size_t i = 0; i < count; ++i) {
    for (size_t left = 4 + random.below(9); left > 0; --left) {
      const double chance = random.uniform();
      const auto word = static_cast<size_t>(kWords * chance * chance * chance);
      for (size_t j = 0; j < dim; ++j) out[i * dim + j] += static_cast<float>(words[word * dim + j]);
    }
  }
  return out;
}

// Clustered ones as components of 0 and 1.
inline std::vector<float> clustered_bits(size_t count, size_t dim, uint64_t seed, size_t cluster_count = 20) {
  std::vector<float> values = clustered(count, dim, seed, cluster_count);
  for (float& value : values) value = value > 0 ? 1.0f : 0.0f;
  return values;
}

// What Metric says, in double.
inline double slow_score(Metric metric, std::span<const float> a, std::span<const float> b) {
  const float *x = a.data(), *y = b.data();
  const auto sum = [count = a.size()](auto term) {
    double total = 0;
    for (size_t i = 0; i < count; ++i) total += term(i);
    return total;
  };
  switch (metric) {
    case Metric::cosine: {
      const double aa = sum([&](size_t i) { return double{x[i]} * x[i]; });
      const double bb = sum([&](size_t i) { return double{y[i]} * y[i]; });
      return aa == 0 || bb == 0 ? 0 : sum([&](size_t i) { return double{x[i]} * y[i]; }) / std::sqrt(aa * bb);
    }
    case Metric::dot:
      return sum([&](size_t i) { return double{x[i]} * y[i]; });
    case Metric::l2:
      return std::sqrt(sum([&](size_t i) { return (double{x[i]} - y[i]) * (double{x[i]} - y[i]); }));
    case Metric::l1:
      return sum([&](size_t i) { return std::abs(double{x[i]} - y[i]); });
    case Metric::hamming:
      return sum([&](size_t i) { return x[i] != y[i] ? 1.0 : 0.0; });
  }
  return 0;
}

// The ids of the k nearest rows, best first; ids are row numbers.
inline std::vector<uint64_t> slow_search(Metric metric, std::span<const float> rows, std::span<const float> query,
                                         size_t k, const AllowedIds* allowed = nullptr) {
  const size_t dim = query.size();
  std::vector<std::pair<double, uint64_t>> all;
  for (size_t i = 0; i < rows.size() / dim; ++i) {
    if (allowed != nullptr && !allowed->contains(i)) continue;
    const double score = slow_score(metric, rows.subspan(i * dim, dim), query);
    all.emplace_back(higher_is_nearer(metric) ? -score : score, i);
  }
  const size_t wanted = std::min(k, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(wanted), all.end());
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < wanted; ++i) ids.push_back(all[i].second);
  return ids;
}

inline std::vector<uint64_t> numbers(size_t count, uint64_t first = 0) {
  std::vector<uint64_t> ids(count);
  for (size_t i = 0; i < count; ++i) ids[i] = first + i;
  return ids;
}

}  // namespace sextant::index
