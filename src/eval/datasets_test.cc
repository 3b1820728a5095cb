#include "eval/datasets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/files.h"
#include "sextant/error.h"

namespace sextant::eval {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class Datasets : public testing::Test {
 protected:
  fs::path write(const std::string& name, std::string_view content) {
    fs::path path = folder_.path() / name;
    base::make_folders(path.parent_path());
    base::write_file_atomically(path, content);
    return path;
  }
  const fs::path& folder() const { return folder_.path(); }

  template <class Call>
  void expect_error(ErrorCode code, Call call, const std::string& part_of_message) {
    try {
      call();
      FAIL() << "expected an error with: " << part_of_message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(part_of_message));
    }
  }

 private:
  base::TemporaryFolder folder_;
};

TEST_F(Datasets, StsBenchmarkRowsHaveSevenOrNineFieldsAndLiteralQuotes) {
  auto path = write("sts.csv",
                    "main\tMSR\t2012\t1\t2.500\tA \"cat\" sits.\t\"Open\n"
                    "main\tnews\t2016\t2\t4\tOne\tTwo\tlicence\tlicence\r\n");
  StsDataset dataset = read_sts_file(path);
  ASSERT_EQ(dataset.pairs.size(), 2u);
  EXPECT_EQ(dataset.pairs[0].score, 2.5);
  EXPECT_EQ(dataset.pairs[0].a, "A \"cat\" sits.");
  EXPECT_EQ(dataset.pairs[0].b, "\"Open");
  EXPECT_EQ(dataset.pairs[1].score, 4);
  EXPECT_EQ(dataset.pairs[1].b, "Two");
}

TEST_F(Datasets, SemEvalRowsAreScoreAndTwoSentencesAndUnscoredRowsAreCounted) {
  auto path = write("x.tsv", "0.6\tone\ttwo\n\tno\tscore\n3\tthree\tfour \n");
  StsDataset dataset = read_sts_file(path);
  ASSERT_EQ(dataset.pairs.size(), 2u);
  EXPECT_EQ(dataset.unscored_count, 1u);
  EXPECT_EQ(dataset.pairs[1].a, "three");
  EXPECT_EQ(dataset.pairs[1].b, "four ");
}

TEST_F(Datasets, AHeaderNamesTheColumnsOfAPairFile) {
  auto tabs = write("glue.tsv", "index\tsentence1\tsentence2\tscore\n0\tx\ty\t1.5\n");
  EXPECT_EQ(read_sts_file(tabs).pairs.at(0).score, 1.5);
  EXPECT_EQ(read_sts_file(tabs).pairs.at(0).b, "y");
  auto commas = write("p.csv", "sentence1,sentence2,score\n\"a, \"\"b\"\"\",c,0.25\n");
  EXPECT_EQ(read_sts_file(commas).pairs.at(0).a, "a, \"b\"");
  EXPECT_EQ(read_sts_file(commas).pairs.at(0).score, 0.25);
}

TEST_F(Datasets, JsonLinesHoldPairsUnderTheUsualNames) {
  auto path = write("p.jsonl",
                    "{\"sentence1\":\"x\",\"sentence2\":\"y\",\"score\":3}\n"
                    "{\"a\":\"p\",\"b\":\"q\",\"label\":0.5}\n"
                    "{\"a\":\"p\",\"b\":\"q\"}\n");
  StsDataset dataset = read_sts_file(path);
  ASSERT_EQ(dataset.pairs.size(), 2u);
  EXPECT_EQ(dataset.pairs[1].score, 0.5);
  EXPECT_EQ(dataset.pairs[1].a, "p");
  EXPECT_EQ(dataset.unscored_count, 1u);
}

TEST_F(Datasets, AFolderOfPairFilesIsReadInTheOrderOfNames) {
  write("sub/b.tsv", "1\tx\ty\n");
  write("a.tsv", "2\tx\ty\n");
  write("readme.txt", "not data\n");
  auto datasets = read_sts(folder());
  ASSERT_EQ(datasets.size(), 2u);
  EXPECT_EQ(datasets[0].pairs[0].score, 2);
  EXPECT_THAT(datasets[1].name, HasSubstr("b.tsv"));
}

