#include "io/rows.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "errors.h"
#include "io/npy.h"
#include "io/table_file.h"
#include "io/testing_duckdb.h"
#include "io/testing_zstd.h"
#include "io/vector_file.h"

namespace sextant::io {
namespace {

using testing::HasSubstr;
using tests::error_of;

// One row on one line: "id | text | vector | payload".
std::string shown(const Row& row) {
  std::string out = row.id.value_or("-") + " | " + row.text.value_or("-") + " |";
  for (float value : row.vector) out += fmt::format(" {}", value);
  return out + " | " + row.payload_json;
}

class Rows : public testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& bytes) const {
    const std::string path = (folder.path() / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  static std::vector<std::string> all(RowSource& source) {
    std::vector<std::string> out;
    for (Row row; source.next(row);) {
      EXPECT_EQ(row.number, out.size());
      out.push_back(shown(row));
    }
    return out;
  }
  static std::vector<std::string> rows_of(const std::string& path, const RowOptions& options = {}) {
    return all(*open_rows(path, options));
  }
  static std::string error(const std::string& path, const RowOptions& options = {}) {
    std::string message = error_of([&] { rows_of(path, options); });
    const size_t at = message.find(path);
    if (at != std::string::npos) message.replace(at, path.size(), "FILE");
    return message;
  }
  base::TemporaryFolder folder;
};

using ShownRows = std::vector<std::string>;

TEST_F(Rows, OfJsonLinesHaveWhatIsNamedAndTheRestAsPayload) {
  const std::string file =
      put("t.jsonl", R"({"id": 7, "text": "seven", "vector": [1, 2.5], "color": "red", "n": [1, {"a": null}]})"
                     "\n\n"
                     R"({"vector": [3, -1e1], "id": "x-1", "text": null})"
                     "\n");
  EXPECT_EQ(rows_of(file),
            (ShownRows{R"(7 | seven | 1 2.5 | {"color":"red","n":[1,{"a":null}]})", "x-1 | - | 3 -10 | {}"}));
  EXPECT_EQ(open_rows(file)->dim(), 0u);
}

TEST_F(Rows, OfJsonLinesKeepLargeIntegersExactFloatsAndEscapes) {
  EXPECT_EQ(rows_of(put("t.ndjson",
                        "{\"a\": 18446744073709551615, \"b\": -9223372036854775808, \"c\": 0.1, "
                        "\"d\": \"q\\\"\\u00e9\\n\", \"\\\"k\\\"\": 1}\n")),
            (ShownRows{"- | - | | {\"a\":18446744073709551615,\"b\":-9223372036854775808,\"c\":0.1,"
                       "\"d\":\"q\\\"\xC3\xA9\\n\",\"\\\"k\\\"\":1}"}));
}

TEST_F(Rows, APayloadThatIsAnObjectIsAllOfThePayload) {
  const std::string file = put("t.jsonl", R"({"id": 1, "payload": {"a": 1, "b": 2}, "score": 3})"
                                          "\n"
                                          R"({"id": 2, "payload": "text", "score": 3})"
                                          "\n");
  auto source = open_rows(file);
  EXPECT_EQ(all(*source), (ShownRows{R"(1 | - | | {"a":1,"b":2})", R"(2 | - | | {"payload":"text","score":3})"}));
  EXPECT_EQ(source->fields_left_out().at("score"), 1u);
  EXPECT_EQ(rows_of(file, {.payload_column = ""})[0], R"(1 | - | | {"payload":{"a":1,"b":2},"score":3})");
  EXPECT_EQ(rows_of(file, {.payload_column = "", .payload_fields = {"score"}})[0], R"(1 | - | | {"score":3})");
  EXPECT_EQ(rows_of(file, {.payload_fields = {"b"}})[0], R"(1 | - | | {"b":2})");
  EXPECT_EQ(error(file, {.payload_column = "payload"}),
            "corrupted: FILE: line 2: field 'payload' is text, expected an object");
}

TEST_F(Rows, TakeOtherFieldsWhereTheyAreNamed) {
  const std::string file = put("t.jsonl", R"({"key": "k", "body": "b", "embedding": [1], "id": 4, "text": "t"})");
  EXPECT_EQ(rows_of(file), (ShownRows{R"(4 | t | 1 | {"key":"k","body":"b"})"}));
  EXPECT_EQ(rows_of(file, {.id_column = "key", .text_column = "body", .vector_column = ""}),
            (ShownRows{R"(k | b | | {"embedding":[1],"id":4,"text":"t"})"}));
  EXPECT_EQ(error(file, {.text_column = "words"}), "corrupted: FILE: line 1: has no field 'words'");
}

TEST_F(Rows, OfJsonLinesThatCannotBeAreRefusedByLineAndField) {
  auto message = [&](const std::string& lines) { return error(put("bad.jsonl", lines)); };
  EXPECT_EQ(message("\n{\"id\": -1}"),
            "corrupted: FILE: line 2: field 'id' is -1, expected an unsigned integer or text");
  EXPECT_EQ(message("{\"id\": 1.5}"),
            "corrupted: FILE: line 1: field 'id' is 1.5, expected an unsigned integer or text");
  EXPECT_EQ(message("{\"id\": [1]}"),
            "corrupted: FILE: line 1: field 'id' is a list, expected an unsigned integer or text");
  EXPECT_EQ(message("{\"text\": 5}"), "corrupted: FILE: line 1: field 'text' is a number, expected text");
  EXPECT_EQ(message("{\"vector\": \"x\"}"),
            "corrupted: FILE: line 1: field 'vector' is text, expected a list of numbers");
  EXPECT_EQ(message("{\"vector\": [1, \"x\"]}"),
            "corrupted: FILE: line 1: field 'vector': component 1 is text, expected a number");
  EXPECT_EQ(message("{\"vector\": []}"), "corrupted: FILE: line 1: field 'vector' is an empty list, expected numbers");
  EXPECT_EQ(
      message("{\"vector\": [1, 2]}\n{\"vector\": [1]}"),
      "corrupted: FILE: line 2: field 'vector': has a vector of 1 numbers, the first row has a vector of 2 numbers");
  EXPECT_EQ(message("{\"vector\": [1, 2]}\n{\"a\": 1}"),
            "corrupted: FILE: line 2: field 'vector': has no vector, the first row has a vector of 2 numbers");
  EXPECT_EQ(message("{\"a\": 1}\n{\"vector\": [1, 2]}"),
            "corrupted: FILE: line 2: field 'vector': has a vector of 2 numbers, the first row has no vector");
  EXPECT_EQ(message("{\"vector\": [1, 1e39]}"),
            "corrupted: FILE: line 1: field 'vector': component 1 is inf, expected a finite number");
  EXPECT_EQ(message("[1]"), "corrupted: FILE: line 1: is a list, expected an object");
  EXPECT_THAT(message("{\"a\": }"), HasSubstr("FILE: line 1: not valid JSON: "));
  EXPECT_THAT(message("{\"a\": \"\xFF\"}"), HasSubstr("FILE: line 1: not valid JSON: "));
  EXPECT_THAT(error(put("long.jsonl", "{\"a\": \"" + std::string(100, 'x') + "\"}"), {.row_bytes_max = 50}),
              HasSubstr("exhausted: FILE: line 1 is"));
}

TEST_F(Rows, OfJsonAreAListOrOneObjectAfterAnotherOverAnyNumberOfLines) {
  const ShownRows expected = {R"(1 | - | | {"a":"}] \"{"})", R"(2 | - | | {"b":{"c":[{}]}})"};
  const std::string one = "{\"id\": 1,\n \"a\": \"}] \\\"{\"}", two = "{\"id\": 2, \"b\": {\"c\": [{}]}}";
  EXPECT_EQ(rows_of(put("t.json", "[" + one + " ,\n" + two + "]\n")), expected);
  EXPECT_EQ(rows_of(put("t.json", " " + one + two)), expected);
  EXPECT_EQ(rows_of(put("t.json", "\xEF\xBB\xBF\n" + one + "\n" + two + "\n\n")), expected);
  EXPECT_EQ(rows_of(put("t.json", " [ ] ")), ShownRows{});
  EXPECT_EQ(rows_of(put("t.json", "")), ShownRows{});
}

