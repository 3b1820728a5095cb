#include "io/table_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "errors.h"
#include "io/duck_value.h"
#include "io/testing_duckdb.h"

namespace sextant::io {
namespace {

using testing::HasSubstr;
using tests::error_of;

uint64_t resident_bytes() {
  uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

class Tables : public testing::Test {
 protected:
  void SetUp() override { SEXTANT_NEEDS_DUCKDB(); }

  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  std::string parquet(const std::string& query, const std::string& name = "t.parquet") const {
    write_by_duckdb(path(name), query);
    return path(name);
  }
  static std::vector<Row> rows_of(const std::string& file, const RowOptions& options = {}) {
    TableReader reader(file, options);
    std::vector<Row> rows;
    for (Row row; reader.next(row);) rows.push_back(row);
    return rows;
  }
  // The payload of a file's one row.
  std::string payload(const std::string& query) const {
    std::vector<Row> rows = rows_of(parquet(query));
    EXPECT_EQ(rows.size(), 1u);
    return rows.empty() ? "" : rows[0].payload_json;
  }
  static std::string error(const std::string& file, const RowOptions& options = {}) {
    return error_of([&] { rows_of(file, options); });
  }

  base::TemporaryFolder folder;
};

TEST_F(Tables, GiveIdTextVectorAndPayloadByTheirNames) {
  std::vector<Row> rows =
      rows_of(parquet("SELECT i + 10 AS id, 'text ' || i AS text, [i, i / 2]::FLOAT[] AS vector, "
                      "i * 2 AS price, i = 1 AS sold FROM range(3) t(i)"));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].id, "11");
  EXPECT_EQ(rows[1].text, "text 1");
  EXPECT_EQ(rows[1].vector, (std::vector<float>{1, 0.5f}));
  EXPECT_EQ(rows[1].payload_json, R"({"price":2,"sold":true})");
  EXPECT_EQ(rows[2].number, 2u);
}

TEST_F(Tables, TakeTheColumnsThatTheOptionsName) {
  const std::string file = parquet(
      "SELECT uuid '0b4c5d6e-0000-4000-8000-00000000abcd' AS key, 'b' AS body, [1, 2]::TINYINT[2] AS v, "
      "[3.0, 4.0]::DOUBLE[] AS vector, 5 AS id, 6 AS price");
  std::vector<Row> rows = rows_of(file, {.id_column = "key", .text_column = "body", .vector_column = "v"});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].id, "0b4c5d6e-0000-4000-8000-00000000abcd");
  EXPECT_EQ(rows[0].text, "b");
  EXPECT_EQ(rows[0].vector, (std::vector<float>{1, 2}));
  EXPECT_EQ(rows[0].payload_json, R"({"vector":[3,4],"id":5,"price":6})");
  rows = rows_of(file, {.id_column = "", .vector_column = "", .payload_fields = {"price", "id"}});
  EXPECT_EQ(rows[0].id, std::nullopt);
  EXPECT_TRUE(rows[0].vector.empty());
  EXPECT_EQ(rows[0].payload_json, R"({"id":5,"price":6})");
  EXPECT_EQ(error(file, {.id_column = "kee"}),
            "invalid_argument: " + file + ": has no column 'kee', expected one of: key, body, v, vector, id, price");
  EXPECT_EQ(error(file, {.id_column = "v"}),
            "invalid_argument: " + file + ": column 'v' is list of int8, expected an integer, a UUID or text");
  EXPECT_EQ(error(file, {.vector_column = "price"}),
            "invalid_argument: " + file + ": column 'price' is int32, expected a list of numbers");
}