TEST_F(Datasets, BrokenPairFilesAreRefusedWithFileAndLine) {
  auto refuse = [&](const char* name, const char* content, const char* message) {
    auto path = write(name, content);
    expect_error(
        ErrorCode::corrupted, [&] { read_sts_file(path); }, message);
    expect_error(
        ErrorCode::corrupted, [&] { read_sts_file(path); }, name);
  };
  refuse("1.tsv", "1\ta\tb\nx\ta\tb\n", "line 2: the score is 'x', expected a number");
  refuse("2.tsv", "1\ta\tb\n2\ta\n", "line 2: 2 fields, expected at least 3");
  refuse("3.tsv", "1\ta\n", "line 1: 2 tab-separated fields");
  refuse("4.tsv", "nan\ta\tb\n", "line 1: the score is 'nan'");
  refuse("5.csv", "x,y\n1,2\n", "line 1: the columns are 'x, y'");
  refuse("6.jsonl", "{\"a\":\"x\"}\n", "line 1: has no field b or sentence2");
  refuse("7.jsonl", "{\"a\":\"x\",\"b\":\"y\",\"score\":\"high\"}\n", "line 1: field 'score' is not a number");
  refuse("8.jsonl", "{\"a\":\"x\"\n", "line 1");
  refuse("9.tsv", "", "holds no scored pair");
}

TEST_F(Datasets, WhatIsNotThereOrNotPairsIsSaid) {
  expect_error(
      ErrorCode::not_found, [&] { read_sts(folder() / "absent.tsv"); }, "absent.tsv does not exist");
  expect_error(
      ErrorCode::not_found, [&] { read_sts(folder()); }, "holds no .csv, .tsv or .jsonl");
  auto path = write("x.pdf", "x");
  expect_error(
      ErrorCode::invalid_argument, [&] { read_sts(path); }, "x.pdf: not a pair file");
}

constexpr const char* kCranfieldDocuments =
    ".I 1\n.T\nthe wing\nin air .\n.A\nsomebody\n.B\njournal\n.W\nthe wing in air .\n  it flies .\n"
    ".I 2\n.T\n.A\n.B\n.W\n"
    ".I 10\n.T\nshock\n.A\n.B\n.W\nfirst\n.A\nsecond\n.W\nthird\n";

TEST_F(Datasets, ACranfieldQueryIsNumberedByItsPositionAndEveryListedCodeIsRelevant) {
  write("cran.all.1400", kCranfieldDocuments);
  write("cran.qry", ".I 001\n.W\nhow do\nwings fly .\n.I 004\n.W\nshocks .\n.I 9\n.W\nunjudged .\n");
  write("cranqrel", "1 1 2 \n1 10 -1\n2 10 4\n2 77 3\n");
  RetrievalDataset dataset = read_retrieval(folder());
  EXPECT_EQ(dataset.format, "Cranfield");
  EXPECT_THAT(dataset.document_ids, ElementsAre("1", "2", "10"));
  EXPECT_THAT(dataset.documents,
              ElementsAre("the wing in air . the wing in air . it flies .", "", "shock first second third"));
  EXPECT_THAT(dataset.query_ids, ElementsAre("1", "2"));
  EXPECT_THAT(dataset.queries, ElementsAre("how do wings fly .", "shocks ."));
  ASSERT_EQ(dataset.judgements[0].size(), 2u);
  for (const Judgement& judgement : dataset.judgements[0]) EXPECT_EQ(judgement.gain, 1);
  EXPECT_EQ(dataset.unjudged_query_count, 1u);
  EXPECT_EQ(dataset.unknown_document_count, 1u);
  EXPECT_TRUE(std::any_of(dataset.judgements[1].begin(), dataset.judgements[1].end(),
                          [](const Judgement& judgement) { return judgement.document == kUnknownDocument; }));
}

