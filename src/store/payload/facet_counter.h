// store/payload/facet_counter.h: how many points have each value of a key, over any number of segments and points that
// no index has yet.
//
// A point counts once for each different value that it has. Values of another kind than the field's are not counted.
// Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "store/payload/payload_index.h"
#include "store/payload/payload_match.h"

namespace sextant::store {

struct FacetCount {
  FacetValue value;
  uint64_t count = 0;
  bool operator==(const FacetCount&) const = default;
};

class FacetCounter {
 public:
  // Throws invalid_argument where no facet is counted by such a field: expected keyword, integer with lookup, bool or
  // uuid.
  FacetCounter(KeyPath path, const FieldSchema& schema);

  // INDEX has the path with the schema.
  void add(const PayloadIndex& index, const RowSet& within);
  void add(const PointView& point);
  // The most frequent values; of those as frequent the smaller ones first.
  std::vector<FacetCount> top(size_t limit) const;

 private:
  KeyPath path_;
  FieldKind kind_;
  std::map<FacetValue, uint64_t> counts_;
};

}  // namespace sextant::store
