#include "text/double_array.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/random.h"

namespace sextant::text {
namespace {

TEST(DoubleArray, FindsWhatIsInItAndNothingElse) {
  base::Random random(3);
  for (size_t count : {1, 2, 10, 500, 20000}) {
    std::map<std::string, uint32_t> expected;
    for (size_t i = 0; i < count; ++i) {
      std::string key;
      // A few letters and any byte: long shared prefixes and wide nodes.
      for (size_t k = 0; k <= random.below(8); ++k) {
        key += random.below(4) == 0 ? static_cast<char>(random.next()) : static_cast<char>('a' + random.below(3));
      }
      expected[key] = static_cast<uint32_t>(random.below(1 << 24));
    }
    std::vector<std::pair<std::string_view, uint32_t>> entries(expected.begin(), expected.end());
    DoubleArray trie(entries);
    for (const auto& [key, value] : expected) ASSERT_EQ(trie.find(key), static_cast<int32_t>(value));
    for (int i = 0; i < 20000; ++i) {
      std::string key;
      for (size_t k = 0; k <= random.below(9); ++k) {
        key += random.below(4) == 0 ? static_cast<char>(random.next()) : static_cast<char>('a' + random.below(3));
      }
      auto found = expected.find(key);
      ASSERT_EQ(trie.find(key), found == expected.end() ? -1 : static_cast<int32_t>(found->second));
    }
  }
}

TEST(DoubleArray, WithoutKeysHasNothing) {
  DoubleArray trie;
  EXPECT_TRUE(trie.empty());
  EXPECT_EQ(DoubleArray(std::vector<std::pair<std::string_view, uint32_t>>()).find("a"), -1);
}

}  // namespace
}  // namespace sextant::text
