#include "store/column_bytes.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/random.h"

namespace sextant::store {
namespace {

TEST(ColumnBytes, AreWhatWasAppendedInMemoryAndInAFile) {
  for (const size_t rows : {size_t{0}, size_t{1}, size_t{10000}, size_t{70000}}) {
    base::TemporaryFolder folder;
    {
      ColumnBytes column(folder.path() / "column");
      base::Random random(rows);
      std::string expected, row(1536, '\0');
      for (size_t i = 0; i < rows; ++i) {
        for (size_t at = 0; at < row.size(); at += 64) row[at] = static_cast<char>(random.below(256));
        column.append(row);
        expected += row;
      }
      ColumnBytes moved = std::move(column);
      const std::span<const std::byte> bytes = moved.finish();
      ASSERT_EQ(bytes.size(), expected.size());
      EXPECT_TRUE(expected.empty() || std::memcmp(bytes.data(), expected.data(), expected.size()) == 0);
      EXPECT_EQ(std::filesystem::is_empty(folder.path()), rows < 70000) << "more than 64 MB";
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

}  // namespace
}  // namespace sextant::store
