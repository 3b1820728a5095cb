// What takes DuckDB seconds: damage of every kind, and limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/files.h"
#include "base/random.h"
#include "errors.h"
#include "io/table_file.h"
#include "io/testing_duckdb.h"

namespace sextant::io {
namespace {

using testing::HasSubstr;

class HostileTables : public testing::Test {
 protected:
  void SetUp() override { SEXTANT_NEEDS_DUCKDB(); }

  std::string put(const std::string& name, const std::string& bytes) const {
    const std::string path = (folder.path() / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string parquet(const std::string& query) const {
    const std::string path = (folder.path() / "t.parquet").string();
    write_by_duckdb(path, query);
    return path;
  }
  static uint64_t count_rows(const std::string& file, const RowOptions& options = {}) {
    TableReader reader(file, options);
    uint64_t count = 0;
    for (Row row; reader.next(row);) ++count;
    return count;
  }
  static std::string error(const std::string& file, const RowOptions& options = {}) {
    return tests::error_of([&] { count_rows(file, options); });
  }

  base::TemporaryFolder folder;
};

TEST_F(HostileTables, ALimitOfMemoryIsAnErrorAndNotACrash) {
  // A row group of one row that does not fit.
  const std::string file = parquet("SELECT repeat('x', 200000000) AS a");
  EXPECT_THAT(error(file, {.memory_bytes_max = uint64_t{64} << 20}), HasSubstr("exhausted: " + file));
  EXPECT_THAT(error(file, {.row_bytes_max = 1000}), HasSubstr("exhausted: " + file));
}

TEST_F(HostileTables, AParquetThatIsCutShortOrDamagedIsAnErrorOrTheRowsItPromises) {
  const std::string whole = base::read_file(parquet(
      "SELECT i AS id, 'text ' || (i % 50) AS text, [i, i + 1, 7]::FLOAT[] AS vector, {'a': [i], 'b': NULL} AS s, "
      "map{'k': i} AS m, i::DECIMAL(20,3) AS d, (i || '')::BLOB AS bl FROM range(3000) t(i)"));
  for (size_t keep = 0; keep < whole.size(); keep += whole.size() / 40 + 1) {
    EXPECT_THAT(error(put("cut.parquet", whole.substr(0, keep))), HasSubstr("cut.parquet: ")) << keep;
  }
  base::Random random(5);
  size_t refused = 0;
  for (int round = 0; round < 150; ++round) {
    std::string bytes = whole;
    // Half of the damage goes to the description at the end, where it hurts most.
    const size_t from = round % 2 == 0 ? 0 : bytes.size() - std::min<size_t>(bytes.size(), 1500);
    for (size_t flips = 1 + random.below(3); flips > 0; --flips) {
      bytes[from + random.below(bytes.size() - from)] ^= static_cast<char>(1u << random.below(8));
    }
    const std::string file = put("damaged.parquet", bytes);
    try {
      EXPECT_EQ(count_rows(file, {.memory_bytes_max = uint64_t{128} << 20}), 3000u) << "round " << round;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("damaged.parquet: "));
      ++refused;
    }
  }
  EXPECT_GT(refused, 50u);
}

}  // namespace
}  // namespace sextant::io
