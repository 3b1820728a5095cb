// sextant index, search and embed as a user meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/files.h"
#include "base/json.h"
#include "io/npy.h"
#include "program.h"

namespace sextant::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using tests::Outcome;
using tests::run_sextant;

class Commands : public testing::Test {
 protected:
  void SetUp() override {
    put("docs/tap.md", "# A dripping tap\n\nTurn the water off first.\n\n## Washer\n\nReplace the worn washer.\n");
    put("docs/bread.txt", "Baking bread\n\nFlour, yeast and salt. Let the dough rise twice.\n");
    put("docs/scan.tiff", "II*");
  }
  std::string put(const std::string& name, std::string_view content) {
    auto path = folder_.path() / name;
    base::make_folders(path.parent_path());
    base::write_file_atomically(path, content);
    return path.string();
  }
  std::string at(const std::string& name) const { return (folder_.path() / name).string(); }
  Outcome index() { return run_sextant({"index", at("docs"), "--output", at("lib")}); }

 private:
  base::TemporaryFolder folder_;
};

std::vector<nlohmann::json> json_lines(const std::string& text) {
  std::vector<nlohmann::json> out;
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) out.push_back(base::parse_json(line));
  return out;
}

TEST_F(Commands, IndexSaysOnStderrWhatItDidAndWhatItSkipped) {
  Outcome outcome = index();
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("Indexed 2 documents as 3 passages"));
  EXPECT_THAT(outcome.err, HasSubstr("Skipped scan.tiff: has none of the endings"));
  EXPECT_EQ(run_sextant({"index", at("docs"), "--output", at("lib"), "--quiet"}).err, "");
  Outcome json = run_sextant({"index", at("docs"), "--output", at("lib"), "--quiet", "--json"});
  auto report = base::parse_json(json.out);
  EXPECT_EQ(report["documents"], 2);
  EXPECT_EQ(report["skipped"][0]["path"], "scan.tiff");
}

TEST_F(Commands, SearchShowsTitleScorePassageAndTime) {
  index();
  Outcome outcome = run_sextant({"search", at("lib"), "the tap drips", "--limit", "1"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith(" 1  0."));
  EXPECT_THAT(outcome.out, HasSubstr("A dripping tap"));
  EXPECT_THAT(outcome.out, HasSubstr("tap.md"));
  EXPECT_THAT(outcome.out, HasSubstr(" ms: "));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("bread")));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Commands, SearchGivesJsonForPrograms) {
  index();
  Outcome outcome = run_sextant({"search", at("lib"), "dough for a loaf", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  auto json = base::parse_json(outcome.out);
  EXPECT_EQ(json["query"], "dough for a loaf");
  EXPECT_EQ(json["exact"], true);
  ASSERT_EQ(json["hits"].size(), 2u);
  EXPECT_EQ(json["hits"][0]["path"], "bread.txt");
  EXPECT_EQ(json["hits"][0]["passage"], "Flour, yeast and salt. Let the dough rise twice.");
  EXPECT_GE(json["embed_ms"].get<double>(), 0);
  Outcome all = run_sextant({"search", at("lib"), "tap", "--json", "--all-passages"});
  EXPECT_EQ(base::parse_json(all.out)["hits"].size(), 3u);
}

TEST_F(Commands, SearchFindsItsLibraryInTheEnvironment) {
  index();
  ::setenv("SEXTANT_LIBRARY", at("lib").c_str(), 1);
  Outcome outcome = run_sextant({"search", "bread", "--json"});
  ::unsetenv("SEXTANT_LIBRARY");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(base::parse_json(outcome.out)["hits"][0]["path"], "bread.txt");
}

TEST_F(Commands, ALibraryIsACollectionLikeOthers) {
  index();
  const std::vector<std::string> of = {"--db", at("lib"), "--collection", "documents"};
  auto with = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), of.begin(), of.end());
    return run_sextant(arguments);
  };
  EXPECT_EQ(base::parse_json(with({"count", "--json"}).out)["count"], 3);
  const Outcome found =
      with({"search", "washer", "--json", "--filter", R"({"must": {"key": "path", "match": {"value": "bread.txt"}}})"});
  ASSERT_EQ(found.status, 0) << found.err;
  ASSERT_EQ(base::parse_json(found.out)["hits"].size(), 1u);
  put("docs/more.txt", "Ice skating\n\nSharpen the blades.\n");
  EXPECT_THAT(with({"add", at("docs"), "--chunk-tokens", "64"}).err, HasSubstr("passages of its own size"));
  EXPECT_THAT(with({"add", at("docs")}).err, HasSubstr("2 were there as they are"));
  const Outcome hit = run_sextant({"search", at("lib"), "skates", "--json", "--limit", "1"});
  EXPECT_EQ(base::parse_json(hit.out)["hits"][0]["path"], "more.txt");
  const Outcome again = index();
  EXPECT_THAT(again.err, HasSubstr("3 documents were in the library as they are, 0 are gone"));
}

