// sextant/metric.h: how near two vectors are, under the names that hold everywhere (CLI, REST, configs).
#pragma once

#include <string_view>

namespace sextant {

enum class Metric {
  cosine,   // dot / (|a| |b|), in [-1, 1], higher is nearer; 0 when either vector is zero
  dot,      // inner product, higher is nearer
  l2,       // Euclidean distance (not squared), lower is nearer
  l1,       // Manhattan distance, lower is nearer
  hamming,  // components that differ, lower is nearer; of vectors of bits alone
};

// cosine, dot, l2, l1, hamming and the aliases ip (dot), euclidean (l2), manhattan (l1). Throws invalid_argument
// otherwise.
Metric parse_metric(std::string_view name);
std::string_view name(Metric metric);
// True where a larger value means nearer.
constexpr bool higher_is_nearer(Metric metric) { return metric == Metric::cosine || metric == Metric::dot; }

}  // namespace sextant
