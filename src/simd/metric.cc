#include "sextant/metric.h"

#include <fmt/format.h>

#include "sextant/error.h"

namespace sextant {

Metric parse_metric(std::string_view text) {
  if (text == "cosine") return Metric::cosine;
  if (text == "dot" || text == "ip") return Metric::dot;
  if (text == "l2" || text == "euclidean") return Metric::l2;
  if (text == "l1" || text == "manhattan") return Metric::l1;
  if (text == "hamming") return Metric::hamming;
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("metric '{}' is unknown; expected cosine, dot (ip), l2 (euclidean), l1 (manhattan) or hamming",
                  text));
}

std::string_view name(Metric metric) {
  switch (metric) {
    case Metric::cosine:
      return "cosine";
    case Metric::dot:
      return "dot";
    case Metric::l2:
      return "l2";
    case Metric::l1:
      return "l1";
    case Metric::hamming:
      return "hamming";
  }
  return "unknown";
}

}  // namespace sextant
