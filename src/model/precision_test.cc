#include "model/precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sextant::model {
namespace {

tensor::Matrix column(const std::vector<float>& values) {
  tensor::Matrix matrix(values.size(), 1);
  std::copy(values.begin(), values.end(), matrix.data());
  return matrix;
}

PrecisionCheck check(const std::vector<float>& exact, const std::vector<float>& given) {
  return PrecisionCheck::of(Compute::int8, PrecisionMeasure::spread, column(exact), column(given));
}

TEST(PrecisionOfScores, IsTheLargestDifferenceAsAShareOfTheSpread) {
  EXPECT_NEAR(check({-11, 9, 0}, {-11.5f, 9.2f, 0.1f}).value, 0.5 / 20, 1e-7);
  // Where all scores lie is of no account: what moves them all alike does not, and yet is counted.
  EXPECT_NEAR(check({989, 1009, 1000}, {988.5f, 1009.2f, 1000.1f}).value, 0.5 / 20, 1e-4);
  EXPECT_NEAR(check({0.2f, 0.4f}, {0.21f, 0.4f}).value, 0.05, 1e-5);
  EXPECT_TRUE(check({0, 10}, {0.44f, 10}).passed());
  EXPECT_FALSE(check({0, 10}, {0.46f, 10}).passed());
}

TEST(PrecisionOfScores, FailsWhereThereIsNoNumberOrNoSpread) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (float odd : {kNan, kInfinity, -kInfinity}) {
    EXPECT_FALSE(check({1, 2, 3}, {1, odd, 3}).passed()) << odd;
    EXPECT_FALSE(check({1, odd, 3}, {1, 2, 3}).passed()) << odd;
    EXPECT_FALSE(check({1, odd, 3}, {1, odd, 3}).passed()) << odd;
  }
  EXPECT_FALSE(check({5, 5, 5}, {5, 5.001f, 5}).passed()) << "nothing could be told apart before";
  EXPECT_TRUE(check({5, 5, 5}, {5, 5, 5}).passed()) << "nothing has changed";
}

TEST(PrecisionOfVectors, IsTheLowestCosineAndFailsWithoutANumber) {
  tensor::Matrix exact(2, 2), given(2, 2);
  const float left[] = {1, 0, 1, 1}, right[] = {1, 0, 1, 0.9f};
  std::copy(std::begin(left), std::end(left), exact.data());
  std::copy(std::begin(right), std::end(right), given.data());
  const auto of = [&] { return PrecisionCheck::of(Compute::int8, PrecisionMeasure::cosine, exact, given); };
  EXPECT_NEAR(of().value, 1.9 / std::sqrt(2 * 1.81), 1e-6);
  EXPECT_FALSE(of().passed());
  given.row(1)[1] = 0.99f;
  EXPECT_TRUE(of().passed());
  given.row(0)[0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(of().passed());
}

TEST(Precisions, SayWhatTheyWereHeldTo) {
  EXPECT_EQ(check({0, 10}, {0.123f, 10}).text(), "logits off by 0.0123 of their spread in float32, within 0.045");
  EXPECT_EQ(check({0, 10}, {0.7f, 10}).text(),
            "logits off by 0.0700 of their spread in float32, beyond the bar of 0.045");
  EXPECT_EQ((PrecisionCheck{Compute::int8, PrecisionMeasure::cosine, 0.99952}).text(),
            "cosine 0.99952 to float32, which reaches 0.999");
}

}  // namespace
}  // namespace sextant::model
