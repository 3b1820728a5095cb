#include "engine/embed_stream.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "engine/testing_embedder.h"
#include "errors.h"
#include "io/csv.h"
#include "io/jsonl.h"
#include "io/npy.h"
#include "io/rows.h"
#include "io/testing_duckdb.h"
#include "io/testing_pdf.h"
#include "sextant/error.h"

namespace sextant::engine {
namespace {

class EmbedStream : public testing::Test {
 protected:
  std::string at(const std::string& name) const { return (folder.path() / name).string(); }
  std::string put(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name, std::ios::binary) << bytes;
    return at(name);
  }
  std::vector<std::string> items(const SourceOptions& options) {
    auto source = open_text_source(options);
    std::vector<std::string> out;
    SourceItem item;
    while (source->next(item)) out.push_back(item.name + "=" + item.text);
    return out;
  }
  EmbedStreamReport run(const std::vector<std::string>& texts, const EmbedStreamOptions& options) {
    auto source = open_text_source({.texts = texts});
    return embed_stream(model, *source, options);
  }
  // Options one by one: g++ 12 warns of designated ones beside a nested struct with a string.
  EmbedStreamOptions to(const std::string& name, Precision precision = Precision::float32) const {
    EmbedStreamOptions options;
    options.output = at(name);
    options.precision = precision;
    return options;
  }
  EmbedStreamOptions limited(const std::string& name, size_t max_length, OnOverflow on_overflow) const {
    EmbedStreamOptions options = to(name);
    options.embed.max_length = max_length;
    options.on_overflow = on_overflow;
    return options;
  }
  EmbedStreamOptions calibrated(const std::string& name, Precision precision) const {
    EmbedStreamOptions options = to(name, precision);
    options.calibration = at("f.npy");
    return options;
  }
  std::vector<float> vectors_of(const std::vector<std::string>& texts) {
    std::vector<std::string_view> views(texts.begin(), texts.end());
    std::vector<float> out(texts.size() * model.dim());
    model.embed(views, {}, out, nullptr);
    return out;
  }

  base::TemporaryFolder folder;
  TestingEmbedder model{8};
};

using Strings = std::vector<std::string>;

using tests::error_of;

TEST_F(EmbedStream, ReadsEverySourceThatItNames) {
  EXPECT_EQ(items({.texts = {"a", "b"}}), (Strings{"text 0=a", "text 1=b"}));
  EXPECT_EQ(items({.input = put("a.txt", "x\n\ny")}), (Strings{"line 1=x", "line 2=", "line 3=y"}));
  EXPECT_EQ(items({.input = put("a.jsonl", "{\"text\":\"x\",\"t\":\"y\"}\n")}), (Strings{"line 1=x"}));
  EXPECT_EQ(items({.input = at("a.jsonl"), .field = "t"}), (Strings{"line 1=y"}));
  EXPECT_EQ(items({.input = put("a.csv", "id,text\n1,\"x\ny\"\n2,z\n")}), (Strings{"line 2=x\ny", "line 4=z"}));
  EXPECT_EQ(items({.input = at("a.csv"), .column = "0"}), (Strings{"line 2=1", "line 4=2"}));
  EXPECT_EQ(items({.input = put("one.tsv", "anything\nv\n")}), (Strings{"line 2=v"}));
  put("docs/b.md", "# T\n\nbody");
  put("docs/a.txt", "plain");
  EXPECT_EQ(items({.input = at("docs")}), (Strings{"a.txt=plain", "b.md=T\n\nbody"}));
  EXPECT_EQ(items({.input = at("docs/b.md")}), (Strings{"b.md=T\n\nbody"}));
}

TEST_F(EmbedStream, ReadsFieldsOfJsonColumnsOfParquetAndPagesOfPdf) {
  EXPECT_EQ(items({.input = put("a.json", R"([{"text": "x", "t": "y"}, {"text": "z"}])")}),
            (Strings{"row 0=x", "row 1=z"}));
  EXPECT_EQ(error_of([&] { items({.input = at("a.json"), .field = "t"}); }),
            "corrupted: " + at("a.json") + ": row 1: has no field 't'");
  put("null.json", R"([{"text": null}])");
  EXPECT_EQ(error_of([&] { items({.input = at("null.json")}); }),
            "corrupted: " + at("null.json") + ": row 0: has no text in 'text'");
  put("docs/c.pdf", io::TestingPdf{.contents = {io::TestingPdf::lines({"a page"})}}.bytes());
  EXPECT_EQ(items({.input = at("docs")}), (Strings{"c.pdf=a page"}));
  EXPECT_EQ(items({.input = at("docs/c.pdf")}), (Strings{"c.pdf=a page"}));
  SEXTANT_NEEDS_DUCKDB();
  io::write_by_duckdb(at("none.parquet"), "SELECT 1 AS id, 'y' AS body");
  EXPECT_EQ(error_of([&] { items({.input = at("none.parquet")}); }),
            "invalid_argument: " + at("none.parquet") + ": has no column 'text', expected one of: id, body");
  io::write_by_duckdb(at("a.parquet"), "SELECT 1 AS id, 'x' AS text, 'y' AS body");
  EXPECT_EQ(items({.input = at("a.parquet")}), (Strings{"row 0=x"}));
  EXPECT_EQ(items({.input = at("a.parquet"), .column = "body"}), (Strings{"row 0=y"}));
  EXPECT_NE(error_of([&] { items({.input = at("a.parquet"), .column = "id"}); }).find("is int32, expected text"),
            std::string::npos);
}

TEST_F(EmbedStream, WritesParquetOfFloat32) {
  SEXTANT_NEEDS_DUCKDB();
  const Strings texts = {"the tap drips", "bread", "zzz"};
  const std::vector<float> expected = vectors_of(texts);
  run(texts, to("o.parquet"));
  auto rows = io::open_rows(at("o.parquet"));
  io::Row row;
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(rows->next(row));
    EXPECT_EQ(row.id, std::to_string(i));
    EXPECT_EQ(row.payload_json, "{}");
    EXPECT_TRUE(std::equal(row.vector.begin(), row.vector.end(), expected.begin() + static_cast<ptrdiff_t>(i * 8)));
  }
  EXPECT_FALSE(rows->next(row));
  EXPECT_EQ(error_of([&] { run(texts, to("u.parquet", Precision::uint8)); }),
            "invalid_argument: precision uint8 is not for " + at("u.parquet") +
                ", whose vectors are float32; expected an output that ends in .npy, .jsonl, .csv or .tsv");
}