TEST_F(Tables, TellTheirColumnsAndHowManyRowsThereAre) {
  TableReader reader(parquet("SELECT i::UBIGINT AS id, [1.0]::FLOAT[] AS vector, {'a': 1} AS s FROM range(5000) t(i)"),
                     {});
  ASSERT_EQ(reader.columns().size(), 3u);
  EXPECT_EQ(reader.columns()[0].name, "id");
  EXPECT_EQ(reader.columns()[0].type, "uint64");
  EXPECT_EQ(reader.columns()[1].type, "list of float32");
  EXPECT_EQ(reader.columns()[2].type, "structure");
  EXPECT_EQ(reader.row_count(), 5000u);
  Row row;
  ASSERT_TRUE(reader.next(row));
  EXPECT_EQ(reader.dim(), 1u);
}

TEST_F(Tables, NumbersOfEveryTypeBecomeNumbers) {
  EXPECT_EQ(payload("SELECT (-128)::TINYINT a, (-32768)::SMALLINT b, (-2147483648)::INTEGER c, "
                    "(-9223372036854775808)::BIGINT d, 255::UTINYINT e, 65535::USMALLINT f, 4294967295::UINTEGER g, "
                    "18446744073709551615::UBIGINT h, 0.1::FLOAT i, 0.1::DOUBLE j, true k, false l, NULL::INTEGER m, "
                    "'nan'::DOUBLE n, '-inf'::FLOAT o"),
            R"({"a":-128,"b":-32768,"c":-2147483648,"d":-9223372036854775808,"e":255,"f":65535,"g":4294967295,)"
            R"("h":18446744073709551615,"i":0.1,"j":0.1,"k":true,"l":false,"m":null,"n":null,"o":null})");
  EXPECT_EQ(
      payload("SELECT 12.34::DECIMAL(4,2) a, (-0.05)::DECIMAL(9,2) b, 5::DECIMAL(18,3) c, "
              "(-12345678901234567890.5)::DECIMAL(30,1) d, 7::DECIMAL(10,0) e, "
              "123456789012345678901234567890::DECIMAL(38,0) f"),
      R"({"a":12.34,"b":-0.05,"c":5.000,"d":-12345678901234567890.5,"e":7,"f":"123456789012345678901234567890"})");
}

TEST_F(Tables, DatesAndTimesAreWrittenByRfc3339) {
  EXPECT_EQ(payload("SELECT date '2024-02-29' a, date '1969-12-31' b, date '0001-01-01' c, "
                    "timestamp '2024-01-02 03:04:05' d, timestamp '1969-12-31 23:59:59.999999' e, "
                    "timestamptz '2024-01-02 03:04:05.5+02' f, timestamp_ns '2024-01-02 03:04:05.123456789' g, "
                    "timestamp_ms '2024-01-02 03:04:05.12' h, time '03:04:05.25' i, "
                    "'infinity'::TIMESTAMP j, '-infinity'::DATE k"),
            R"({"a":"2024-02-29","b":"1969-12-31","c":"0001-01-01","d":"2024-01-02T03:04:05Z",)"
            R"("e":"1969-12-31T23:59:59.999999Z","f":"2024-01-02T01:04:05.5Z","g":"2024-01-02T03:04:05.123456789Z",)"
            R"("h":"2024-01-02T03:04:05.12Z","i":"03:04:05.25","j":"infinity","k":"-infinity"})");
}

TEST_F(Tables, TextUuidsAndBlobsAreStrings) {
  EXPECT_EQ(payload("SELECT 'a \"quoted\" line' || chr(10) || '\xC3\xA9 \xF0\x9F\x98\x80' a, '' b, "
                    "'a text of more than twelve bytes' c, uuid 'ffffffff-0000-4000-8000-00000000abcd' d, "
                    "'\\x00\\xFF\\x10'::BLOB e, ''::BLOB f, '\\xFF'::BLOB g, 'ok'::ENUM('no', 'ok') h"),
            "{\"a\":\"a \\\"quoted\\\" line\\n\xC3\xA9 \xF0\x9F\x98\x80\",\"b\":\"\","
            "\"c\":\"a text of more than twelve bytes\",\"d\":\"ffffffff-0000-4000-8000-00000000abcd\","
            "\"e\":\"AP8Q\",\"f\":\"\",\"g\":\"/w==\",\"h\":\"ok\"}");
}

