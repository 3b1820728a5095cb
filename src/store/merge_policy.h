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
  bool is_hasty = false;
};

// A segment is made of so many new rows at most (but of one part at least), so that none takes for ever while more
// come.
inline constexpr uint64_t kNewRowsAtOnce = 131'072;

// PARTS: segments, then flat ones and tails that are not written any more. Damaged segments come first, then new rows,
// then segments of which a tenth is dead (half, in haste), then such as have become many (in haste, of large ones very
// many), then those that were made in haste, once there is none. In a FLOOD of rows
// only damage is mended. REST: nothing else is to be done for a while, so what
// is left small is merged, too. nullopt: all is well.
enum class Pace { flood, haste, work, rest };
struct Merge {
  RowRange range;
  bool can_wait = false;  // it makes searches faster, but nothing waits for it
  bool operator==(const Merge&) const = default;
};
std::optional<Merge> next_merge(std::span<const PartSize> parts, Pace pace);

}  // namespace sextant::store
