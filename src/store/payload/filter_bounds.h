// store/payload/filter_bounds.h: a whole filter against a payload index: from what is known of each condition to what
// is known of all together.
//
// Each condition gives two sets around its truth; and and or combine them set by set, not swaps them. A condition that
// no index knows has the bounds none and all, and the rest of the filter still narrows.
#pragma once

#include "store/payload/payload_index.h"

namespace sextant::store {

RowBounds evaluate_filter(const PayloadIndex& index, const Filter& filter, const RowSet& all,
                          const SegmentPoints& points);

// The rows that are in at least COUNT of the sets, all of which are within ALL, whose rows are below END.
RowSet rows_in_at_least(uint64_t count, const std::vector<RowSet>& sets, const RowSet& all, uint32_t end);

}  // namespace sextant::store
