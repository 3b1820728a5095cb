#include "eval/tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>

#include "base/random.h"
#include "sextant/error.h"

namespace sextant::eval {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

// A model whose texts are their own vectors: "0.6 0.8" is (0.6, 0.8). Missing numbers are 0.
class NumbersModel : public Embedder {
 public:
  explicit NumbersModel(size_t dim) : dim_(dim) {}

  void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
             EmbedReport* report) const override {
    size_t dim = options.dim ? options.dim : dim_;
    for (size_t i = 0; i < texts.size(); ++i) {
      std::string text = options.prompt + std::string(texts[i]);
      std::vector<float> values;
      const char* at = text.data();
      const char* end = at + text.size();
      while (at < end) {
        float value = 0;
        auto parsed = std::from_chars(at, end, value);
        values.push_back(value);
        at = parsed.ptr + 1;
      }
      if (report && values.empty()) report->empty.push_back(i);
      if (report) report->token_count += values.size();
      values.resize(dim);
      double squares = 0;
      for (float value : values) squares += static_cast<double>(value) * value;
      for (size_t d = 0; d < dim; ++d) {
        out[i * dim + d] =
            options.normalize && squares > 0 ? static_cast<float>(values[d] / std::sqrt(squares)) : values[d];
      }
    }
  }
  Explanation explain(std::string_view, const EmbedOptions&) const override { return {}; }
  size_t dim() const override { return dim_; }
  size_t max_length() const override { return 0; }
  const Tokenizer& tokenizer() const override { throw Error(ErrorCode::unsupported, "numbers have no tokenizer"); }
  const std::string& name() const override { return name_; }
  const std::string& hash() const override { return name_; }
  Metric similarity() const override { return Metric::cosine; }
  const std::vector<std::pair<std::string, std::string>>& prompts() const override { return prompts_; }
  std::vector<std::string> words() const override { return {}; }

  std::vector<std::pair<std::string, std::string>> prompts_;

 private:
  size_t dim_;
  std::string name_ = "numbers";
};

std::string numbers(std::initializer_list<double> values) {
  std::string text;
  for (double value : values) text += (text.empty() ? "" : " ") + std::to_string(value);
  return text;
}

std::string random_text(base::Random& random, size_t dim) {
  std::string text;
  for (size_t d = 0; d < dim; ++d) text += (d ? " " : "") + std::to_string(random.normal());
  return text;
}

// --- similarity ---

StsDataset four_pairs() {
  // Cosines 1, 0.8, 0.6, 0.
  return {"four", {{"1 0", "2 0", 5}, {"1 0", "0.8 0.6", 3}, {"1 0", "0.6 0.8", 4}, {"1 0", "0 1", 0}}, 0};
}

TEST(StsTask, ScoresAreTheCorrelationsOfCosinesWithGold) {
  StsResult result = run_sts(NumbersModel(2), four_pairs());
  EXPECT_THAT(result.cosine, ElementsAre(DoubleNear(1, 1e-7), DoubleNear(0.8, 1e-7), DoubleNear(0.6, 1e-7), 0));
  // Ranks (4, 3, 2, 1) against (4, 2, 3, 1).
  EXPECT_NEAR(result.spearman, 1 - 6.0 * 2 / (4 * 15), 1e-12);
  EXPECT_NEAR(result.pearson, pearson(std::vector<double>{1, 0.8, 0.6, 0}, std::vector<double>{5, 3, 4, 0}), 1e-7);
  EXPECT_EQ(result.items, "4 pairs");
  EXPECT_THAT(result.protocol, HasSubstr("Spearman with average ranks"));
}

TEST(StsTask, FewerDimensionsAreWhatTheEmbedderIsAskedForAndTheProtocolSaysSo) {
  StsDataset dataset{"cut", {{"1 0 9", "1 0 -9", 5}, {"1 0 9", "0.6 0.8 9", 1}, {"1 0 9", "0 1 9", 0}}, 0};
  StsResult cut = run_sts(NumbersModel(3), dataset, {.embed = {.dim = 2}});
  EXPECT_NEAR(cut.spearman, 1, 1e-12);
  EXPECT_LT(run_sts(NumbersModel(3), dataset).spearman, 0);
  EXPECT_THAT(cut.protocol, HasSubstr("first 2 of 3 dimensions"));
}

