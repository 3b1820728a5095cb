#include "io/table_writer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/random.h"
#include "errors.h"
#include "io/table_file.h"
#include "io/testing_duckdb.h"

namespace sextant::io {
namespace {

using testing::HasSubstr;
using tests::error_of;

class Sinks : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }

  static std::vector<Row> some_rows(size_t count, size_t dim) {
    base::Random random(3);
    std::vector<Row> rows(count);
    for (size_t i = 0; i < count; ++i) {
      Row& row = rows[i];
      row.number = i;
      if (i % 7 != 6) row.id = i % 2 == 0 ? std::to_string(i) : fmt::format("name \"{}\"", i);
      if (i % 5 != 4) row.text = fmt::format("a text \xC3\xA9 of row {}\n", i);
      row.payload_json = i % 3 == 0 ? "{}" : fmt::format(R"({{"n":{},"list":[1,{{"a":null}}]}})", i);
      for (size_t d = 0; d < dim; ++d) row.vector.push_back(static_cast<float>(random.below(2000)) / 7.0f - 100.0f);
    }
    return rows;
  }

  void write(const std::string& name, const std::vector<Row>& rows, size_t dim, const SinkOptions& options = {}) const {
    auto sink = open_sink(path(name), dim, options);
    for (const Row& row : rows) sink->write(row);
    EXPECT_EQ(sink->row_count(), rows.size());
    sink->finish();
  }

  void expect_rows(const std::string& name, const std::vector<Row>& expected) const {
    auto source = open_rows(path(name));
    Row row;
    for (const Row& wanted : expected) {
      ASSERT_TRUE(source->next(row)) << name;
      ASSERT_EQ(row.number, wanted.number);
      ASSERT_EQ(row.id, wanted.id);
      ASSERT_EQ(row.text, wanted.text);
      ASSERT_EQ(row.payload_json, wanted.payload_json);
      ASSERT_EQ(row.vector, wanted.vector);
    }
    EXPECT_FALSE(source->next(row));
  }

  // Files of the folder, so that none is left behind.
  size_t file_count() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++count;
    return count;
  }

  base::TemporaryFolder folder;
};

TEST_F(Sinks, OfJsonLinesAreReadBackAsTheyWere) {
  const std::vector<Row> rows = some_rows(500, 5);
  write("t.jsonl", rows, 5);
  expect_rows("t.jsonl", rows);
  std::ifstream file(path("t.jsonl"));
  std::string line;
  std::getline(file, line);
  EXPECT_THAT(line, testing::StartsWith("{\"id\":0,\"text\":\"a text \xC3\xA9 of row 0\\n\",\"vector\":["));
}

TEST_F(Sinks, OfVectorsKeepVectorsAlone) {
  std::vector<Row> rows = some_rows(300, 4);
  EXPECT_EQ(open_sink(path("t.npy"), 4)->leaves_out(), "ids, texts and payloads");
  write("t.npy", rows, 4);
  write("t.fbin", rows, 4);
  for (Row& row : rows)
    row = {.id = std::to_string(row.number), .payload_json = "{}", .vector = row.vector, .number = row.number};
  expect_rows("t.npy", rows);
  expect_rows("t.fbin", rows);
}

TEST_F(Sinks, OfParquetAreReadBackAsTheyWere) {
  SEXTANT_NEEDS_DUCKDB();
  // Fewer rows than a chunk, exactly one, more; and none.
  for (size_t count : {size_t{0}, size_t{1}, size_t{2048}, size_t{5000}}) {
    const std::vector<Row> rows = some_rows(count, 6);
    write("t.parquet", rows, 6);
    expect_rows("t.parquet", rows);
  }
  TableReader reader(path("t.parquet"), {});
  ASSERT_EQ(reader.columns().size(), 4u);
  EXPECT_EQ(reader.columns()[0].type, "text");
  EXPECT_EQ(reader.columns()[2].type, "JSON");
  EXPECT_EQ(reader.columns()[3].type, "list of float32");
}