TEST_F(Tables, ListsStructuresAndMapsStayWhatTheyAre) {
  EXPECT_EQ(payload("SELECT [1, NULL, 3] a, []::INTEGER[] b, [['x'], NULL, []] c, {'p': 1, 'q': {'r': 'deep'}} d, "
                    "map{'k': 1, 'l': NULL} e, map{7: 'seven'} f, [{'a': 1}, {'a': NULL}] g, "
                    "NULL::STRUCT(a INTEGER) h, map{[1]: 2} i, map{date '2024-01-02': 1} j"),
            R"({"a":[1,null,3],"b":[],"c":[["x"],null,[]],"d":{"p":1,"q":{"r":"deep"}},"e":{"k":1,"l":null},)"
            R"("f":{"7":"seven"},"g":[{"a":1},{"a":null}],"h":null,"i":[{"key":[1],"value":2}],"j":{"2024-01-02":1}})");
}

TEST_F(Tables, TypesThatParquetDoesNotHaveAreReadFromDuckDbAllTheSame) {
  // Not out of a file: straight from a query, as chunks come.
  DuckSession session({});
  auto json = [&](const std::string& value) {
    DuckResult result = session.query("SELECT " + value);
    duck::LogicalType logical = session.api().column_logical_type(result.get(), 0);
    const DuckType type = describe_type(session.api(), logical);
    session.api().destroy_logical_type(&logical);
    if (!type.is_known) return std::string("unknown");
    duck::Chunk chunk = result.next_chunk();
    std::string out;
    DuckVector(session.api(), type, session.api().data_chunk_get_vector(chunk, 0)).append_json(out, 0);
    session.api().destroy_data_chunk(&chunk);
    return out;
  };
  EXPECT_EQ(json("'-170141183460469231731687303715884105728'::HUGEINT"),
            "\"-170141183460469231731687303715884105728\"");
  EXPECT_EQ(json("12::HUGEINT"), "12");
  EXPECT_EQ(json("(-9223372036854775808)::HUGEINT"), "-9223372036854775808");
  EXPECT_EQ(json("(-9223372036854775809)::HUGEINT"), "\"-9223372036854775809\"");
  EXPECT_EQ(json("'340282366920938463463374607431768211455'::UHUGEINT"), "\"340282366920938463463374607431768211455\"");
  EXPECT_EQ(json("18446744073709551615::UHUGEINT"), "18446744073709551615");
  EXPECT_EQ(json("timetz '03:04:05.5+02:30'"), "\"03:04:05.5+02:30\"");
  EXPECT_EQ(json("timetz '03:04:05-08'"), "\"03:04:05-08:00\"");
  EXPECT_EQ(json("timetz '03:04:05+00'"), "\"03:04:05Z\"");
  EXPECT_EQ(json("timestamp_s '1960-01-02 03:04:05'"), "\"1960-01-02T03:04:05Z\"");
  EXPECT_EQ(json("date '9999-12-31'"), "\"9999-12-31\"");
  EXPECT_EQ(json("date '0044-03-15 (BC)'"), "\"-0043-03-15\"");
  EXPECT_EQ(json("interval '1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds'"), "\"P1Y2M3DT4H5M6.5S\"");
  EXPECT_EQ(json("interval '-1.25 seconds'"), "\"PT-1.25S\"");
  EXPECT_EQ(json("interval '0 days'"), "\"PT0S\"");
  EXPECT_EQ(json("'0101'::BIT"), "\"0101\"");
  EXPECT_EQ(json("'110010101'::BIT"), "\"110010101\"");
  EXPECT_EQ(json("union_value(num := 2)"), "2");
  EXPECT_EQ(json("[union_value(a := 1)::UNION(a INTEGER, b VARCHAR), 'x']"), "[1,\"x\"]");
  EXPECT_EQ(json("NULL"), "null");
  EXPECT_EQ(json("[1, 2]::INTEGER[2]"), "[1,2]");
  EXPECT_EQ(json("[{'a': [1, 2]::INTEGER[2]}]"), "[{\"a\":[1,2]}]");
  EXPECT_EQ(json("'{\"a\": [1, 2.50]}'::JSON"), "{\"a\":[1,2.5]}");
  EXPECT_EQ(json("'second'::ENUM('first', 'second')"), "\"second\"");
}

