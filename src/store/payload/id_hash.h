// store/payload/id_hash.h: the hash by which filters cut all ids into slices, the same in every version of Qdrant:
// SipHash-2-4 (Aumasson & Bernstein, 2012) with a key of zeros over a number's 8 bytes, least significant first, or a
// UUID's 16 bytes in the order of RFC 4122.
#pragma once

#include <cstdint>
#include <span>

#include "store/point_id.h"

namespace sextant::store {

uint64_t siphash24(uint64_t key0, uint64_t key1, std::span<const uint8_t> bytes);
uint64_t id_hash(const PointId& id);

}  // namespace sextant::store