TEST_F(Sinks, OfParquetHaveTheColumnsThatAreWanted) {
  SEXTANT_NEEDS_DUCKDB();
  std::vector<Row> rows(3);
  for (size_t i = 0; i < 3; ++i) {
    rows[i] = {.id = std::to_string(i * 10), .payload_json = "{}", .vector = {}, .number = i};
  }
  write("t.parquet", rows, 0, {.has_text = false, .has_payload = false, .numeric_ids = true});
  expect_rows("t.parquet", rows);
  TableReader reader(path("t.parquet"), {});
  ASSERT_EQ(reader.columns().size(), 1u);
  EXPECT_EQ(reader.columns()[0].type, "uint64");
}

TEST_F(Sinks, OfParquetTakeNamesWithQuotesAndVectorsOfAnyWidth) {
  SEXTANT_NEEDS_DUCKDB();
  const std::vector<Row> rows = some_rows(150, 20000);
  write("it's \"wide\" [1]*.parquet", rows, 20000);
  expect_rows("it's \"wide\" [1]*.parquet", rows);
}

TEST_F(Sinks, ThatAreNotFinishedLeaveNothing) {
  const std::vector<Row> rows = some_rows(5000, 3);
  for (const char* name : {"t.jsonl", "t.npy", "t.fbin", "t.parquet"}) {
    if (std::string(name) == "t.parquet" && !has_duckdb()) continue;
    {
      auto sink = open_sink(path(name), 3);
      for (const Row& row : rows) sink->write(row);
    }
    EXPECT_EQ(file_count(), 0u) << name;
    { auto untouched = open_sink(path(name), 3); }
    EXPECT_EQ(file_count(), 0u) << name;
  }
}

TEST_F(Sinks, RefuseWhatDoesNotFit) {
  auto sink = open_sink(path("t.jsonl"), 3);
  EXPECT_EQ(error_of([&] {
              sink->write({.vector = {1, 2}});
            }),
            "invalid_argument: " + path("t.jsonl") + ": row 0: its vector has 2 numbers, expected 3");
  EXPECT_EQ(
      error_of([&] { open_sink("t.xls", 3); }),
      "invalid_argument: output 't.xls' has an unknown ending, expected .parquet, .jsonl, .ndjson, .npy or .fbin");
  EXPECT_THAT(error_of([&] { open_sink(path("t.npy"), 0); }), HasSubstr("holds vectors, and these rows have none"));
  EXPECT_THAT(error_of([&] { open_sink(path("none/t.jsonl"), 1); }), HasSubstr("not_found: "));
  SEXTANT_NEEDS_DUCKDB();
  EXPECT_THAT(error_of([&] { open_sink(path("none/t.parquet"), 1); }), HasSubstr("not_found: "));
  auto numbers = open_sink(path("t.parquet"), 0, {.numeric_ids = true});
  EXPECT_EQ(error_of([&] { numbers->write({.id = "x", .payload_json = "{}"}); }),
            "invalid_argument: " + path("t.parquet") + ": row 0: id 'x' is not an unsigned integer");
  // What is no JSON is found by DuckDB, at the latest at the end.
  auto broken = open_sink(path("b.parquet"), 0);
  EXPECT_THAT(error_of([&] {
                broken->write({.payload_json = "{\"a\": "});
                broken->finish();
              }),
              HasSubstr("b.parquet: "));
}

// A file that may not grow stands for a disk that is full.
TEST_F(Sinks, ThatCannotGrowAreAnErrorAndLeaveNothing) {
  const std::vector<Row> rows = some_rows(20000, 64);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{.rlim_cur = rlim_t{1} << 20, .rlim_max = before.rlim_max};
  ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::vector<std::string> messages;
  for (const char* name : {"t.jsonl", "t.npy", "t.fbin", "t.parquet"}) {
    if (std::string(name) == "t.parquet" && !has_duckdb()) continue;
    messages.push_back(error_of([&] {
      auto sink = open_sink(path(name), 64);
      for (const Row& row : rows) sink->write(row);
      sink->finish();
    }));
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  for (const std::string& message : messages) EXPECT_THAT(message, HasSubstr("File too large")) << message;
  if (has_duckdb()) {
    EXPECT_THAT(messages.back(), testing::StartsWith("exhausted: " + path("t.parquet") + ": "));
  }
  EXPECT_EQ(file_count(), 0u);
}

}  // namespace
}  // namespace sextant::io