TEST_F(Tables, APayloadThatIsJsonAStructureOrAMapIsAllOfThePayload) {
  for (const char* value : {"'{\"a\": [1, 2], \"b\": 3}'::JSON", "{'a': [1, 2], 'b': 3}"}) {
    const std::string file = parquet(std::string("SELECT 1 AS id, 5 AS beside, ") + value + " AS payload");
    TableReader reader(file, {});
    Row row;
    ASSERT_TRUE(reader.next(row));
    EXPECT_EQ(row.payload_json, R"({"a":[1,2],"b":3})");
    EXPECT_EQ(reader.fields_left_out().at("beside"), 1u);
    EXPECT_EQ(rows_of(file, {.payload_fields = {"b"}})[0].payload_json, R"({"b":3})");
  }
  EXPECT_EQ(payload("SELECT map{'k': 1} AS payload"), R"({"k":1})");
  EXPECT_EQ(payload("SELECT NULL::JSON AS payload"), "{}");
  // A text of that name is a field like any other, unless it is asked for.
  const std::string text = parquet("SELECT '{\"a\": 1}' AS payload");
  EXPECT_EQ(rows_of(text)[0].payload_json, R"({"payload":"{\"a\": 1}"})");
  EXPECT_EQ(rows_of(text, {.payload_column = "payload"})[0].payload_json, R"({"a":1})");
  EXPECT_EQ(rows_of(text, {.payload_column = ""})[0].payload_json, R"({"payload":"{\"a\": 1}"})");
  EXPECT_EQ(error(parquet("SELECT '[1]' AS payload"), {.payload_column = "payload"}),
            "corrupted: " + path("t.parquet") + ": row 0: column 'payload' is '[1]', expected a JSON object");
}

TEST_F(Tables, VectorsOfAnotherLengthWithNullsOrWithoutAnEndAreRefusedByRowAndColumn) {
  auto message = [&](const std::string& values) { return error(parquet("SELECT unnest([" + values + "]) AS vector")); };
  const std::string start = "corrupted: " + path("t.parquet") + ": ";
  EXPECT_EQ(message("[1.0, 2.0], [3.0, 4.0, 5.0]"),
            start + "row 1: field 'vector': has a vector of 3 numbers, the first row has a vector of 2 numbers");
  EXPECT_EQ(message("[1.0], [NULL]"), start + "row 1: column 'vector' has a null among its numbers");
  EXPECT_EQ(message("[1.0], NULL"), start + "row 1: column 'vector' is null, expected a list of numbers");
  EXPECT_EQ(message("[1.0], []"), start + "row 1: column 'vector' is an empty list, expected numbers");
  EXPECT_EQ(message("[1.0, 'nan'::DOUBLE]"),
            start + "row 0: field 'vector': component 1 is nan, expected a finite number");
  EXPECT_EQ(message("[1.0, 1e300::DOUBLE]"),
            start + "row 0: field 'vector': component 1 is inf, expected a finite number");
  EXPECT_THAT(message("list_resize([1.0], 70000, 0.0)"), HasSubstr("has 70000 numbers, expected at most 65536"));
}