TEST(StsTask, MoreDimensionsThanTheModelHasAreRefused) {
  try {
    run_sts(NumbersModel(2), four_pairs(), {.embed = {.dim = size_t{1} << 60}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("model numbers has 2"));
  }
}

TEST(StsTask, LeftOutPairsAndEmptyTextsAreCounted) {
  StsDataset dataset = four_pairs();
  dataset.unscored_count = 3;
  dataset.pairs[3].b = "";
  StsResult result = run_sts(NumbersModel(2), dataset);
  EXPECT_EQ(result.counts.empty_count, 1u);
  EXPECT_EQ(result.counts.text_count, 8u);
  EXPECT_EQ(result.cosine[3], 0);
  EXPECT_THAT(result.items, HasSubstr("3 without a gold score left out"));
}

TEST(StsTask, AVectorThatIsNotFiniteIsAnError) {
  StsDataset dataset = four_pairs();
  dataset.pairs[1].b = "nan 1";
  try {
    run_sts(NumbersModel(2), dataset);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_THAT(error.what(), HasSubstr("text 3 holds nan"));
  }
}

TEST(StsTask, ABetterModelIsCalledBetterAndTheSameModelTheSame) {
  StsDataset dataset{"many", {}, 0};
  base::Random random(3);
  for (int i = 0; i < 200; ++i) {
    double angle = random.uniform() * 3;
    dataset.pairs.push_back({"1 0 0", numbers({std::cos(angle), std::sin(angle), random.normal()}), 3 - angle});
  }
  StsResult good = run_sts(NumbersModel(3), dataset, {.embed = {.dim = 2}});
  StsResult noisy = run_sts(NumbersModel(3), dataset);
  BootstrapResult result = compare(good, noisy, {.resample_count = 200});
  EXPECT_NEAR(result.difference, good.spearman - noisy.spearman, 1e-12);
  EXPECT_GT(result.low, 0);
  EXPECT_LT(result.p_value, 0.02);
  EXPECT_EQ(compare(good, good, {.resample_count = 20}).high, 0);
}

TEST(StsTask, ResultsOfDifferentPairsAreNotCompared) {
  StsDataset other = four_pairs();
  other.pairs[0].score = 4.5;
  StsResult a = run_sts(NumbersModel(2), four_pairs()), b = run_sts(NumbersModel(2), other);
  EXPECT_THROW(compare(a, b), Error);
}

// --- retrieval ---

TEST(RetrievalTask, MeasuresOfASmallCollectionAreWhatTheyAreByHand) {
  RetrievalDataset dataset;
  dataset.name = "small";
  dataset.document_ids = {"10", "9", "x", "far"};
  dataset.documents = {"0.8 0.6", "0.8 0.6", "1 0", "-1 0"};
  dataset.query_ids = {"q1", "q2"};
  dataset.queries = {"1 0", "0 1"};
  // q1 ranks x, then 9 before 10 (a tie, ids descending as bytes), then far.
  // q2 ranks 9, 10 (0.6), then x before far (0 both, ids descending).
  dataset.judgements = {{{0, 2}, {1, 1}}, {{2, 1}, {kUnknownDocument, 1}, {3, 0}}};
  RetrievalResult result = run_retrieval(NumbersModel(2), dataset);
  double q1 = (1 / std::log2(3) + 2 / std::log2(4)) / (2 + 1 / std::log2(3));
  double q2 = (1 / std::log2(4)) / (1 + 1 / std::log2(3));
  EXPECT_THAT(result.ndcg_10_by_query, ElementsAre(DoubleNear(q1, 1e-12), DoubleNear(q2, 1e-12)));
  EXPECT_NEAR(result.ndcg_10, (q1 + q2) / 2, 1e-12);
  EXPECT_NEAR(result.map, ((1.0 / 2 + 2.0 / 3) / 2 + (1.0 / 3) / 2) / 2, 1e-12);
  EXPECT_NEAR(result.recall_100, (1 + 0.5) / 2, 1e-12);
  EXPECT_NEAR(result.mrr_10, (1.0 / 2 + 1.0 / 3) / 2, 1e-12);
  EXPECT_EQ(result.judgement_count, 5u);
}

TEST(RetrievalTask, AQueryWithoutARelevantDocumentScoresZeroAndIsMentioned) {
  RetrievalDataset dataset{.name = "none",
                           .document_ids = {"a", "b"},
                           .documents = {"1 0", "0 1"},
                           .query_ids = {"q1", "q2"},
                           .queries = {"1 0", "1 0"},
                           .judgements = {{{0, 1}}, {{0, 0}}}};
  RetrievalResult result = run_retrieval(NumbersModel(2), dataset);
  EXPECT_EQ(result.ndcg_10, 0.5);
  EXPECT_EQ(result.no_relevant_count, 1u);
  EXPECT_THAT(result.items, HasSubstr("1 queries without a relevant document scored 0"));
}

TEST(RetrievalTask, DocumentsBelowTheDepthAreNotFound) {
  RetrievalDataset dataset{.name = "deep",
                           .document_ids = {"a", "b", "c"},
                           .documents = {"1 0", "0.8 0.6", "0 1"},
                           .query_ids = {"q"},
                           .queries = {"1 0"},
                           .judgements = {{{2, 1}}}};
  RetrievalOptions options;
  EXPECT_NEAR(run_retrieval(NumbersModel(2), dataset, options).map, 1.0 / 3, 1e-12);
  options.depth = 2;
  EXPECT_EQ(run_retrieval(NumbersModel(2), dataset, options).map, 0);
}

TEST(RetrievalTask, ALongVectorIsNoNearerThanAShortOne) {
  RetrievalDataset dataset{.name = "long",
                           .document_ids = {"long", "near"},
                           .documents = {"60 80", "0.8 0.6"},
                           .query_ids = {"q"},
                           .queries = {"1 0"},
                           .judgements = {{{1, 1}}}};
  RetrievalOptions options;
  options.embed.normalize = false;
  EXPECT_EQ(run_retrieval(NumbersModel(2), dataset, options).mrr_10, 1);
}

TEST(RetrievalTask, TheRankingOfManyTiesIsTrecEvals) {
  base::Random random(17);
  std::vector<std::string> ids;
  std::vector<float> scores;
  for (int i = 0; i < 500; ++i) {
    ids.push_back(std::to_string(i));
    scores.push_back(static_cast<float>(random.below(20)) / 20);
  }
  std::vector<ScoredDocument> slow;
  for (size_t i = 0; i < ids.size(); ++i) slow.push_back({ids[i], scores[i]});
  sort_as_trec_eval(slow);

  std::vector<uint32_t> by_id(ids.size()), places(ids.size());
  for (uint32_t i = 0; i < ids.size(); ++i) by_id[i] = i;
  std::sort(by_id.begin(), by_id.end(), [&](uint32_t a, uint32_t b) { return ids[a] > ids[b]; });
  for (uint32_t place = 0; place < by_id.size(); ++place) places[by_id[place]] = place;
  for (size_t depth : {0, 1, 100, 500, 1000}) {
    auto fast = rank_documents(scores, places, depth);
    ASSERT_EQ(fast.size(), std::min<size_t>(depth, 500));
    for (size_t rank = 0; rank < fast.size(); ++rank) EXPECT_EQ(ids[fast[rank]], slow[rank].id) << "rank " << rank;
  }
}

TEST(RetrievalTask, TheModelsOwnPromptsAreUsedUnlessOthersAreGiven) {
  // A prompt of "0 " moves a text's numbers one dimension on.
  RetrievalDataset dataset{.name = "prompted",
                           .document_ids = {"a", "b"},
                           .documents = {"1", "0 1"},
                           .query_ids = {"q"},
                           .queries = {"1"},
                           .judgements = {{{1, 1}}}};
  NumbersModel model(3);
  EXPECT_EQ(run_retrieval(model, dataset).mrr_10, 0.5);
  model.prompts_ = {{"query", "0 "}};
  RetrievalResult prompted = run_retrieval(model, dataset);
  EXPECT_EQ(prompted.mrr_10, 1);
  EXPECT_THAT(prompted.protocol, HasSubstr("queries with prompt '0 ', documents with no prompt"));
  RetrievalOptions plain;
  plain.query_prompt = "";
  EXPECT_EQ(run_retrieval(model, dataset, plain).mrr_10, 0.5);
}

RetrievalDataset random_collection() {
  RetrievalDataset dataset;
  dataset.name = "random";
  base::Random random(1);
  for (uint32_t i = 0; i < 700; ++i) {
    dataset.document_ids.push_back(std::to_string(i));
    dataset.documents.push_back(random_text(random, 5));
  }
  for (uint32_t q = 0; q < 40; ++q) {
    dataset.query_ids.push_back(std::to_string(q));
    dataset.queries.push_back(random_text(random, 5));
    dataset.judgements.push_back({{static_cast<uint32_t>(random.below(700)), 1}, {q, 2}});
  }
  return dataset;
}

TEST(RetrievalTask, TheNumberOfThreadsChangesNothing) {
  RetrievalDataset dataset = random_collection();
  RetrievalOptions one, three;
  one.thread_count = 1;
  three.thread_count = 3;
  RetrievalResult a = run_retrieval(NumbersModel(5), dataset, one), b = run_retrieval(NumbersModel(5), dataset, three);
  EXPECT_EQ(a.ndcg_10_by_query, b.ndcg_10_by_query);
  EXPECT_EQ(a.map, b.map);
  EXPECT_EQ(a.counts.token_count, b.counts.token_count);
}

TEST(RetrievalTask, ProgressGrowsToItsTotalForEachStretch) {
  struct Listener : base::Progress {
    void begin(std::string_view what, std::string_view, uint64_t total) override {
      stretches.push_back({std::string(what), total});
      last = 0;
    }
    void report(uint64_t done) override {
      grows = grows && done > last;
      last = done;
    }
    void remark(std::string_view) override {}
    void end() override { complete = complete && last == stretches.back().second; }
    std::vector<std::pair<std::string, uint64_t>> stretches;
    uint64_t last = 0;
    bool grows = true, complete = true;
  } listener;
  RetrievalOptions options;
  options.progress = &listener;
  options.thread_count = 2;
  run_retrieval(NumbersModel(5), random_collection(), options);
  EXPECT_THAT(listener.stretches, ElementsAre(std::pair<std::string, uint64_t>("embedding", 700),
                                              std::pair<std::string, uint64_t>("embedding", 40),
                                              std::pair<std::string, uint64_t>("ranking", 40)));
  EXPECT_TRUE(listener.grows);
  EXPECT_TRUE(listener.complete);
}

// --- classification ---

TEST(ClassificationTask, TheNearestCentroidWinsAndTiesGoToTheFirstName) {
  ClassificationDataset dataset;
  dataset.name = "centroids";
  dataset.label_names = {"east", "north", "nowhere"};
  // Unit vectors first: the long (0, 9) weighs no more than (1, 1) in north's centroid, which points between them.
  dataset.train = {{"1 0", "0 9", "1 1"}, {0, 1, 1}};
  // North's centroid is at 67.5 degrees, east's at 0: the border is at 33.75.
  dataset.test = {{"1 0.6", "1 0.7", "", "0 1"}, {0, 1, 0, 2}};
  ClassificationOptions options;
  options.embed.normalize = false;  // the protocol does it, whatever the model does
  ClassificationResult result = run_classification(NumbersModel(2), dataset, options);
  EXPECT_THAT(result.correct_by_item, ElementsAre(1, 1, 1, 0));  // the empty text ties at 0 and goes to east
  EXPECT_EQ(result.accuracy, 0.75);
  // east: 2 of 2 and 2. north: 1 hit, 2 predicted, 1 expected. nowhere: 0.
  EXPECT_NEAR(result.macro_f1, (1 + 2.0 / 3 + 0) / 3, 1e-12);
  EXPECT_EQ(result.untrained_count, 1u);
  EXPECT_THAT(result.protocol, HasSubstr("nearest class centroid"));
  EXPECT_THAT(result.items, HasSubstr("1 test texts of labels without a training text"));
}

ClassificationDataset clusters(double spread) {
  ClassificationDataset dataset;
  dataset.name = "clusters";
  dataset.label_names = {"a", "b", "c", "unused"};
  base::Random random(23);
  auto fill = [&](LabelledTexts& texts, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      uint32_t label = static_cast<uint32_t>(i % 3);
      std::string text;
      for (uint32_t d = 0; d < 3; ++d) text += std::to_string((d == label) + spread * random.normal()) + " ";
      text.pop_back();
      texts.texts.push_back(text);
      texts.labels.push_back(label);
    }
  };
  fill(dataset.train, 300);
  fill(dataset.test, 150);
  return dataset;
}

