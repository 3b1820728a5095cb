// store/point_id.h: sextant::PointId, by the name that the store knows it by, and what hash maps need of it.
#pragma once

#include <cstddef>

#include "sextant/points.h"

namespace sextant::store {

using sextant::PointId;

struct PointIdHash {
  size_t operator()(const PointId& id) const noexcept {
    uint64_t mixed =
        (id.high() + 0x9E3779B97F4A7C15u * (1 + uint64_t{id.is_uuid()})) ^ (id.low() * 0xD6E8FEB86659FD93u);
    mixed ^= mixed >> 32;
    return static_cast<size_t>(mixed * 0xD6E8FEB86659FD93u);
  }
};

}  // namespace sextant::store