TEST_F(Tables, IdsThatNameNothingAreRefused) {
  const std::string start = "corrupted: " + path("t.parquet") + ": ";
  EXPECT_EQ(error(parquet("SELECT -5 AS id")),
            start + "row 0: column 'id' is -5, expected an unsigned integer, a UUID or text");
  EXPECT_EQ(rows_of(parquet("SELECT unnest(['a', NULL]) AS id"))[1].id, std::nullopt);
  EXPECT_THAT(error(parquet("SELECT 1.5::DOUBLE AS id")), HasSubstr("column 'id' is float64, expected an integer"));
}

TEST_F(Tables, AVectorMayBeTextThatIsAList) {
  EXPECT_EQ(rows_of(parquet("SELECT '[0.5, -1, 2e1]' AS embedding"))[0].vector, (std::vector<float>{0.5f, -1, 20}));
  EXPECT_THAT(error(parquet("SELECT 'up' AS vector")), HasSubstr("is not a list of numbers"));
}

TEST_F(Tables, NamesWithQuotesBracketsStarsAndEqualSignsAreNamesOfFiles) {
  std::filesystem::create_directories(folder.path() / "year=2020 [x]");
  const std::string odd = path("year=2020 [x]/it's *a?\"test{1}.parquet");
  std::filesystem::copy_file(parquet("SELECT 1 AS id, 2 AS \"odd \"\"name'\""), odd);
  std::vector<Row> rows = rows_of(odd);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].payload_json, R"({"odd \"name'":2})");
  // A pattern is no name.
  EXPECT_THAT(error(path("*.parquet")), HasSubstr("not_found: "));
  EXPECT_THAT(error("https://example.org/x.parquet"), HasSubstr("not_found: "));
  std::filesystem::create_directories(folder.path() / "folder.parquet");
  EXPECT_THAT(error(path("folder.parquet")), HasSubstr("is not a regular file"));
}

TEST_F(Tables, ASessionReachesItsOneFileAndNothingElse) {
  if (duckdb_version() < "v1.2") GTEST_SKIP() << "DuckDB " << duckdb_version() << " cannot be bound to a file";
  const std::string mine = parquet("SELECT 1", "mine.parquet"), other = parquet("SELECT 2", "other.parquet");
  DuckSession session({.allowed_path = mine, .shown_name = "mine"});
  session.query("SELECT * FROM read_parquet(" + sql_text(mine) + ")");
  EXPECT_THAT(error_of([&] { session.query("SELECT * FROM read_parquet(" + sql_text(other) + ")"); }),
              HasSubstr("disabled by configuration"));
  EXPECT_THAT(error_of([&] { session.query("SELECT * FROM read_parquet('https://example.org/x.parquet')"); }),
              testing::Not(HasSubstr("no error")));
  EXPECT_THAT(error_of([&] { session.query("LOAD httpfs"); }), testing::Not(HasSubstr("no error")));
  EXPECT_THAT(error_of([&] { session.query("SET enable_external_access = true"); }),
              testing::Not(HasSubstr("no error")));
}

TEST_F(Tables, TwoHundredThousandRowsComeInOrderWithoutBeingHeld) {
  const std::string file = parquet(
      "SELECT i AS id, 'a text about row ' || i AS text, list_transform(range(64), x -> (x * i % 97)::FLOAT) AS "
      "vector, "
      "i % 10 AS color, {'n': i} AS inner FROM range(200000) t(i)");
  const uint64_t before = resident_bytes();
  TableReader reader(file, {.memory_bytes_max = uint64_t{256} << 20});
  Row row;
  uint64_t count = 0;
  uint64_t peak = 0;
  while (reader.next(row)) {
    ASSERT_EQ(row.number, count);
    ASSERT_EQ(row.id, std::to_string(count));
    if (count % 5000 == 0) {
      ASSERT_EQ(row.vector[3], static_cast<float>(3 * count % 97));
      ASSERT_EQ(row.payload_json,
                "{\"color\":" + std::to_string(count % 10) + ",\"inner\":{\"n\":" + std::to_string(count) + "}}");
      peak = std::max(peak, resident_bytes());
    }
    ++count;
  }
  EXPECT_EQ(count, 200000u);
  // The vectors alone are 51 MB. What DuckDB's allocator keeps is bounded by its limit.
  EXPECT_LT(peak - std::min(before, peak), uint64_t{300} << 20);
}