TEST_F(Rows, OfJsonMayBeLongerThanAnyBuffer) {
  // Backslashes and quotes fall on every place of the buffer's end.
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string file = "[";
    ShownRows expected;
    for (int i = 0; i < 30; ++i) {
      const std::string value(static_cast<size_t>(40000 + 7000 * i) + shift, 'x');
      std::string escaped;
      for (size_t k = 0; k < 20000; ++k) escaped += "\\\\\\\"";
      file += (i > 0 ? "," : "") + fmt::format("{{\"id\": {}, \"v\": \"{}\", \"e\": \"{}\"}}", i, value, escaped);
      expected.push_back(fmt::format("{} | - | | {{\"v\":\"{}\",\"e\":\"{}\"}}", i, value, escaped));
    }
    EXPECT_TRUE(rows_of(put("t.json", file + "]")) == expected) << shift;
  }
}

TEST_F(Rows, OfJsonThatCannotBeAreRefusedByByteOrRow) {
  auto message = [&](const std::string& bytes, const RowOptions& options = {}) {
    return error(put("bad.json", bytes), options);
  };
  EXPECT_EQ(message("[{\"a\": 1},"), "corrupted: FILE: byte 10: the list has no end; the file is cut short");
  EXPECT_EQ(message("[{\"a\": 1},]"), "corrupted: FILE: byte 10: found ']' behind a comma, expected an object");
  EXPECT_EQ(message("[{\"a\": 1} {\"a\": 1}]"),
            "corrupted: FILE: byte 10: found '{' behind an object of the list, expected a comma or ']'");
  EXPECT_EQ(message("[{\"a\": 1}] x"), "corrupted: FILE: byte 11: something follows the list");
  EXPECT_EQ(message("[1]"), "corrupted: FILE: byte 1: found '1', expected an object");
  EXPECT_EQ(message("\"x\""), "corrupted: FILE: byte 0: found '\"', expected an object");
  EXPECT_EQ(message("{\"a\": \"x"),
            "corrupted: FILE: byte 0: the object that begins here has no end; the file is cut short");
  EXPECT_EQ(message("{\"a\": \"x\\"),
            "corrupted: FILE: byte 0: the object that begins here has no end; the file is cut short");
  EXPECT_THAT(message("[{\"a\": 1}, {\"a\" 1}]"), HasSubstr("FILE: row 1: not valid JSON"));
  EXPECT_THAT(message("[{\"a\": 1}, {\"a\": [}]"), HasSubstr("FILE: "));
  EXPECT_THAT(message("{\"a\": \"" + std::string(1 << 20, 'x') + "\"}", {.row_bytes_max = 1000}),
              HasSubstr("exhausted: FILE: "));
}

