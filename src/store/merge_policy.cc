#include "store/merge_policy.h"

#include <algorithm>
#include <bit>

namespace sextant::store {
namespace {

constexpr size_t kFanOut = 4;

uint64_t alive(const PartSize& part) { return part.rows - std::min(part.rows, part.dead); }

// Segments within a factor of four are of one level.
int level(uint64_t rows) { return (std::bit_width(rows) - 1) / 2; }

RowRange range_of(std::span<const PartSize> parts) { return {parts.front().range.begin, parts.back().range.end}; }

}  // namespace

std::optional<RowRange> next_merge(std::span<const PartSize> parts, bool rest) {
  for (const PartSize& part : parts) {
    if (part.is_damaged) return part.range;
  }
  const auto tails = static_cast<size_t>(
      std::find_if(parts.begin(), parts.end(), [](const PartSize& part) { return !part.is_segment; }) - parts.begin());
  if (tails < parts.size()) {
    size_t end = tails;
    uint64_t rows = 0;
    while (end < parts.size() && (end == tails || rows + alive(parts[end]) <= kNewRowsAtOnce))
      rows += alive(parts[end++]);
    // Segments of a level below that of the new one would be left behind it.
    size_t begin = tails;
    while (begin > 0 && level(alive(parts[begin - 1]) + 1) < level(rows + 1)) rows += alive(parts[--begin]);
    return range_of(parts.subspan(begin, end - begin));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].dead * 10 < parts[i].rows || parts[i].dead == 0) continue;
    return parts[i].range;
  }
  // Empty ones go with a neighbour.
  for (size_t i = 0; i < parts.size() && parts.size() > 1; ++i) {
    if (alive(parts[i]) > 0) continue;
    return range_of(i == 0 ? parts.subspan(0, 2) : parts.subspan(i - 1, 2));
  }
  for (size_t begin = 0; begin + kFanOut <= parts.size(); ++begin) {
    const auto group = parts.subspan(begin, kFanOut);
    uint64_t low = UINT64_MAX, high = 0;
    for (const PartSize& part : group) {
      low = std::min(low, alive(part));
      high = std::max(high, alive(part));
    }
    if (level(low) == level(high)) return range_of(group);
  }
  if (rest && parts.size() > 1) {
    // While nothing else is to be done: each segment is to be larger than all after it together.
    uint64_t after = 0;
    for (size_t i = parts.size(); i-- > 0;) {
      if (after > 0 && alive(parts[i]) <= 2 * after) return range_of(parts.subspan(i));
      after += alive(parts[i]);
    }
  }
  return std::nullopt;
}

}  // namespace sextant::store