TEST_F(Tables, WhatIsNoParquetIsRefusedByName) {
  for (const std::string& bytes : {std::string(), std::string("PAR1"), std::string("PAR1PAR1"), std::string(100, 'x'),
                                   "PAR1" + std::string(100, '\xFF') + "PAR1"}) {
    const std::string file = put("bad.parquet", bytes);
    const std::string message = error(file);
    EXPECT_THAT(message, HasSubstr("corrupted: " + file + ": ")) << bytes.size();
    EXPECT_THAT(message, testing::Not(HasSubstr("/proc/self"))) << message;
    EXPECT_THAT(message, testing::Not(HasSubstr("\n"))) << message;
  }
}

TEST_F(Tables, TextFilesAreReadWithDuckDbsOwnTypes) {
  put("t.csv", "id,text,price,day\n1,\"a, b\",2.5,2024-01-02\n2,c,3,2024-01-03\n");
  put("t.tsv", "id\tprice\n7\t1\n");
  put("t.json", R"([{"id": "a", "tags": ["x"], "vector": [1, 2]}, {"id": "b", "tags": [], "vector": [3, 4]}])");
  put("t.jsonl", "{\"id\": 1, \"n\": {\"m\": 2}}\n{\"id\": 2, \"n\": null}\n");
  std::vector<Row> csv = rows_of(path("t.csv"));
  ASSERT_EQ(csv.size(), 2u);
  EXPECT_EQ(csv[0].text, "a, b");
  EXPECT_EQ(csv[0].payload_json, R"({"price":2.5,"day":"2024-01-02"})");
  EXPECT_EQ(rows_of(path("t.tsv"))[0].payload_json, R"({"price":1})");
  std::vector<Row> json = rows_of(path("t.json"));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[1].vector, (std::vector<float>{3, 4}));
  EXPECT_EQ(json[0].payload_json, R"({"tags":["x"]})");
  EXPECT_EQ(rows_of(path("t.jsonl"))[0].payload_json, R"({"n":{"m":2}})");
  EXPECT_THAT(error(put("t.xls", "x")),
              HasSubstr("t.xls: is not a table's file, expected a name that ends in .parquet"));
}

TEST(DuckDbLibrary, ThatIsNotThereIsSaidWithHowToGetIt) {
  const char* before = std::getenv("SEXTANT_DUCKDB");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("SEXTANT_DUCKDB", "/nonexistent/libduckdb.so", 1);
  EXPECT_FALSE(has_duckdb());
  EXPECT_EQ(duckdb_version(), "");
  EXPECT_THAT(error_of([] { duckdb_library(); }),
              testing::StartsWith("unsupported: reading Parquet needs DuckDB's library: run tools/duckdb.sh, or set "
                                  "SEXTANT_DUCKDB to a libduckdb.so (/nonexistent/libduckdb.so"));
  // A library that is another one.
  ::setenv("SEXTANT_DUCKDB", "libc.so.6", 1);
  EXPECT_FALSE(has_duckdb());
  ::setenv("SEXTANT_DUCKDB", "/lib/x86_64-linux-gnu/libz.so.1", 1);
  EXPECT_FALSE(has_duckdb());
  base::TemporaryFolder folder;
  const std::string file = (folder.path() / "t.parquet").string();
  std::ofstream(file) << "PAR1";
  EXPECT_THAT(error_of([&] { TableReader(file, {}); }), HasSubstr("unsupported: reading Parquet needs"));
  if (before == nullptr) {
    ::unsetenv("SEXTANT_DUCKDB");
  } else {
    ::setenv("SEXTANT_DUCKDB", kept.c_str(), 1);
  }
}

}  // namespace
}  // namespace sextant::io
