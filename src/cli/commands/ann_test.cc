// sextant ann as a user meets it: build, truth, search.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/files.h"
#include "base/json.h"
#include "base/random.h"
#include "io/truth_file.h"
#include "io/vector_file.h"
#include "program.h"

namespace sextant::cli {
namespace {

using testing::HasSubstr;
using tests::Outcome;
using tests::run_sextant;

constexpr size_t kRows = 3000;
constexpr size_t kDim = 24;

class AnnCommands : public testing::Test {
 protected:
  void SetUp() override {
    write("base.fbin", kRows, 1);
    write("queries.fbin", 50, 2);
  }
  std::string at(const std::string& name) const { return (folder_.path() / name).string(); }
  void write(const std::string& name, size_t rows, uint64_t seed) const {
    base::Random random(seed);
    std::vector<float> values(rows * kDim);
    for (float& value : values) value = static_cast<float>(random.normal());
    io::VectorFileWriter writer(at(name), kDim);
    writer.append(values);
    writer.finish();
  }
  Outcome build(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"ann",    "build",    "--input", at("base.fbin"), "--metric",
                                          "cosine", "--output", at("idx"), "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_sextant(arguments);
  }
  Outcome truth(const std::string& fraction = "1") const {
    return run_sextant({"ann", "truth", "--input", at("base.fbin"), "--queries", at("queries.fbin"), "--metric",
                        "cosine", "--k", "20", "--filter-fraction", fraction, "--output", at("truth")});
  }
  Outcome search(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"ann", "search", "--index", at("idx"), "--queries", at("queries.fbin")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_sextant(arguments);
  }
  static std::vector<nlohmann::json> lines(const std::string& text) {
    std::vector<nlohmann::json> out;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) out.push_back(base::parse_json(line));
    return out;
  }