TEST_F(EmbedStream, RefusesSourcesThatContradictThemselves) {
  error_of(ErrorCode::invalid_argument, [&] { items({}); });
  error_of(ErrorCode::invalid_argument, [&] { items({.texts = {"a"}, .input = "-"}); });
  error_of(ErrorCode::invalid_argument, [&] { items({.texts = {"a"}, .field = "text"}); });
  error_of(ErrorCode::invalid_argument, [&] { items({.input = "-", .field = "a", .column = "b"}); });
  error_of(ErrorCode::not_found, [&] { items({.input = at("absent")}); });
  std::string message = error_of(ErrorCode::invalid_argument, [&] { items({.input = put("two.csv", "a,b\n1,2\n")}); });
  EXPECT_NE(message.find("a, b"), std::string::npos) << message;
}

TEST_F(EmbedStream, WritesTheSameVectorsInEveryFormat) {
  const Strings texts = {"the tap drips", "bread", "zzz"};
  const std::vector<float> expected = vectors_of(texts);
  EmbedStreamReport report = run(texts, to("o.npy"));
  EXPECT_EQ(report.item_count, 3u);
  EXPECT_EQ(report.row_count, 3u);
  EXPECT_EQ(report.empty_count, 1u);
  io::NpyFile npy(at("o.npy"));
  EXPECT_EQ(npy.type(), io::NpyType::float32);
  EXPECT_EQ(npy.floats(), expected);

  run(texts, to("o.jsonl"));
  io::JsonLineReader lines(at("o.jsonl"));
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(lines.next());
    EXPECT_EQ(lines.find_number("index"), double(i));
    EXPECT_FALSE(lines.has("item"));
    for (size_t d = 0; d < 8; ++d) {
      EXPECT_EQ(float(*lines.find_number("/embedding/" + std::to_string(d))), expected[i * 8 + d]);
    }
  }
  for (const char* name : {"o.csv", "o.tsv"}) {
    run(texts, to(name));
    io::CsvReader csv(at(name));
    EXPECT_EQ(csv.names().size(), 9u);
    EXPECT_EQ(csv.column("v7"), 8u);
    ASSERT_TRUE(csv.next());
    EXPECT_EQ(std::stof(std::string(csv.fields()[1])), expected[0]);
  }
}

TEST_F(EmbedStream, GivesTheSameFileForAnyNumberOfThreadsAndManyItems) {
  Strings texts;
  for (int i = 0; i < 9000; ++i) texts.push_back("text number " + std::to_string(i));
  for (size_t threads : {1, 3}) {
    EmbedStreamOptions options = to(std::to_string(threads) + ".npy");
    options.thread_count = threads;
    run(texts, options);
  }
  EXPECT_EQ(base::read_file(at("1.npy")), base::read_file(at("3.npy")));
  EXPECT_EQ(io::NpyFile(at("1.npy")).floats(), vectors_of(texts));
}

