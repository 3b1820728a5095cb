#include "store/merge_policy.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace sextant::store {
namespace {

PartSize segment(uint64_t begin, uint64_t rows, uint64_t dead = 0) {
  return {{begin, begin + rows}, rows, dead, true, false, false};
}
PartSize tail(uint64_t begin, uint64_t rows) { return {{begin, begin + rows}, rows, 0, false, false, false}; }

TEST(MergePolicies, LeaveWellAlone) {
  EXPECT_EQ(next_merge({}, Pace::rest), std::nullopt);
  const PartSize parts[] = {segment(0, 100'000), segment(100'000, 10'000)};
  EXPECT_EQ(next_merge(parts, Pace::work), std::nullopt);
}

TEST(MergePolicies, MendDamageBeforeAnythingElse) {
  PartSize parts[] = {segment(0, 100), segment(100, 100), tail(200, 100)};
  parts[0].is_damaged = true;
  EXPECT_EQ(next_merge(parts, Pace::work), (Merge{{0, 100}}));
  EXPECT_EQ(next_merge(parts, Pace::flood), (Merge{{0, 100}}));
}

TEST(MergePolicies, MakeSegmentsOfNewRowsWithTheSmallOnesBeforeThem) {
  const PartSize small[] = {segment(0, 100'000), segment(100'000, 10), tail(100'010, 8000)};
  EXPECT_EQ(next_merge(small, Pace::work), (Merge{{100'000, 108'010}}));
  const PartSize alike[] = {segment(0, 8000), tail(8000, 8000)};
  EXPECT_EQ(next_merge(alike, Pace::work), (Merge{{8000, 16'000}}));
}

TEST(MergePolicies, TakeNewRowsInPortions) {
  std::vector<PartSize> parts;
  for (uint64_t i = 0; i < 40; ++i) parts.push_back(tail(i * 8192, 8192));
  EXPECT_EQ(next_merge(parts, Pace::work), (Merge{{0, kNewRowsAtOnce}}));
  const PartSize huge[] = {tail(0, 10 * kNewRowsAtOnce), tail(10 * kNewRowsAtOnce, 5)};
  EXPECT_EQ(next_merge(huge, Pace::work), (Merge{{0, 10 * kNewRowsAtOnce}}));
}

TEST(MergePolicies, RewriteWhatIsDeadToATenth) {
  const PartSize parts[] = {segment(0, 1000, 99), segment(1000, 100, 10)};
  EXPECT_EQ(next_merge(parts, Pace::work), (Merge{{1000, 1100}}));
  EXPECT_EQ(next_merge(parts, Pace::haste), std::nullopt);
  const PartSize half[] = {segment(0, 1000, 499), segment(1000, 100, 50)};
  EXPECT_EQ(next_merge(half, Pace::haste), (Merge{{1000, 1100}}));
}

TEST(MergePolicies, MergeFourOfASize) {
  const PartSize parts[] = {segment(0, 100'000), segment(100'000, 8000), segment(108'000, 8100), segment(116'100, 8050),
                            segment(124'150, 8192)};
  EXPECT_EQ(next_merge(parts, Pace::work), (Merge{{100'000, 132'342}}));
}

TEST(MergePolicies, PutLargeOnesOffInHaste) {
  std::vector<PartSize> parts;
  for (uint64_t i = 0; i < 15; ++i) parts.push_back(segment(i * 100'000, 100'000));
  EXPECT_EQ(next_merge(parts, Pace::work), (Merge{{0, 400'000}}));
  EXPECT_EQ(next_merge(parts, Pace::haste), std::nullopt);
  parts.push_back(segment(1'500'000, 100'000));
  EXPECT_EQ(next_merge(parts, Pace::haste), (Merge{{0, 1'600'000}}));
  const PartSize small[] = {segment(0, 8000), segment(8000, 8000), segment(16'000, 8000), segment(24'000, 8000)};
  EXPECT_EQ(next_merge(small, Pace::haste), (Merge{{0, 32'000}}));
}

TEST(MergePolicies, MergeSmallOnesWhenTheyRest) {
  const PartSize parts[] = {segment(0, 100'000), segment(100'000, 9000), segment(109'000, 8000)};
  EXPECT_EQ(next_merge(parts, Pace::work), std::nullopt);
  EXPECT_EQ(next_merge(parts, Pace::rest), (Merge{{100'000, 117'000}, true}));
}

TEST(MergePolicies, MakeAnewWhatWasMadeInHasteOnceThereIsNoMore) {
  PartSize parts[] = {segment(0, 100'000), segment(100'000, 9000), segment(109'000, 8000)};
  parts[1].is_hasty = parts[2].is_hasty = true;
  EXPECT_EQ(next_merge(parts, Pace::haste), std::nullopt);
  EXPECT_EQ(next_merge(parts, Pace::work), (Merge{{100'000, 109'000}, true}));
  // Merged at once, where they would be.
  EXPECT_EQ(next_merge(parts, Pace::rest), (Merge{{100'000, 117'000}, true}));
  // New rows do not wait for it.
  const PartSize fresh[] = {parts[0], parts[1], tail(109'000, 8000)};
  EXPECT_EQ(next_merge(fresh, Pace::work), (Merge{{109'000, 117'000}}));
  EXPECT_EQ(next_merge(fresh, Pace::flood), std::nullopt);
}

// Whatever comes, merging ends, nothing is lost, and few segments are left.
TEST(MergePolicies, ComeToRest) {
  std::vector<PartSize> parts;
  uint64_t next = 0, relinked = 0;
  for (size_t step = 0; step < 500; ++step) {
    parts.push_back(tail(next, 8192));
    next += 8192;
    size_t rounds = 0;
    while (const auto merge = next_merge(parts, step == 499 ? Pace::rest : Pace::work)) {
      const RowRange* range = &merge->range;
      ASSERT_LT(++rounds, 100u);
      const auto inside = [&](const PartSize& part) {
        return part.range.begin >= range->begin && part.range.end <= range->end;
      };
      const auto first = std::find_if(parts.begin(), parts.end(), inside);
      PartSize merged{*range, 0, 0, true, false, false};
      for (const PartSize& part : parts) merged.rows += inside(part) ? part.rows : 0;
      ASSERT_EQ(merged.rows, range->end - range->begin);
      relinked += merged.rows;
      *first = merged;
      parts.erase(std::remove_if(first + 1, parts.end(), inside), parts.end());
    }
  }
  EXPECT_EQ(parts.front().range.begin, 0u);
  EXPECT_EQ(parts.back().range.end, next);
  EXPECT_LE(parts.size(), 10u);
  EXPECT_LE(relinked, 10 * next);
}

}  // namespace
}  // namespace sextant::store
