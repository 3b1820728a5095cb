#include "io/csv.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "base/random.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

using Record = std::vector<std::string>;
using Records = std::vector<Record>;

class Csv : public testing::Test {
 protected:
  std::string put(const std::string& bytes, const char* name = "a.csv") {
    std::string path = (folder.path() / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  Records read(const std::string& bytes, CsvOptions options = {.header = false}) {
    CsvReader reader(put(bytes), options);
    Records out;
    while (reader.next()) out.emplace_back(reader.fields().begin(), reader.fields().end());
    return out;
  }
  void expect_error(const std::string& bytes, ErrorCode code, const std::string& part,
                    CsvOptions options = {.header = false}) {
    try {
      read(bytes, options);
      ADD_FAILURE() << "accepted: " << bytes.substr(0, 60);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
  base::TemporaryFolder folder;
};

TEST_F(Csv, FieldsMayHoldDelimitersLineEndsAndQuotes) {
  EXPECT_EQ(read("a,b\n\"x,\"\"y\"\"\",\"1\r\n2\"\r\n,\n"), (Records{{"a", "b"}, {"x,\"y\"", "1\r\n2"}, {"", ""}}));
  EXPECT_EQ(read("in\"side,b\"\n"), (Records{{"in\"side", "b\""}}));
  EXPECT_EQ(read("a\n\"\"\nb"), (Records{{"a"}, {""}, {"b"}}));
  EXPECT_EQ(read("\"ends with cr\r\"\n"), (Records{{"ends with cr\r"}}));
  EXPECT_EQ(read("a,b\r"), (Records{{"a", "b"}}));
}

TEST_F(Csv, EmptyLinesAndTheByteOrderMarkAreSkipped) {
  EXPECT_EQ(read("\xEF\xBB\xBF\"a\",b\n\n\r\nc,d\n\n"), (Records{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(read(""), Records{});
  EXPECT_EQ(read("\xEF\xBB\xBF"), Records{});
  EXPECT_EQ(read("\n\n\r\n"), Records{});
}

TEST_F(Csv, ColumnsAreFoundByNameThenByNumber) {
  CsvReader reader(put("id\ttext\t0\n1\t\"a\tb\"\tx\n", "a.tsv"));
  EXPECT_EQ(reader.column("text"), 1u);
  EXPECT_EQ(reader.column("0"), 2u) << "a name wins over a number";
  EXPECT_EQ(reader.column("1"), 1u);
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.fields()[1], "a\tb");
  EXPECT_EQ(reader.line_number(), 2u);
  try {
    reader.column("title");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("id, text, 0"), std::string::npos) << error.what();
  }
}

TEST_F(Csv, QuotesAreOrdinaryWhereTheyAreTurnedOff) {
  EXPECT_EQ(read("\"a,b\n\"\"c,d\"\n", {.header = false, .quotes = false}), (Records{{"\"a", "b"}, {"\"\"c", "d\""}}));
}

TEST_F(Csv, ErrorsNameTheLine) {
  expect_error("a,b\n\"never closed,\n\n\nx", ErrorCode::corrupted, "line 2: a quote opened here is never closed");
  expect_error("a,b\n\"x\ny\"z,1\n", ErrorCode::corrupted, "line 3: text follows a closing quote");
  expect_error("a,b\n\"x\"\r,1\n", ErrorCode::corrupted, "line 2: text follows");
  expect_error("a,b\n\"x\"y\"z\",1\n", ErrorCode::corrupted, "line 2: text follows");
  expect_error("a,b\n\n1\n", ErrorCode::corrupted, "line 3: has 1 fields, the first record has 2");
  expect_error("a,b\n1,2,3\n", ErrorCode::corrupted, "line 2: has more than 2 fields");
}

TEST_F(Csv, AQuoteThatIsNeverClosedDoesNotFillMemory) {
  std::string big = "a\n\"";
  big += std::string(3 << 20, 'x');
  expect_error(big, ErrorCode::exhausted, "a quote opened in line 2 is not closed yet",
               {.header = false, .record_bytes_max = 1 << 20});
  expect_error(std::string(3 << 20, ','), ErrorCode::corrupted, "has more than 65536 fields");
}

TEST_F(Csv, WhatIsWrittenIsReadBack) {
  base::Random random(7);
  const std::string alphabet = "ab,\"\n\r\t ;";
  Records expected;
  for (int i = 0; i < 3000; ++i) {
    Record record(3);
    for (std::string& field : record) {
      for (size_t n = random.below(9); n > 0; --n) field += alphabet[random.below(alphabet.size())];
    }
    expected.push_back(record);
  }
  for (char delimiter : {',', '\t', ';'}) {
    std::string path = (folder.path() / "w.csv").string();
    CsvWriter writer(path, delimiter);
    for (const Record& record : expected) {
      std::vector<std::string_view> fields(record.begin(), record.end());
      writer.write(fields);
    }
    writer.finish();
    CsvReader reader(path, {.delimiter = delimiter, .header = false});
    for (const Record& record : expected) {
      ASSERT_TRUE(reader.next());
      ASSERT_EQ(Record(reader.fields().begin(), reader.fields().end()), record) << "seed 7";
    }
    EXPECT_FALSE(reader.next());
  }
}

TEST_F(Csv, RecordsAcrossBufferEndsAreWhole) {
  // The buffer is 128 KiB; quotes and line ends fall on every position around its end.
  for (size_t pad = 131060; pad < 131080; ++pad) {
    std::string bytes = std::string(pad, 'p') + ",\"a\"\"b\"\r\n\"\",\"\"\"\"\r\n";
    EXPECT_EQ(read(bytes), (Records{{std::string(pad, 'p'), "a\"b"}, {"", "\""}})) << pad;
  }
}

}  // namespace
}  // namespace sextant::io