TEST_F(EmbedStream, TakesEightBitRangesFromTheWholeInputOrACalibration) {
  const Strings texts = {"the tap drips", "bread", "visa"};
  const std::vector<float> vectors = vectors_of(texts);
  Ranges ranges(8);
  ranges.add(vectors);
  std::vector<uint8_t> expected(24);
  quantize(Precision::uint8, vectors, 8, &ranges, expected);
  run(texts, to("u.npy", Precision::uint8));
  io::NpyFile npy(at("u.npy"));
  EXPECT_EQ(npy.type(), io::NpyType::uint8);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), reinterpret_cast<const uint8_t*>(npy.bytes().data())));
  // The smallest of each dimension is level 0, the largest 255.
  EXPECT_EQ(*std::min_element(expected.begin(), expected.end()), 0);

  run(texts, to("f.npy"));
  run(texts, calibrated("c.npy", Precision::uint8));
  EXPECT_EQ(base::read_file(at("c.npy")), base::read_file(at("u.npy")));

  TestingEmbedder wide(9);
  auto source = open_text_source({.texts = texts});
  error_of(ErrorCode::invalid_argument, [&] { embed_stream(wide, *source, calibrated("x.npy", Precision::int8)); });
  EXPECT_FALSE(std::filesystem::exists(at("x.npy")));
}

TEST_F(EmbedStream, BinaryRowsHaveAnEighthOfTheColumns) {
  run({"tap"}, to("b.npy", Precision::binary));
  io::NpyFile npy(at("b.npy"));
  EXPECT_EQ(npy.type(), io::NpyType::int8);
  EXPECT_EQ(npy.cols(), 1u);
  run({"tap"}, to("b.jsonl", Precision::ubinary));
  io::JsonLineReader lines(at("b.jsonl"));
  ASSERT_TRUE(lines.next());
  EXPECT_EQ(*lines.find_number("/embedding/0"), npy.floats()[0] + 128);
}

TEST_F(EmbedStream, NamesWhatWasTruncated) {
  EmbedStreamReport report = run({"short", "a text of letters"}, limited("o.npy", 10, OnOverflow::truncate));
  EXPECT_EQ(report.truncated_count, 1u);
  ASSERT_EQ(report.truncated.size(), 1u);
  EXPECT_EQ(report.truncated[0].name, "text 1");
  EXPECT_EQ(report.truncated[0].tokens_dropped, 4u) << "14 letters";
  EXPECT_EQ(report.tokens_dropped, 4u);
}

TEST_F(EmbedStream, StopsAtOverflowWhereAskedAndLeavesNoFile) {
  std::string message = error_of(ErrorCode::invalid_argument, [&] {
    run({"short", "a text of letters"}, limited("o.npy", 10, OnOverflow::error));
  });
  EXPECT_NE(message.find("text 1"), std::string::npos) << message;
  EXPECT_NE(message.find("4 tokens more than the limit of 10"), std::string::npos) << message;
  EXPECT_FALSE(std::filesystem::exists(at("o.npy")));
}

TEST_F(EmbedStream, CutsLongItemsIntoRowsThatKnowTheirItem) {
  const Strings texts = {"short", "the tap drips now, the bread rises", "", "end"};
  EmbedStreamReport report = run(texts, limited("o.npy", 12, OnOverflow::chunk));
  EXPECT_EQ(report.item_count, 4u);
  EXPECT_EQ(report.truncated_count, 0u);
  EXPECT_EQ(report.items_output, at("o.items.npy"));
  EXPECT_EQ(io::NpyFile(at("o.items.npy")).floats(), (std::vector<float>{0, 1, 1, 1, 2, 3}));
  EXPECT_EQ(io::NpyFile(at("o.npy")).floats(),
            vectors_of({"short", "the tap drips", "now, the bread", "rises", "", "end"}));
  run(texts, limited("o.jsonl", 12, OnOverflow::chunk));
  io::JsonLineReader lines(at("o.jsonl"));
  ASSERT_TRUE(lines.next() && lines.next() && lines.next());
  EXPECT_EQ(*lines.find_number("index"), 2);
  EXPECT_EQ(*lines.find_number("item"), 1);
  // Two passes keep the items too.
  EmbedStreamOptions options = limited("q.npy", 12, OnOverflow::chunk);
  options.precision = Precision::int8;
  run(texts, options);
  EXPECT_EQ(io::NpyFile(at("q.items.npy")).floats(), (std::vector<float>{0, 1, 1, 1, 2, 3}));
}

TEST_F(EmbedStream, RefusesOptionsThatCannotWork) {
  error_of(ErrorCode::invalid_argument, [&] { run({"a"}, to("o.bin")); });
  error_of(ErrorCode::invalid_argument, [&] {
    EmbedStreamOptions options = to("o.npy");
    options.embed.dim = 9;
    run({"a"}, options);
  });
  error_of(ErrorCode::invalid_argument, [&] { run({"a"}, calibrated("o.npy", Precision::float32)); });
  error_of(ErrorCode::invalid_argument, [&] { parse_on_overflow("ignore"); });
}

TEST_F(EmbedStream, OfNothingIsAnEmptyArray) {
  auto source = open_text_source({.input = put("empty.txt", "")});
  for (Precision precision : {Precision::float32, Precision::uint8}) {
    EmbedStreamReport report = embed_stream(model, *source, to("o.npy", precision));
    EXPECT_EQ(report.row_count, 0u);
    EXPECT_EQ(io::NpyFile(at("o.npy")).rows(), 0u);
  }
}

}  // namespace
}  // namespace sextant::engine
