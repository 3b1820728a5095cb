// store/payload/filter_bounds.h: a whole filter against a payload index: from what is known of each condition to what
// is known of all together.
//
// Each condition gives two sets around its truth; and and or combine them set by set, not swaps them. A condition that
// no index knows has the bounds none and all, and the rest of the filter still narrows.
#pragma once

#include <vector>

#include "store/payload/payload_index.h"

namespace sextant::store {

RowBounds evaluate_filter(const PayloadIndex& index, const Filter& filter, const RowSet& all,
                          const SegmentPoints& points);

// The rows that are in at least COUNT of some sets, which come one after the other.
class AtLeast {
 public:
  // SETS: how many will come. All are within ALL, whose rows are below END, and ALL outlives this.
  AtLeast(uint64_t count, size_t sets, const RowSet& all, uint32_t end);
  void add(RowSet set);
  // Once.
  RowSet take();

 private:
  // So many sets are kept; of more each row's number is counted, which takes memory for the rows alone.
  static constexpr size_t kKeptMax = 32;

  uint64_t missing_;  // less one for each set of everything
  const RowSet& all_;
  uint64_t everything_;
  uint32_t end_;
  std::vector<RowSet> kept_;
  std::vector<uint32_t> counts_;
};

}  // namespace sextant::store