TEST_F(Rows, OfCsvHaveColumnsOfNumbersTruthValuesOrText) {
  const std::string file = put("t.csv",
                               "id,text,price,count,sold,zip,big,none,mixed\n"
                               "1,\"a, b\",2.5,3,true,01234,18446744073709551615,,1\n"
                               "x,,1e3,-4,False,5,9,,yes\n"
                               ",c,,,,,,,\n");
  EXPECT_EQ(
      rows_of(file),
      (ShownRows{
          R"(1 | a, b | | {"price":2.5,"count":3,"sold":true,"zip":"01234","big":18446744073709551615,)"
          R"("none":null,"mixed":"1"})",
          R"(x | - | | {"price":1e3,"count":-4,"sold":false,"zip":"5","big":9,"none":null,"mixed":"yes"})",
          R"(- | c | | {"price":null,"count":null,"sold":null,"zip":null,"big":null,"none":null,"mixed":null})"}));
  EXPECT_EQ(open_rows(file)->row_count(), 3u);
  // Numbers that JSON does not write so, or cannot hold, are text.
  EXPECT_EQ(rows_of(put("n.csv", "a,b,c,d,e,f\n+1,.5,1.,0x1,1e999,99999999999999999999\n")),
            (ShownRows{R"(- | - | | {"a":"+1","b":".5","c":"1.","d":"0x1","e":"1e999","f":"99999999999999999999"})"}));
}