TEST_F(Commands, ErrorsAreOneLineWithTheirStatus) {
  index();
  Outcome missing = run_sextant({"search", at("nothing"), "query"});
  EXPECT_EQ(missing.status, 3);
  EXPECT_THAT(missing.err, StartsWith("sextant: not_found: "));
  put("damaged",
      base::read_file(std::string(SEXTANT_SOURCE_DIR) + "/tests/fixtures/library-v1.sextant").substr(0, 700));
  Outcome damaged = run_sextant({"search", at("damaged"), "query"});
  EXPECT_EQ(damaged.status, 4);
  EXPECT_THAT(damaged.err, StartsWith("sextant: corrupted: "));
  EXPECT_EQ(run_sextant({"search"}).status, 2);
  EXPECT_EQ(run_sextant({"search", "a", "b", "c"}).status, 2);
  EXPECT_EQ(run_sextant({"search", at("lib"), "q", "--limit", "0"}).status, 2);
  EXPECT_EQ(run_sextant({"index", at("absent"), "--output", at("x")}).status, 3);
  EXPECT_EQ(run_sextant({"index", at("docs")}).status, 2);
  EXPECT_EQ(run_sextant({"embed"}).status, 2);
  EXPECT_EQ(run_sextant({"embed", "a", "--precision", "int3"}).status, 2);
  EXPECT_EQ(run_sextant({"embed", "a", "--prompt", "x", "--prompt-name", "y"}).status, 2);
  EXPECT_EQ(run_sextant({"embed", "a", "--prompt-name", "nowhere"}).status, 2);
  Outcome bad = run_sextant({"embed", "--input", put("bad.jsonl", "{\"text\":\"a\"}\n{\"text\":")});
  EXPECT_EQ(bad.status, 4);
  EXPECT_THAT(bad.err, HasSubstr("bad.jsonl: line 2"));
}

TEST_F(Commands, EmbedPrintsJsonLinesWithoutAnOutput) {
  Outcome outcome = run_sextant({"embed", "a tap", "a loaf of bread", "--dim", "16"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  auto lines = json_lines(outcome.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["index"], 1);
  EXPECT_EQ(lines[1].size(), 2u) << "index and embedding, nothing else";
  double length = 0;
  for (double value : lines[0]["embedding"]) length += value * value;
  EXPECT_EQ(lines[0]["embedding"].size(), 16u);
  EXPECT_NEAR(length, 1, 1e-5);
}

TEST_F(Commands, EmbedReadsStandardInputAndEveryFormatAlike) {
  Outcome lines = run_sextant({"embed", "--input", "-"}, "a tap\nbread\n");
  ASSERT_EQ(lines.status, 0) << lines.err;
  EXPECT_EQ(json_lines(lines.out).size(), 2u);
  EXPECT_EQ(run_sextant({"embed", "--input", "-", "--field", "t"}, "{\"t\":\"a tap\"}\n{\"t\":\"bread\"}\n").out,
            lines.out);
  EXPECT_EQ(run_sextant({"embed", "--input", "-", "--column", "t"}, "i,t\n1,a tap\n2,bread\n").out, lines.out);
  EXPECT_EQ(run_sextant({"embed", "a tap", "bread"}).out, lines.out);
  Outcome folder = run_sextant({"embed", "--input", at("docs"), "--output", at("docs.npy")});
  EXPECT_EQ(folder.status, 0) << folder.err;
  EXPECT_THAT(folder.err, HasSubstr("Skipped scan.tiff"));
  EXPECT_EQ(io::NpyFile(at("docs.npy")).rows(), 2u);
}

// More than eight tokens in any vocabulary.
constexpr const char* kLong = "a loaf of white bread with a golden crust and much butter on every slice";

TEST_F(Commands, EmbedSaysWhereTheRangesComeFromAndWhatWasTruncated) {
  Outcome outcome =
      run_sextant({"embed", "tap", kLong, "--precision", "int8", "--max-length", "8", "--output", at("q.npy")});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("The ranges of int8 are those of the 2 vectors of this input"));
  EXPECT_THAT(outcome.err, HasSubstr("Truncated text 1 (item 1): "));
  EXPECT_THAT(outcome.err, HasSubstr("1 of 2 items were truncated"));
  EXPECT_EQ(io::NpyFile(at("q.npy")).type(), io::NpyType::int8);
  Outcome stopped = run_sextant({"embed", kLong, "--max-length", "8", "--on-overflow", "error"});
  EXPECT_EQ(stopped.status, 2);
  EXPECT_THAT(stopped.err, HasSubstr("text 0 (item 0)"));
  EXPECT_EQ(stopped.out, "");
}

}  // namespace
}  // namespace sextant::cli
