// query/stored_points.h: the points of the embedded store.
#pragma once

#include <memory>

#include "query/points.h"
#include "store/point_store.h"

namespace sextant::query {

// A view of STORE, which it keeps alive.
std::unique_ptr<Points> stored_points(std::shared_ptr<store::PointStore> store);

}  // namespace sextant::query