TEST(ClassificationTask, LogisticRegressionLearnsClustersFromEightExamplesALabel) {
  ClassificationOptions options;
  options.protocol = ClassificationProtocol::mteb;
  ClassificationResult result = run_classification(NumbersModel(3), clusters(0.1), options);
  EXPECT_EQ(result.accuracy_by_run.size(), 10u);
  EXPECT_GT(result.accuracy, 0.99);
  EXPECT_THAT(result.protocol, HasSubstr("8 training texts a label, drawn 10 times by a shuffle with seed 42"));
}

TEST(ClassificationTask, OnlyTheDrawnTrainingTextsAreEmbedded) {
  ClassificationOptions options;
  options.protocol = ClassificationProtocol::mteb;
  options.run_count = 1;
  options.examples_per_label = 5;
  EXPECT_EQ(run_classification(NumbersModel(3), clusters(0.1), options).counts.text_count, 150u + 3 * 5);
}

TEST(ClassificationTask, TheSeedDecidesTheDrawsAndTheNumberOfThreadsNothing) {
  ClassificationDataset dataset = clusters(0.7);
  ClassificationOptions options;
  options.protocol = ClassificationProtocol::mteb;
  options.thread_count = 1;
  ClassificationResult one = run_classification(NumbersModel(3), dataset, options);
  EXPECT_LT(one.accuracy, 0.95);
  EXPECT_GT(one.accuracy, 0.5);
  options.thread_count = 3;
  EXPECT_EQ(one.correct_by_item, run_classification(NumbersModel(3), dataset, options).correct_by_item);
  options.seed = 43;
  EXPECT_NE(one.accuracy_by_run, run_classification(NumbersModel(3), dataset, options).accuracy_by_run);
}

TEST(ClassificationTask, RunsDifferBecauseEachDrawsAnew) {
  ClassificationOptions options;
  options.protocol = ClassificationProtocol::mteb;
  auto runs = run_classification(NumbersModel(3), clusters(0.7), options).accuracy_by_run;
  std::sort(runs.begin(), runs.end());
  EXPECT_LT(runs.front(), runs.back());
}

TEST(ClassificationTask, WhatMakesNoSenseIsRefused) {
  EXPECT_EQ(parse_protocol("mteb"), ClassificationProtocol::mteb);
  EXPECT_EQ(parse_protocol("centroid"), ClassificationProtocol::centroid);
  EXPECT_THROW(parse_protocol("knn"), Error);
  EXPECT_THROW(run_classification(NumbersModel(3), ClassificationDataset{}), Error);
  ClassificationOptions options;
  options.run_count = 0;
  EXPECT_THROW(run_classification(NumbersModel(3), clusters(0.1), options), Error);
}

}  // namespace
}  // namespace sextant::eval