 private:
  base::TemporaryFolder folder_;
};

TEST_F(AnnCommands, build_ends_with_a_line_of_figures) {
  const Outcome outcome = build();
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto line = lines(outcome.out).back();
  EXPECT_EQ(line["rows"], kRows);
  EXPECT_EQ(line["dim"], kDim);
  EXPECT_EQ(line["row_bytes"], kRows * kDim * 4);
  EXPECT_EQ(line["index_bytes"], std::filesystem::file_size(at("idx")));
  EXPECT_GT(line["build_s"], 0);
  EXPECT_GT(line["peak_memory_bytes"], 1 << 20);
}

TEST_F(AnnCommands, a_sweep_prints_a_line_for_each_breadth_and_finds_more_with_more) {
  ASSERT_EQ(build().status, 0);
  ASSERT_EQ(truth().status, 0);
  const Outcome outcome = search({"--truth", at("truth"), "--sweep"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto points = lines(outcome.out);
  ASSERT_GT(points.size(), 10u);
  for (const auto& point : points) {
    for (const char* key : {"setting", "recall", "qps", "p50_us", "p99_us", "plan"})
      EXPECT_TRUE(point.contains(key)) << key;
    EXPECT_EQ(point["plan"], "graph");
  }
  EXPECT_LT(points.front()["recall"], points.back()["recall"]);
  EXPECT_GT(points.back()["recall"], 0.98);
}

TEST_F(AnnCommands, exact_and_filtered_searches_equal_the_truth) {
  ASSERT_EQ(build().status, 0);
  for (const std::string fraction : {"1", "0.1", "0.01"}) {
    ASSERT_EQ(truth(fraction).status, 0);
    const Outcome exact = search(
        {"--truth", at("truth"), "--exact", "--filter-fraction", fraction, "--k", "20", "--output", at("found")});
    ASSERT_EQ(exact.status, 0) << exact.err;
    EXPECT_EQ(lines(exact.out).at(0)["recall"], 1.0);
    EXPECT_EQ(lines(exact.out).at(0)["plan"], "scan");
    const auto found = io::TruthFile::open(at("found")), wanted = io::TruthFile::open(at("truth"));
    ASSERT_EQ(found.queries(), 50u);
    for (size_t q = 0; q < 50; ++q) {
      EXPECT_TRUE(std::equal(found.ids(q).begin(), found.ids(q).end(), wanted.ids(q).begin())) << q;
    }
    const Outcome fast =
        search({"--truth", at("truth"), "--filter-fraction", fraction, "--batch", "7", "--threads", "2"});
    ASSERT_EQ(fast.status, 0) << fast.err;
    EXPECT_GE(lines(fast.out).at(0)["recall"], 0.85) << fraction;
  }
}

TEST_F(AnnCommands, hamming_reads_eight_components_a_byte_or_floats_of_zero_and_one) {
  // The same vectors both ways: component i is bit i % 8 of byte i / 8.
  const auto write_bits = [&](const std::string& bytes_name, const std::string& floats_name, uint32_t rows,
                              uint64_t seed) {
    const uint32_t row_bytes = 6;
    base::Random random(seed);
    std::string bytes(rows * row_bytes, 0);
    std::vector<float> floats;
    for (char& byte : bytes) {
      byte = static_cast<char>(random.below(256));
      for (unsigned i = 0; i < 8; ++i) floats.push_back(static_cast<float>(static_cast<uint8_t>(byte) >> i & 1));
    }
    std::string head(8, 0);
    std::memcpy(head.data(), &rows, 4);
    std::memcpy(head.data() + 4, &row_bytes, 4);
    base::write_file_atomically(at(bytes_name), head + bytes);
    io::VectorFileWriter writer(at(floats_name), 8 * row_bytes);
    writer.append(floats);
    writer.finish();
  };
  write_bits("bits.u8bin", "bits.fbin", 1100, 1);
  write_bits("asked.u8bin", "asked.fbin", 20, 2);
  std::vector<std::string> truths, found;
  for (const std::string ending : {".u8bin", ".fbin"}) {
    Outcome outcome = run_sextant({"ann", "build", "--input", at("bits" + ending), "--metric", "hamming", "--output",
                                   at("idx" + ending), "--quiet", "--kind", ending == ".fbin" ? "flat" : "graph"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(lines(outcome.out).back()["dim"], 48);
    outcome = run_sextant({"ann", "truth", "--input", at("bits" + ending), "--queries", at("asked" + ending),
                           "--metric", "hamming", "--k", "10", "--output", at("truth")});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    truths.push_back(base::read_file(at("truth")));
    outcome = run_sextant({"ann", "search", "--index", at("idx" + ending), "--queries", at("asked.u8bin"), "--truth",
                           at("truth"), "--breadth", "200", "--output", at("found")});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_GE(lines(outcome.out).at(0)["recall"], 0.95) << "by distance: many are equally far";
    outcome = run_sextant({"ann", "search", "--index", at("idx" + ending), "--queries", at("asked.fbin"), "--truth",
                           at("truth"), "--exact", "--output", at("found")});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(lines(outcome.out).at(0)["recall"], 1.0);
    EXPECT_EQ(base::read_file(at("found")), truths.back()) << "of equal distances the smaller number";
  }
  EXPECT_EQ(truths[0], truths[1]);
}

TEST_F(AnnCommands, hamming_refuses_what_is_no_bit) {
  for (const std::string command : {"build", "truth"}) {
    std::vector<std::string> arguments = {"ann",      command,   "--input",  at("base.fbin"),
                                          "--metric", "hamming", "--output", at("none")};
    if (command == "truth") arguments.insert(arguments.end(), {"--queries", at("queries.fbin")});
    const Outcome outcome = run_sextant(arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_THAT(outcome.err, HasSubstr(".fbin: vector 0: component 0 is "));
  }
  base::write_file_atomically(at("signed.i8bin"), std::string("\1\0\0\0\1\0\0\0\7", 9));
  Outcome outcome =
      run_sextant({"ann", "build", "--input", at("signed.i8bin"), "--metric", "hamming", "--output", at("none")});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("signed.i8bin: vectors of int8, expected uint8 (eight components a byte)"));
  outcome = run_sextant({"similarity", "a", "b", "--metric", "hamming"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("hamming compares vectors of bits"));
}

TEST_F(AnnCommands, name_what_is_wrong) {
  EXPECT_EQ(run_sextant({"ann"}).status, 2);
  Outcome outcome = build({"--memory", "1M"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("sextant: exhausted: --memory: 1048576 bytes, expected at least "));
  EXPECT_THAT(outcome.err, HasSubstr(" to build from 3000 rows of dim 24"));
  outcome = build({"--memory", "lots"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--memory: 'lots', expected a number of bytes such as 512M or 8G"));
  io::VectorFileWriter writer(at("nan.fbin"), 2);
  writer.append(std::vector<float>{1, 2, 3, std::numeric_limits<float>::quiet_NaN()});
  writer.finish();
  outcome = run_sextant({"ann", "build", "--input", at("nan.fbin"), "--output", at("nan.idx")});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("nan.fbin: vector 1: component 1 is nan, expected a finite number"));
  // Where nothing can be written is said before any vector is looked at.
  EXPECT_EQ(run_sextant({"ann", "build", "--input", at("nan.fbin"), "--output", at("none/idx")}).status, 3);
  ASSERT_EQ(build({"--memory", "1G"}).status, 0);
  outcome = search({"--filter-fraction", "0.3"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--filter-fraction: 0.3, expected 1 over a whole number"));
  EXPECT_EQ(search({"--truth", at("none")}).status, 3);
  outcome = run_sextant({"ann", "search", "--index", at("base.fbin"), "--queries", at("queries.fbin")});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("base.fbin: it is no index of Sextant"));
}

}  // namespace
}  // namespace sextant::cli
