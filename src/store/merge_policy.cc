#include "store/merge_policy.h"

#include <algorithm>
#include <bit>

namespace sextant::store {
namespace {

constexpr size_t kFanOut = 4;
constexpr size_t kFanOutInHaste = 16;  // where those of the merged one would be more than kNewRowsAtOnce
// A segment is made again once one in so many of its rows is dead.
constexpr uint64_t kDeadPart = 10, kDeadPartInHaste = 2;

uint64_t alive(const PartSize& part) { return part.rows - std::min(part.rows, part.dead); }

// Segments within a factor of four are of one level.
int level(uint64_t rows) { return (std::bit_width(rows) - 1) / 2; }

RowRange range_of(std::span<const PartSize> parts) { return {parts.front().range.begin, parts.back().range.end}; }

// How many of the first parts are to be merged because they are of like size; 0: there are not enough of them.
size_t alike_from(std::span<const PartSize> parts, Pace pace) {
  for (const size_t many : {kFanOut, kFanOutInHaste}) {
    if (many > parts.size()) return 0;
    uint64_t low = UINT64_MAX, high = 0, rows = 0;
    for (const PartSize& part : parts.first(many)) {
      low = std::min(low, alive(part));
      high = std::max(high, alive(part));
      rows += alive(part);
    }
    if (level(low) != level(high)) return 0;
    // In haste whoever takes long lets too many others wait.
    if (pace != Pace::haste || rows <= kNewRowsAtOnce || many == kFanOutInHaste) return many;
  }
  return 0;
}

}  // namespace

std::optional<Merge> next_merge(std::span<const PartSize> parts, Pace pace) {
  for (const PartSize& part : parts) {
    if (part.is_damaged) return Merge{part.range};
  }
  if (pace == Pace::flood) return std::nullopt;
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
    return Merge{range_of(parts.subspan(begin, end - begin))};
  }
  const uint64_t dead_part = pace == Pace::haste ? kDeadPartInHaste : kDeadPart;
  for (const PartSize& part : parts) {
    if (part.dead > 0 && part.dead * dead_part >= part.rows) return Merge{part.range};
  }
  // Empty ones go with a neighbour.
  for (size_t i = 0; i < parts.size() && parts.size() > 1; ++i) {
    if (alive(parts[i]) > 0) continue;
    return Merge{range_of(i == 0 ? parts.subspan(0, 2) : parts.subspan(i - 1, 2))};
  }
  for (size_t begin = 0; begin + kFanOut <= parts.size(); ++begin) {
    if (const size_t many = alike_from(parts.subspan(begin), pace); many > 0) {
      return Merge{range_of(parts.subspan(begin, many))};
    }
  }
  if (pace == Pace::rest && parts.size() > 1) {
    // While nothing else is to be done: each segment is to be larger than all after it together.
    uint64_t after = 0;
    for (size_t i = parts.size(); i-- > 0;) {
      if (after > 0 && alive(parts[i]) <= 2 * after) return Merge{range_of(parts.subspan(i)), true};
      after += alive(parts[i]);
    }
  }
  if (pace == Pace::haste) return std::nullopt;
  for (const PartSize& part : parts) {
    if (part.is_hasty) return Merge{part.range, true};
  }
  return std::nullopt;
}

}  // namespace sextant::store
