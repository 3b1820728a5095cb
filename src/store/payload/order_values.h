// store/payload/order_values.h: the numbers that a point is ordered by, of points that no index has yet.
//
// Threads: may be called from many.
#pragma once

#include <vector>

#include "store/payload/field_index.h"
#include "store/payload/payload_match.h"

namespace sextant::store {

// Whether points can be ordered by such a field.
bool has_order(const FieldSchema& schema);
// Throws invalid_argument where they cannot; nullptr: no index.
void check_order(const KeyPath& path, const FieldSchema* schema);

// As numbers, whichever of both kinds they are.
bool is_less(const OrderValue& a, const OrderValue& b);

// Ascending, each once: what FieldIndex::order() would visit the point with. None for fields that order nothing.
std::vector<OrderValue> order_values(const KeyPath& path, const FieldSchema& schema, const PointView& point);

}  // namespace sextant::store
