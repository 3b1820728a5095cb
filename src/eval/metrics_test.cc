#include "eval/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "sextant/error.h"

namespace sextant::eval {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Values = std::vector<double>;
using Labels = std::vector<uint32_t>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Call>
void expect_refused(Call call, const char* part_of_message) {
  try {
    call();
    FAIL() << "expected an error with: " << part_of_message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr(part_of_message));
  }
}

TEST(Correlation, EqualValuesShareTheMeanOfTheirRanks) {
  EXPECT_THAT(average_ranks(Values{10, 20, 20, 5}), ElementsAre(2, 3.5, 3.5, 1));
  EXPECT_THAT(average_ranks(Values{7, 7, 7}), ElementsAre(2, 2, 2));
  EXPECT_TRUE(average_ranks(Values{}).empty());
}

TEST(Correlation, PearsonOfThreePointsIsWhatTheFormulaGivesByHand) {
  // Deviations (-1, 0, 1) and (-4, -1, 5) / 3: products 3, squares 2 and 14 / 3.
  EXPECT_NEAR(pearson(Values{1, 2, 3}, Values{1, 2, 4}), 3 / std::sqrt(28.0 / 3), 1e-15);
  EXPECT_NEAR(pearson(Values{1, 2, 3}, Values{-2, -4, -6}), -1, 1e-15);
}

TEST(Correlation, PearsonKeepsItsDigitsFarFromZero) {
  EXPECT_NEAR(pearson(Values{1e9 + 1, 1e9 + 2, 1e9 + 3}, Values{1, 2, 4}), 3 / std::sqrt(28.0 / 3), 1e-12);
}

TEST(Correlation, SpearmanWithoutTiesIsTheSumOfSquaredRankDifferences) {
  EXPECT_NEAR(spearman(Values{1, 2, 3, 4}, Values{10, 1000, 100, 1e6}), 1 - 6.0 * 2 / (4 * 15), 1e-15);
}

TEST(Correlation, SpearmanWithTiesUsesAverageRanks) {
  // Ranks (1, 2.5, 2.5, 4) and (1, 2, 3, 4): products 4.5, squares 4.5 and 5.
  EXPECT_NEAR(spearman(Values{1, 2, 2, 3}, Values{1, 2, 3, 4}), 4.5 / std::sqrt(22.5), 1e-15);
}

TEST(Correlation, WhatIsUndefinedIsRefused) {
  expect_refused([] { spearman(Values{}, Values{}); }, "no items");
  expect_refused([] { spearman(Values{1}, Values{1}); }, "at least two");
  expect_refused([] { spearman(Values{1, 2}, Values{1}); }, "2 values against 1");
  expect_refused([] { spearman(Values{1, 2}, Values{3, 3}); }, "all second values are equal");
  expect_refused([] { pearson(Values{0.5, 0.5}, Values{1, 2}); }, "all first values are equal");
  expect_refused([] { spearman(Values{1, kNaN, 3}, Values{1, 2, 3}); }, "item 1 is nan");
  expect_refused([] { pearson(Values{1, 2, 3}, Values{1, 2, kInfinity}); }, "item 2 is inf");
  expect_refused([] { average_ranks(Values{kNaN}); }, "item 0 is nan");
}

TEST(Ranking, TiesGoToTheHighestIdComparedAsBytes) {
  std::vector<ScoredDocument> documents = {{"10", 0.5f}, {"9", 0.5f}, {"2", 0.75f}, {"100", 0.5f}, {"a", 0.25f}};
  sort_as_trec_eval(documents);
  std::vector<std::string> ids;
  for (const auto& document : documents) ids.emplace_back(document.id);
  EXPECT_THAT(ids, ElementsAre("2", "9", "100", "10", "a"));
}

TEST(Ranking, ANaNScoreIsRefusedByName) {
  std::vector<ScoredDocument> documents = {{"d1", 0.5f}, {"d2", std::nanf("")}};
  expect_refused([&] { sort_as_trec_eval(documents); }, "document d2 is NaN");
}