TEST_F(Rows, OfCsvTakeVectorsAndPayloadsOutOfColumnsOfJson) {
  const std::string file = put("t.tsv", "key\tvector\tmore\tx\nk\t[1, 2.5]\t{\"a\": [1, 2]}\t5\nl\t[3,4]\t\t6\n");
  auto source = open_rows(file, {.id_column = "key", .payload_column = "more"});
  EXPECT_EQ(all(*source), (ShownRows{R"(k | - | 1 2.5 | {"a":[1,2]})", "l | - | 3 4 | {}"}));
  EXPECT_EQ(source->fields_left_out().at("x"), 2u);
  EXPECT_EQ(rows_of(file, {.id_column = "0", .vector_column = "", .payload_fields = {"x"}})[0], R"(k | - | | {"x":5})");
  EXPECT_EQ(error(file, {.vector_column = "x"}),
            "corrupted: FILE: line 2: field 'x' is '5', expected a list of numbers like [0.5, -1]");
  EXPECT_EQ(error(file, {.payload_column = "vector"}),
            "corrupted: FILE: line 2: field 'vector' is '[1, 2.5]', expected a JSON object");
  EXPECT_EQ(error(file, {.id_column = "ky"}),
            "invalid_argument: FILE: has no column 'ky', expected one of: key, vector, more, x");
  EXPECT_EQ(error(put("two.csv", "a,b,a\n1,2,3\n")), "corrupted: FILE: line 1: has two columns 'a'");
  EXPECT_EQ(rows_of(put("empty.csv", "")), ShownRows{});
}

TEST_F(Rows, OfFilesOfVectorsAreNamedByTheirNumbers) {
  const std::string npy = (folder.path() / "v.npy").string();
  NpyWriter writer(npy, NpyType::float32, 3);
  std::vector<float> values;
  for (int i = 0; i < 3 * 50000; ++i) values.push_back(static_cast<float>(i));
  writer.append(std::span<const float>(values));
  writer.finish();
  auto source = open_rows(npy);
  EXPECT_EQ(source->row_count(), 50000u);
  Row row;
  for (uint64_t i = 0; i < 50000; ++i) {
    ASSERT_TRUE(source->next(row));
    ASSERT_EQ(row.id, std::to_string(i));
    ASSERT_EQ(row.vector[2], static_cast<float>(3 * i + 2));
    ASSERT_EQ(row.payload_json, "{}");
  }
  EXPECT_FALSE(source->next(row));
  EXPECT_EQ(source->dim(), 3u);
  EXPECT_EQ(rows_of(put("v.fvecs.zst", zstd(std::string("\x02\0\0\0\0\0\x80?\0\0\0@", 12)))),
            (ShownRows{"0 | - | 1 2 | {}"}));
  EXPECT_EQ(error(npy, {.text_column = "body"}),
            "invalid_argument: FILE: has no column 'body' for the text: it is a file of vectors alone");
  EXPECT_EQ(error(put("nan.fbin", std::string("\x01\0\0\0\x01\0\0\0\0\0\xC0\x7F", 12))),
            "corrupted: FILE: row 0: field 'vector': component 0 is nan, expected a finite number");
}

