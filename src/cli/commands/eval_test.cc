// sextant eval as a user meets it: what it prints, where, and how it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/json.h"
#include "program.h"

namespace sextant::cli {
namespace {

using testing::HasSubstr;
using tests::Outcome;
using tests::run_sextant;

class EvalCommand : public testing::Test {
 protected:
  std::string write(const std::string& name, std::string_view content) {
    auto path = folder_.path() / name;
    base::make_folders(path.parent_path());
    base::write_file_atomically(path, content);
    return path.string();
  }
  std::string folder() const { return folder_.path().string(); }

 private:
  base::TemporaryFolder folder_;
};

constexpr const char* kPairs =
    "5\tthe dog sleeps\tthe dog sleeps\n"
    "3\tthe dog sleeps\ta dog is sleeping in the house\n"
    "0\tthe dog sleeps\tinterest rates rose in the third quarter\n";

TEST_F(EvalCommand, SimilarityPrintsATableAndOneLineThatStatesTheProtocol) {
  Outcome outcome = run_sextant({"eval", "sts", "--data", write("pairs.tsv", kPairs)});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("spearman"));
  EXPECT_THAT(outcome.out, HasSubstr("1.0000"));
  EXPECT_THAT(outcome.out, HasSubstr("\nprotocol: 3 pairs; "));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(EvalCommand, SeveralFilesGetAMean) {
  write("a.tsv", kPairs);
  write("b.tsv", kPairs);
  Outcome outcome = run_sextant({"eval", "sts", "--data", folder()});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("mean of the sets"));
}

TEST_F(EvalCommand, JsonHoldsNumbersAndTheProtocol) {
  Outcome outcome = run_sextant(
      {"eval", "sts", "--json", "--dim", "32", "--against", "builtin", "--data", write("pairs.tsv", kPairs)});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  auto json = base::parse_json(outcome.out);
  EXPECT_EQ(json["task"], "sts");
  EXPECT_EQ(json["dim"], 32);
  EXPECT_NEAR(json["results"][0]["spearman"].get<double>(), 1, 1e-12);
  EXPECT_EQ(json["results"][0]["pairs"], 3);
  EXPECT_EQ(json["results"][0]["against"]["difference"], 0);
  EXPECT_THAT(json["results"][0]["protocol"].get<std::string>(), HasSubstr("Spearman with average ranks"));
}

TEST_F(EvalCommand, RetrievalRanksABeirFolder) {
  write("corpus.jsonl",
        "{\"_id\":\"d1\",\"title\":\"Dogs\",\"text\":\"A dog barks.\"}\n"
        "{\"_id\":\"d2\",\"title\":\"Money\",\"text\":\"Interest rates rose.\"}\n");
  write("queries.jsonl", "{\"_id\":\"q\",\"text\":\"why does my dog bark\"}\n");
  write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq\td1\t1\n");
  Outcome outcome = run_sextant({"eval", "retrieval", "--json", "--data", folder()});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  auto json = base::parse_json(outcome.out);
  EXPECT_EQ(json["results"][0]["ndcg@10"], 1);
  EXPECT_EQ(json["results"][0]["documents"], 2);
}

TEST_F(EvalCommand, ClassificationKnowsBothProtocols) {
  write("train.csv",
        "text,label\na dog barks,animals\nthe cat sleeps,animals\ninterest rates,money\na bank loan,money\n");
  write("test.csv", "text,label\ndogs and cats,animals\nloan interest,money\n");
  for (const char* protocol : {"centroid", "mteb"}) {
    Outcome outcome = run_sextant({"eval", "classify", "--json", "--protocol", protocol, "--data", folder()});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(base::parse_json(outcome.out)["results"][0]["accuracy"], 1) << protocol;
  }
}

TEST_F(EvalCommand, WrongUsageAndMissingOrBrokenDataEndWithTheirStatusAndOneLine) {
  auto expect = [](const std::vector<std::string>& arguments, int status, const char* message) {
    Outcome outcome = run_sextant(arguments);
    EXPECT_EQ(outcome.status, status);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
  };
  expect({"eval", "sts"}, 2, "sextant: invalid_argument: --data is required");
  expect({"eval", "classify", "--data", folder(), "--protocol", "knn"}, 2, "'knn' is none of centroid, mteb");
  expect({"eval", "sts", "--data", folder() + "/absent.tsv"}, 3, "absent.tsv does not exist");
  std::string broken = write("broken.tsv", "1\ta\tb\nhigh\ta\tb\n");
  expect({"eval", "sts", "--data", broken}, 4, "broken.tsv: line 2: the score is 'high'");
  std::string pairs = write("pairs.tsv", kPairs);
  expect({"eval", "sts", "--data", pairs, "--dim", "100000"}, 2, "100000 dimensions were asked for");
}

}  // namespace
}  // namespace sextant::cli