TEST(Ranking, NdcgWithGradesIsWhatTheFormulaGivesByHand) {
  Values ranked = {3, 2, 3, 0, 1, 2};
  Values judged = {3, 2, 3, 0, 1, 2, 3, 2};
  double dcg = 3 + 2 / std::log2(3) + 3 / 2.0 + 1 / std::log2(6) + 2 / std::log2(7);
  double ideal = 3 + 3 / std::log2(3) + 3 / 2.0 + 2 / std::log2(5) + 2 / std::log2(6) + 2 / std::log2(7);
  EXPECT_NEAR(ndcg(ranked, judged, 6), dcg / ideal, 1e-15);
  EXPECT_NEAR(ndcg(ranked, judged, 6), 0.78500, 1e-5);
}

TEST(Ranking, NdcgLooksNoDeeperThanItsDepthOnEitherSide) {
  EXPECT_NEAR(ndcg(Values{0, 1, 1}, Values{1, 1, 1}, 2), (1 / std::log2(3)) / (1 + 1 / std::log2(3)), 1e-15);
  EXPECT_EQ(ndcg(Values{1, 1, 0}, Values{1, 1}, 10), 1);
  EXPECT_EQ(ndcg(Values{}, Values{1}, 10), 0);
}

TEST(Ranking, NegativeGainsCountAsNotRelevant) {
  EXPECT_EQ(ndcg(Values{-1, 1}, Values{1, -1}, 10), ndcg(Values{0, 1}, Values{1}, 10));
  EXPECT_EQ(reciprocal_rank(Values{-1, 1}, 10), 0.5);
}

TEST(Ranking, AveragePrecisionDividesByAllRelevantDocumentsFoundOrNot) {
  EXPECT_NEAR(average_precision(Values{1, 0, 2, 0}, 3), (1 + 2.0 / 3) / 3, 1e-15);
}

TEST(Ranking, ReciprocalRankRecallAndPrecisionStopAtTheirDepth) {
  Values ranked = {0, 0, 1, 0, 1};
  EXPECT_NEAR(reciprocal_rank(ranked, 3), 1.0 / 3, 1e-15);
  EXPECT_EQ(reciprocal_rank(ranked, 2), 0);
  EXPECT_EQ(recall(ranked, 4, 3), 0.25);
  EXPECT_EQ(recall(ranked, 4, 100), 0.5);
  EXPECT_NEAR(precision(ranked, 3), 1.0 / 3, 1e-15);
  EXPECT_EQ(precision(ranked, 10), 0.2);
}

TEST(Ranking, AQueryWithoutRelevantDocumentsScoresZero) {
  EXPECT_EQ(ndcg(Values{0, 0}, Values{0}, 10), 0);
  EXPECT_EQ(average_precision(Values{0, 0}, 0), 0);
  EXPECT_EQ(recall(Values{0, 0}, 0, 10), 0);
}

TEST(Ranking, WhatIsUndefinedIsRefused) {
  expect_refused([] { ndcg(Values{kNaN}, Values{1}, 10); }, "item 0 is nan");
  expect_refused([] { average_precision(Values{0, kInfinity}, 1); }, "item 1 is inf");
  expect_refused([] { precision(Values{1}, 0); }, "depth is 0");
}

TEST(Classification, AccuracyIsTheShareOfEqualLabels) {
  EXPECT_EQ(accuracy(Labels{0, 1, 2, 3}, Labels{0, 1, 2, 0}), 0.75);
}

TEST(Classification, MacroF1IsTheMeanOverTheLabelsOfEitherSide) {
  // Label 0: 2*1 / 4. Label 1: 2*2 / 5. Label 2: never predicted, 0.
  EXPECT_NEAR(macro_f1(Labels{0, 0, 1, 1, 2}, Labels{0, 1, 1, 1, 0}), (0.5 + 0.8 + 0) / 3, 1e-15);
  // Label 7 is predicted and never expected.
  EXPECT_NEAR(macro_f1(Labels{1, 1}, Labels{1, 7}), (2.0 / 3 + 0) / 2, 1e-15);
}