TEST_F(Rows, AreReadCompressedToo) {
  const std::string csv = "id,a\n1,2\n", json = "[{\"id\": 1, \"a\": 2}]", lines = "{\"id\": 1, \"a\": 2}\n";
  auto gzip = [&](const std::string& name, const std::string& bytes) {
    const std::string path = (folder.path() / name).string();
    gzFile file = ::gzopen(path.c_str(), "wb");
    EXPECT_EQ(::gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
    ::gzclose(file);
    return path;
  };
  const ShownRows expected = {R"(1 | - | | {"a":2})"};
  EXPECT_EQ(rows_of(gzip("t.csv.gz", csv)), expected);
  EXPECT_EQ(rows_of(gzip("t.json.gz", json)), expected);
  EXPECT_EQ(rows_of(gzip("t.jsonl.gz", lines)), expected);
  EXPECT_EQ(rows_of(put("t.csv.zst", zstd(csv))), expected);
  EXPECT_EQ(rows_of(put("t.json.zst", zstd(json))), expected);
  EXPECT_EQ(rows_of(put("t.jsonl.zst", zstd(lines))), expected);
}

TEST_F(Rows, OfAnotherKindOfFileAreRefusedWithTheKindsThereAre) {
  EXPECT_EQ(
      error("table.xlsx"),
      "invalid_argument: FILE: is not a known kind of rows' file, expected a name that ends in .jsonl, .ndjson, "
      ".json, .csv, .tsv, .tab, .parquet, .npy, .fbin, .u8bin, .i8bin, .fvecs, .bvecs; text may end in .zst or .gz "
      "besides, vectors in .zst");
  EXPECT_THAT(error("v.npy.gz"), HasSubstr("is not a known kind"));
  EXPECT_THAT(error((folder.path() / "absent.jsonl").string()), HasSubstr("not_found: FILE"));
  EXPECT_THAT(error((folder.path() / "absent.parquet").string()), HasSubstr("not_found: FILE"));
}

// The same rows in every kind of file that has ids, texts, vectors and payloads.
TEST_F(Rows, MeanTheSameInEveryKindOfFile) {
  std::string csv = "id,text,vector,price,tag,sold\n", lines, json = "[";
  for (int i = 0; i < 500; ++i) {
    const std::string text = fmt::format("text \xC3\xA9 {}", i), vector = fmt::format("[{}, {}.5]", i, i);
    const std::string tag = i % 3 == 0 ? "" : fmt::format("t{}", i % 3), sold = i % 2 == 0 ? "true" : "false";
    csv += fmt::format("{},{},\"{}\",{},{},{}\n", i, text, vector, i * 2, tag, sold);
    const std::string object =
        fmt::format(R"({{"id": {}, "text": "{}", "vector": {}, "price": {}, "tag": {}, "sold": {}}})", i, text, vector,
                    i * 2, tag.empty() ? "null" : '"' + tag + '"', sold);
    lines += object + "\n";
    json += (i > 0 ? ",\n" : "") + object;
  }
  const ShownRows expected = rows_of(put("t.jsonl", lines));
  ASSERT_EQ(expected.size(), 500u);
  EXPECT_EQ(expected[1], "1 | text \xC3\xA9 1 | 1 1.5 | {\"price\":2,\"tag\":\"t1\",\"sold\":false}");
  EXPECT_EQ(rows_of(put("t.csv", csv)), expected);
  EXPECT_EQ(rows_of(put("t.json", json + "]")), expected);
  SEXTANT_NEEDS_DUCKDB();
  // And as DuckDB reads them by itself.
  for (const char* name : {"t.jsonl", "t.json", "t.csv"}) {
    TableReader reader((folder.path() / name).string(), {});
    EXPECT_EQ(all(reader), expected) << name;
  }
  const std::string parquet = (folder.path() / "t.parquet").string();
  write_by_duckdb(
      parquet,
      "SELECT i AS id, 'text \xC3\xA9 ' || i AS text, [i, i + 0.5]::FLOAT[] AS vector, i * 2 AS price, "
      "CASE WHEN i % 3 = 0 THEN NULL ELSE 't' || (i % 3) END AS tag, i % 2 = 0 AS sold FROM range(500) t(i)");
  EXPECT_EQ(rows_of(parquet), expected);
}

}  // namespace
}  // namespace sextant::io