TEST_F(Datasets, BrokenCranfieldFilesAreRefusedWithFileAndLine) {
  write("cran.all.1400", kCranfieldDocuments);
  write("cran.qry", ".I 1\n.W\nwings\n");
  write("cranqrel", "1 1 2\n1 one 2\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_retrieval(folder()); }, "cranqrel: line 2: '1 one 2', expected three");
  write("cranqrel", "5 1 2\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_retrieval(folder()); }, "none of its 1 judged queries");
  write("cran.qry", ".I x\n.W\nwings\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_retrieval(folder()); }, "cran.qry: line 1: '.I x', expected '.I number'");
  write("cran.all.1400", ".I 1\n.W\nx\n.I 1\n.W\ny\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_retrieval(folder()); }, "line 4: document '1' was already in line 1");
}

TEST_F(Datasets, ABeirFolderIsReadWithTitleAndTextJoined) {
  write("corpus.jsonl",
        "{\"_id\":\"d1\",\"title\":\"Taps\",\"text\":\"They "
        "drip.\"}\n{\"_id\":\"d2\",\"title\":\"\",\"text\":\"Pipes\"}\n"
        "{\"_id\":7,\"text\":\"No title\"}\n");
  write("queries.jsonl", "{\"_id\":\"q1\",\"text\":\"drip\"}\n{\"_id\":\"q2\",\"text\":\"other split\"}\n");
  write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\t7\t0\nq9\td1\t1\n");
  write("qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq2\td2\t1\n");
  RetrievalDataset dataset = read_retrieval(folder());
  EXPECT_EQ(dataset.format, "BEIR");
  EXPECT_THAT(dataset.documents, ElementsAre("Taps They drip.", "Pipes", "No title"));
  EXPECT_THAT(dataset.query_ids, ElementsAre("q1"));
  ASSERT_EQ(dataset.judgements[0].size(), 2u);
  EXPECT_EQ(dataset.judgements[0][0].document, 2u);  // "7" sorts before "d1"
  EXPECT_EQ(dataset.judgements[0][0].gain, 0);
  EXPECT_EQ(dataset.judgements[0][1].gain, 2);
  EXPECT_EQ(dataset.unjudged_query_count, 1u);
  EXPECT_EQ(dataset.unknown_query_count, 1u);
  EXPECT_THAT(read_retrieval(folder(), {.split = "dev"}).query_ids, ElementsAre("q2"));
}

TEST_F(Datasets, BrokenBeirFoldersAreRefusedWithFileAndLine) {
  expect_error(
      ErrorCode::not_found, [&] { read_retrieval(folder()); }, "holds neither corpus.jsonl");
  write("corpus.jsonl", "{\"_id\":\"d1\",\"text\":\"x\"}\n");
  write("queries.jsonl", "{\"_id\":\"q1\",\"text\":\"x\"}\n");
  write("qrels/train.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td1\t0\n");
  expect_error(
      ErrorCode::not_found, [&] { read_retrieval(folder()); }, "there is train.tsv");
  expect_error(
      ErrorCode::corrupted, [&] { read_retrieval(folder(), {.split = "train"}); },
      "train.tsv: line 3: judges document 'd1' for query 'q1' a second time");
  write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1 d1 1\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_retrieval(folder()); }, "test.tsv: line 2: 'q1 d1 1', expected three");
  write("queries.jsonl", "{\"_id\":\"q1\"}\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_retrieval(folder()); }, "line 1: has no field 'text'");
  write("corpus.jsonl", "{\"_id\":\"d1\",\"text\":\"x\"}\n{\"_id\":\"d1\",\"text\":\"x\"}\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_retrieval(folder()); }, "line 2: document 'd1' was already in line 1");
}

TEST_F(Datasets, LabelledCsvHasQuotedFieldsAndLabelsSortedByName) {
  write("train.csv", "text,category\n\"Where, \"\"exactly\"\"\nis it?\",lost\nhello,greeting\n");
  write("test.csv", "text,category\nhi,greeting\nnew,unseen\n");
  ClassificationDataset dataset = read_classification(folder());
  EXPECT_THAT(dataset.label_names, ElementsAre("greeting", "lost", "unseen"));
  EXPECT_THAT(dataset.train.texts, ElementsAre("Where, \"exactly\"\nis it?", "hello"));
  EXPECT_THAT(dataset.train.labels, ElementsAre(1u, 0u));
  EXPECT_THAT(dataset.test.labels, ElementsAre(0u, 2u));
}

TEST_F(Datasets, ACsvWithoutAHeaderIsLabelAndText) {
  write("train.csv", "3,Title,Body text\n1,\"A, b\",c\n");
  write("test.csv", "3,x,y\n");
  ClassificationDataset dataset = read_classification(folder());
  EXPECT_THAT(dataset.label_names, ElementsAre("1", "3"));
  EXPECT_THAT(dataset.train.texts, ElementsAre("Title Body text", "A, b c"));
}

TEST_F(Datasets, LabelledJsonLinesTakeNumbersAndNamesAsLabelsAndColumnsByName) {
  write("train.jsonl", "{\"text\":\"a\",\"label\":4}\n{\"text\":\"b\",\"label\":\"x\",\"say\":\"B\",\"as\":\"y\"}\n");
  write("test.jsonl", "{\"text\":\"a\",\"label\":4,\"say\":\"A\",\"as\":\"y\"}\n");
  EXPECT_THAT(read_classification(folder()).label_names, ElementsAre("4", "x"));
  expect_error(
      ErrorCode::corrupted,
      [&] {
        read_classification(folder(), {"say", "as"});
      },
      "train.jsonl: line 1: has no field 'say'");
}

TEST_F(Datasets, ClincsJsonIsReadWithoutItsOutOfScopeParts) {
  auto path = write("data.json", R"({"oos_val":[["z","oos"]],"train":[["a","x"],["b","y"]],"test":[["c","y"]]})");
  ClassificationDataset dataset = read_classification(path);
  EXPECT_THAT(dataset.label_names, ElementsAre("x", "y"));
  EXPECT_THAT(dataset.test.texts, ElementsAre("c"));
}

TEST_F(Datasets, BrokenLabelledFilesAreRefusedWithFileAndLine) {
  expect_error(
      ErrorCode::not_found, [&] { read_classification(folder()); }, "has no train.csv");
  write("test.csv", "text,category\nx,y\n");
  write("train.csv", "text,category\nx,\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_classification(folder()); }, "train.csv: line 2: the label is empty");
  write("train.csv", "foo,bar\nx,y\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_classification(folder()); }, "the columns are 'foo, bar'");
  expect_error(
      ErrorCode::invalid_argument,
      [&] {
        read_classification(folder(), {"foo", "baz"});
      },
      "no column 'baz'");
  write("train.csv", "text,category\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_classification(folder()); }, "train.csv: holds no row");
  write("train.csv", "text,category\nx,\"y\n");
  expect_error(
      ErrorCode::corrupted, [&] { read_classification(folder()); }, "line 2");
  auto json = write("d.json", R"({"train":[["a"]],"test":[]})");
  expect_error(
      ErrorCode::corrupted, [&] { read_classification(json); }, "item 0 of 'train' is not [text, label]");
  auto half = write("h.json", R"({"train":[["a")");
  expect_error(
      ErrorCode::corrupted, [&] { read_classification(half); }, "not valid JSON");
}

// The real files, where they are.

fs::path shared(const char* path) { return fs::path(SEXTANT_SHARED_DIR) / "data/eval" / path; }

TEST(RealDatasets, StsBenchmarkHasItsKnownSizes) {
  if (!fs::exists(shared("stsbenchmark"))) GTEST_SKIP() << "no STS Benchmark in SEXTANT_SHARED_DIR";
  EXPECT_EQ(read_sts_file(shared("stsbenchmark/sts-test.csv")).pairs.size(), 1379u);
  EXPECT_EQ(read_sts_file(shared("stsbenchmark/sts-dev.csv")).pairs.size(), 1500u);
  EXPECT_EQ(read_sts(shared("stsbenchmark")).size(), 3u);
}

TEST(RealDatasets, SemEvalFilesHaveTheirKnownSizes) {
  if (!fs::exists(shared("sts"))) GTEST_SKIP() << "no SemEval STS in SEXTANT_SHARED_DIR";
  std::vector<size_t> sizes;
  for (const auto& dataset : read_sts(shared("sts/2013"))) sizes.push_back(dataset.pairs.size());
  EXPECT_THAT(sizes, ElementsAre(189u, 561u, 750u));
}

TEST(RealDatasets, CranfieldHasItsKnownSizes) {
  if (!fs::exists(shared("cranfield"))) GTEST_SKIP() << "no Cranfield in SEXTANT_SHARED_DIR";
  RetrievalDataset dataset = read_retrieval(shared("cranfield"));
  EXPECT_EQ(dataset.documents.size(), 1400u);
  EXPECT_EQ(dataset.queries.size(), 225u);
  size_t judgement_count = 0;
  for (const auto& judgements : dataset.judgements) judgement_count += judgements.size();
  EXPECT_EQ(judgement_count, 1837u);
  EXPECT_EQ(dataset.unknown_document_count, 0u);
  EXPECT_EQ(std::count(dataset.documents.begin(), dataset.documents.end(), ""), 2);  // 471 and 995
}

TEST(RealDatasets, Banking77HasItsKnownSizes) {
  if (!fs::exists(shared("banking77"))) GTEST_SKIP() << "no Banking77 in SEXTANT_SHARED_DIR";
  ClassificationDataset dataset = read_classification(shared("banking77"));
  EXPECT_EQ(dataset.label_names.size(), 77u);
  EXPECT_EQ(dataset.train.texts.size(), 10003u);
  EXPECT_EQ(dataset.test.texts.size(), 3080u);
}

TEST(RealDatasets, Clinc150HasItsKnownSizes) {
  if (!fs::exists(shared("clinc150"))) GTEST_SKIP() << "no CLINC150 in SEXTANT_SHARED_DIR";
  ClassificationDataset dataset = read_classification(shared("clinc150/data_full.json"));
  EXPECT_EQ(dataset.label_names.size(), 150u);
  EXPECT_EQ(dataset.train.texts.size(), 15000u);
  EXPECT_EQ(dataset.test.texts.size(), 4500u);
}

}  // namespace
}  // namespace sextant::eval
