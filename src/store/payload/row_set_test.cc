#include "store/payload/row_set.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "base/random.h"

namespace sextant::store {
namespace {

constexpr uint32_t kEnd = 300'000;

// Sparse rows, dense rows and runs, in different parts.
std::set<uint32_t> any_rows(base::Random& random) {
  std::set<uint32_t> out;
  for (uint32_t part = 0; part < 5; ++part) {
    const uint32_t first = part * 65'536, end = std::min(kEnd, first + 65'536);
    switch (random.below(4)) {
      case 0:
        break;
      case 1:
        for (uint64_t i = random.below(50); i > 0; --i)
          out.insert(first + static_cast<uint32_t>(random.below(end - first)));
        break;
      case 2:
        for (uint32_t row = first; row < end; row += 1 + static_cast<uint32_t>(random.below(12))) out.insert(row);
        break;
      case 3:
        for (uint32_t row = first; row < end; row += 3000) {
          for (uint32_t i = 0; i < 700 && row + i < end; ++i) out.insert(row + i);
        }
        break;
    }
  }
  return out;
}

std::vector<uint32_t> sorted(const std::set<uint32_t>& rows) { return {rows.begin(), rows.end()}; }

std::vector<uint64_t> words_of(const std::set<uint32_t>& rows) {
  std::vector<uint64_t> words(kEnd / 64 + 1);
  for (const uint32_t row : rows) words[row / 64] |= uint64_t{1} << (row % 64);
  return words;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(RowSets, AreMadeFromListsBitsRangesAndUnions) {
  base::Random random(11);
  for (int i = 0; i < 30; ++i) {
    const std::set<uint32_t> rows = any_rows(random);
    const RowSet set = RowSet::of_sorted(sorted(rows));
    ASSERT_EQ(set.rows(), sorted(rows));
    ASSERT_EQ(set.count(), rows.size());
    ASSERT_EQ(RowSet::of_words(words_of(rows)), set);
    ASSERT_EQ(RowSet::read(bytes_of(set.bytes()), kEnd), set);
    std::vector<uint64_t> words(kEnd / 64 + 1);
    set.or_into(words);
    ASSERT_EQ(words, words_of(rows));
    std::vector<uint64_t> short_words(1000);
    set.or_into(short_words);
    ASSERT_TRUE(std::equal(short_words.begin(), short_words.end(), words.begin()));
    RowUnion rows_union(kEnd);
    std::vector<uint32_t> shuffled = sorted(rows);
    random.shuffle(shuffled);
    for (const uint32_t row : shuffled) rows_union.add(row);
    rows_union.add(RowSet::range(5, 9));
    ASSERT_EQ(rows_union.take(), set | RowSet::range(5, 9));
    std::vector<uint32_t> visited;
    set.for_each([&](uint32_t row) { visited.push_back(row); });
    ASSERT_EQ(visited, sorted(rows));
  }
  EXPECT_EQ(RowSet::range(3, 6).rows(), (std::vector<uint32_t>{3, 4, 5}));
  EXPECT_TRUE(RowSet::range(6, 3).empty());
  EXPECT_EQ(RowSet::range(UINT32_MAX, UINT32_MAX).count(), 0u);
}

TEST(RowSets, CombineAsSetsDo) {
  base::Random random(12);
  for (int i = 0; i < 20; ++i) {
    const std::set<uint32_t> a = any_rows(random), b = any_rows(random);
    RowSet x = RowSet::of_sorted(sorted(a));
    const RowSet y = RowSet::of_sorted(sorted(b));
    std::vector<uint32_t> expected;
    std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(expected));
    ASSERT_EQ((x | y).rows(), expected);
    expected.clear();
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(expected));
    ASSERT_EQ((x & y).rows(), expected);
    ASSERT_EQ(x.count_and(y), expected.size());
    expected.clear();
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(expected));
    ASSERT_EQ((x - y).rows(), expected);
    ASSERT_EQ(x.contains(7), a.contains(7));
    // One and the same set.
    const RowSet& same = x;
    x &= same;
    x |= same;
    ASSERT_EQ(x.rows(), sorted(a));
    x -= same;
    ASSERT_TRUE(x.empty());
  }
}

TEST(RowSets, AreNotReadFromBytesThatAreNone) {
  base::Random random(13);
  std::set<uint32_t> small = {1, 5, 70'000};
  for (uint32_t i = 0; i < 100; ++i) small.insert(200'000 + i);
  const std::string good = RowSet::of_sorted(sorted(small)).bytes();
  ASSERT_TRUE(RowSet::read(bytes_of(good), kEnd));
  EXPECT_FALSE(RowSet::read(bytes_of(good), 200'099));
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(RowSet::read(bytes_of(good.substr(0, size)), kEnd));
  EXPECT_FALSE(RowSet::read(bytes_of(good + 'x'), kEnd));
  // One row twice.
  std::string twice = RowSet::of_sorted(std::vector<uint32_t>{3, 9}).bytes();
  ASSERT_EQ(twice[twice.size() - 2], 9);
  twice[twice.size() - 2] = 3;
  EXPECT_FALSE(RowSet::read(bytes_of(twice), kEnd));
  const std::string large = RowSet::of_sorted(sorted(any_rows(random))).bytes();
  size_t read = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string bad = i % 2 == 0 ? good : large;
    // The heads are where most goes wrong.
    for (uint64_t j = 1 + random.below(3); j > 0; --j) {
      bad[random.below(random.below(2) == 0 ? std::min<size_t>(bad.size(), 64) : bad.size())] =
          static_cast<char>(random.next());
    }
    const std::optional<RowSet> set = RowSet::read(bytes_of(bad), kEnd);
    if (!set) continue;
    ++read;
    // Still a set as any other.
    const std::vector<uint32_t> rows = set->rows();
    ASSERT_EQ(rows.size(), set->count());
    ASSERT_TRUE(std::is_sorted(rows.begin(), rows.end()));
    ASSERT_TRUE(rows.empty() || rows.back() < kEnd);
    ASSERT_EQ((*set | RowSet::range(0, kEnd)).count(), kEnd);
    ASSERT_EQ(RowSet::of_sorted(rows), *set);
  }
  EXPECT_GT(read, 0u);
}

}  // namespace
}  // namespace sextant::store