TEST(Classification, EmptyAndUnequalInputIsRefused) {
  expect_refused([] { accuracy(Labels{}, Labels{}); }, "no items");
  expect_refused([] { accuracy(Labels{1}, Labels{1, 2}); }, "1 values against 2");
  expect_refused([] { macro_f1(Labels{}, Labels{}); }, "no items");
}

TEST(Bootstrap, EqualSystemsDifferByNothing) {
  Values scores = {0.1, 0.9, 0.4};
  BootstrapResult result = paired_bootstrap(scores, scores);
  EXPECT_EQ(result.difference, 0);
  EXPECT_EQ(result.low, 0);
  EXPECT_EQ(result.high, 0);
  EXPECT_EQ(result.p_value, 1);
}

TEST(Bootstrap, AConstantLeadHasNoSpreadAndTheSmallestPValue) {
  BootstrapResult result = paired_bootstrap(Values{1.5, 2.5, 3.5}, Values{1, 2, 3}, {.resample_count = 999});
  EXPECT_EQ(result.difference, 0.5);
  EXPECT_EQ(result.low, 0.5);
  EXPECT_EQ(result.high, 0.5);
  EXPECT_NEAR(result.p_value, 2.0 / 1000, 1e-15);
}

TEST(Bootstrap, TheIntervalOfAFairCoinIsTheNormalOne) {
  Values a(400, 0), b(400, 0);
  for (size_t i = 0; i < a.size(); i += 2) a[i] = 1;
  BootstrapResult result = paired_bootstrap(a, b);
  // 0.5 +- 1.96 * 0.5 / sqrt(400)
  EXPECT_EQ(result.difference, 0.5);
  EXPECT_NEAR(result.low, 0.451, 0.003);
  EXPECT_NEAR(result.high, 0.549, 0.003);
}

TEST(Bootstrap, ADifferenceThatIsNoiseIsCalledNoise) {
  base::Random random(7);
  Values a(200), b(200);
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = random.normal();
    b[i] = random.normal();
  }
  BootstrapResult result = paired_bootstrap(a, b);
  EXPECT_LT(result.low, 0);
  EXPECT_GT(result.high, 0);
  EXPECT_GT(result.p_value, 0.05);
}

TEST(Bootstrap, TheSameSeedGivesTheSameIntervalAndAnotherSeedAnother) {
  Values a = {0.3, 0.1, 0.8, 0.5, 0.9}, b = {0.2, 0.4, 0.7, 0.1, 0.3};
  EXPECT_EQ(paired_bootstrap(a, b, {.seed = 1}).low, paired_bootstrap(a, b, {.seed = 1}).low);
  std::vector<double> draws;
  auto record = [&](std::span<const uint32_t> items) {
    for (uint32_t item : items) draws.push_back(item);
    return 0.0;
  };
  paired_bootstrap(5, record, {.seed = 1, .resample_count = 4});
  Values of_seed_1 = std::exchange(draws, {});
  paired_bootstrap(5, record, {.seed = 2, .resample_count = 4});
  EXPECT_NE(of_seed_1, draws);
}

TEST(Bootstrap, WhatIsUndefinedIsRefused) {
  expect_refused([] { paired_bootstrap(Values{}, Values{}); }, "no items");
  expect_refused([] { paired_bootstrap(Values{1}, Values{kNaN}); }, "item 0 is nan");
  expect_refused([] { paired_bootstrap(Values{1}, Values{1}, {.resample_count = 0}); }, "resample_count is 0");
  expect_refused([] { paired_bootstrap(Values{1}, Values{1}, {.confidence = 1}); }, "confidence is 1");
  expect_refused([] { mean(Values{}); }, "no items");
}

}  // namespace
}  // namespace sextant::eval
