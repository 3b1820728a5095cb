// store/reading.h: what can be asked of points, and the answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/operation.h"
#include "store/payload/field_index.h"
#include "store/payload/filter.h"

namespace sextant::store {

// What to return of points.
struct Fields {
  bool payload = true;
  bool all_vectors = false;
  std::vector<std::string> vectors = {};
};

struct SearchRequest {
  std::string vector;  // its name
  // Where it has a value, that vector must be in this slot, or the search fails: invalid. A query that a model made
  // must not be compared with vectors of another.
  std::optional<uint16_t> expected_slot = std::nullopt;
  VectorValue query;
  size_t limit = 10;
  double target_recall = 0.95;
  size_t breadth = 0;  // of walks, instead of what target_recall needs
  bool exact = false;
  std::optional<Filter> filter = std::nullopt;
  std::optional<float> score_threshold = std::nullopt;  // scores that are worse are left out
  Fields fields = {};
};

struct FoundPoint {
  StoredPoint point;
  float score = 0;
};

using sextant::PartPlan;

struct SearchAnswer {
  std::vector<FoundPoint> points;  // best first; of equal scores, the smaller id
  bool exact = true;
  std::vector<PartPlan> parts;
  uint64_t payloads_read = 0;              // by the filter, where no index could answer it
  std::vector<std::string> without_index;  // paths of the filter that no index helped with
};

struct ScrollRequest {
  std::optional<PointId> from = std::nullopt;  // the first id that may be in the answer
  size_t limit = 10;
  std::optional<Filter> filter = std::nullopt;
  Fields fields = {};
};

// The points in the order of a number or moment in their payloads; those that have none are left out, and one that has
// several is there once, by the first of them in that order.
struct OrderRequest {
  KeyPath key;
  bool descending = false;
  std::optional<OrderValue> start_from = std::nullopt;
  size_t limit = 10;
  std::optional<Filter> filter = std::nullopt;
  Fields fields = {};
};

struct OrderedPoint {
  StoredPoint point;
  OrderValue value;
};

struct ScrollAnswer {
  std::vector<StoredPoint> points;  // ascending ids
  std::optional<PointId> next;      // where to go on; nothing at the end
};

}  // namespace sextant::store
