// store/merge_policy.h: which rows should be made a segment next.
//
// Parts lie in the order of their rows. Those of like size are merged once there are four of them, so that a row is
// linked again as often as the logarithm of their number to the base of four, and a collection has few segments.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sextant::store {

struct RowRange {
  uint64_t begin = 0, end = 0;
  bool operator==(const RowRange&) const = default;
};

struct PartSize {
  RowRange range;
  uint64_t rows = 0;        // that the segment holds, or the tail has
  uint64_t dead = 0;        // of them
  bool is_segment = false;  // false also for one without a graph
  bool is_damaged = false;
};

// A segment is made of so many new rows at most (but of one part at least), so that none takes for ever while more
// come.
inline constexpr uint64_t kNewRowsAtOnce = 131'072;

// PARTS: segments, then flat ones and tails that are not written any more. Damaged segments come first, then new rows,
// then segments of which a tenth is dead, then such as have become many. REST: nothing else is to be done for a while,
// so what is left small is merged, too. nullopt: all is well.
std::optional<RowRange> next_merge(std::span<const PartSize> parts, bool rest);

}  // namespace sextant::store
