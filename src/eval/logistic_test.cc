#include "eval/logistic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/random.h"
#include "sextant/error.h"

namespace sextant::eval {
namespace {

using testing::HasSubstr;

TEST(Lbfgs, AQuadraticBowlEndsAtItsBottom) {
  // sum of (i + 1) * (x_i - i)^2: curvatures from 2 to 100.
  auto bowl = [](std::span<const double> x, std::span<double> gradient) {
    double value = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double distance = x[i] - static_cast<double>(i);
      value += static_cast<double>(i + 1) * distance * distance;
      gradient[i] = 2 * static_cast<double>(i + 1) * distance;
    }
    return value;
  };
  std::vector<double> x(50, 3.0);
  LbfgsResult result = minimize_lbfgs(bowl, x, {.gradient_max = 1e-9, .relative_decrease_min = 0});
  EXPECT_TRUE(result.converged);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], static_cast<double>(i), 1e-8);
}

TEST(Lbfgs, RosenbrocksCurvedValleyEndsAtOneOne) {
  auto valley = [](std::span<const double> x, std::span<double> gradient) {
    double a = 1 - x[0], b = x[1] - x[0] * x[0];
    gradient[0] = -2 * a - 400 * x[0] * b;
    gradient[1] = 200 * b;
    return a * a + 100 * b * b;
  };
  std::vector<double> x = {-1.2, 1};
  LbfgsResult result = minimize_lbfgs(valley, x, {.gradient_max = 1e-10});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(x[0], 1, 1e-9);
  EXPECT_NEAR(x[1], 1, 1e-9);
}

TEST(Lbfgs, AnEdgeOfTheDomainIsSteppedBackFrom) {
  // 1000 x - log x, not defined for x <= 0: the first step of length 1 lands at -0.5.
  auto barrier = [](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = 1000 - 1 / x[0];
    return 1000 * x[0] - std::log(x[0]);
  };
  std::vector<double> x = {0.5};
  LbfgsResult result = minimize_lbfgs(barrier, x, {.gradient_max = 1e-6});
  EXPECT_TRUE(result.converged);
  EXPECT_NEAR(x[0], 0.001, 1e-9);
}

TEST(Lbfgs, ItStopsWhereItsIterationsEndAndSaysThatItDidNotConverge) {
  auto valley = [](std::span<const double> x, std::span<double> gradient) {
    double a = 1 - x[0], b = x[1] - x[0] * x[0];
    gradient[0] = -2 * a - 400 * x[0] * b;
    gradient[1] = 200 * b;
    return a * a + 100 * b * b;
  };
  std::vector<double> x = {-1.2, 1};
  LbfgsResult result = minimize_lbfgs(valley, x, {.iteration_count_max = 3});
  EXPECT_FALSE(result.converged);
  EXPECT_EQ(result.iteration_count, 3u);
  EXPECT_LT(result.value, 24.2);  // its value at the start
}

TEST(Lbfgs, AStartThatIsNotFiniteIsRefused) {
  auto broken = [](std::span<const double>, std::span<double>) { return std::nan(""); };
  std::vector<double> x = {0};
  EXPECT_THROW(minimize_lbfgs(broken, x), Error);
}

struct Problem {
  size_t dim, label_count;
  std::vector<float> rows;
  std::vector<uint32_t> labels;
};

Problem random_problem(size_t count, size_t dim, size_t label_count) {
  base::Random random(11);
  Problem problem{dim, label_count, {}, {}};
  for (size_t i = 0; i < count; ++i) {
    problem.labels.push_back(static_cast<uint32_t>(i % label_count));
    for (size_t d = 0; d < dim; ++d) {
      problem.rows.push_back(static_cast<float>(random.normal() + (d == i % label_count ? 2.0 : 0.0)));
    }
  }
  return problem;
}

TEST(LogisticRegression, ItsGradientIsTheSlopeOfItsLossWithTwoLabelsAndWithMore) {
  for (size_t label_count : {2u, 3u, 5u}) {
    Problem problem = random_problem(40, 7, label_count);
    LogisticLoss loss(problem.rows, problem.dim, problem.labels, label_count, 0.7);
    EXPECT_EQ(loss.parameter_count(), 8 * (label_count == 2 ? 1 : label_count));
    base::Random random(5);
    std::vector<double> at(loss.parameter_count()), gradient(at.size()), ignored(at.size());
    for (double& value : at) value = random.normal();
    loss(at, gradient);
    for (size_t k = 0; k < at.size(); ++k) {
      constexpr double kStep = 1e-5;
      double centre = at[k];
      at[k] = centre + kStep;
      double above = loss(at, ignored);
      at[k] = centre - kStep;
      double below = loss(at, ignored);
      at[k] = centre;
      EXPECT_NEAR(gradient[k], (above - below) / (2 * kStep), 1e-9)
          << "label count " << label_count << ", parameter " << k;
    }
  }
}

TEST(LogisticRegression, WithoutFeaturesTheInterceptsGiveTheSharesOfTheLabels) {
  // dim 0: the optimum is softmax(b) = shares, so b_i - b_j = log(count_i / count_j).
  std::vector<uint32_t> labels = {0, 0, 0, 0, 1, 1, 2};
  LogisticRegression model({}, 0, labels, 3, {.gradient_max = 1e-10});
  auto b = model.parameters();
  ASSERT_EQ(b.size(), 3u);
  EXPECT_NEAR(b[0] - b[1], std::log(4.0 / 2), 1e-8);
  EXPECT_NEAR(b[1] - b[2], std::log(2.0 / 1), 1e-8);
  EXPECT_EQ(model.predict({}), 0u);
}

TEST(LogisticRegression, TwoMirroredPointsHaveTheWeightThatSolvesTheEquationByHand) {
  // x = -1 is label 0, x = +1 label 1. By symmetry b = 0, and w minimises w^2 / 2 + 2 C log(1 + exp(-w)):
  // w = 2 C / (1 + exp(w)). For C = 1 bisection by hand gives w = 0.6748...
  double low = 0, high = 2;
  for (int i = 0; i < 60; ++i) {
    double w = (low + high) / 2;
    (w < 2 / (1 + std::exp(w)) ? low : high) = w;
  }
  std::vector<float> rows = {-1, 1};
  std::vector<uint32_t> labels = {0, 1};
  LogisticRegression model(rows, 1, labels, 2, {.gradient_max = 1e-10});
  ASSERT_EQ(model.parameters().size(), 2u);
  EXPECT_NEAR(model.parameters()[0], low, 1e-8);
  EXPECT_NEAR(model.parameters()[1], 0, 1e-8);
  EXPECT_EQ(model.predict(std::vector<float>{0.1f}), 1u);
  EXPECT_EQ(model.predict(std::vector<float>{-0.1f}), 0u);
}

TEST(LogisticRegression, ALargerCLetsTheWeightsGrow) {
  Problem problem = random_problem(60, 6, 3);
  auto size = [&](double c) {
    LogisticRegression model(problem.rows, 6, problem.labels, 3, {.c = c});
    double sum = 0;
    for (double value : model.parameters().first(18)) sum += value * value;
    return sum;
  };
  EXPECT_LT(size(0.01), size(1));
  EXPECT_LT(size(1), size(100));
}

TEST(LogisticRegression, WhatIsSeparableIsLearned) {
  Problem problem = random_problem(300, 20, 5);
  for (size_t i = 0; i < problem.labels.size(); ++i) problem.rows[i * 20 + problem.labels[i]] += 6;
  LogisticRegression model(problem.rows, 20, problem.labels, 5);
  EXPECT_TRUE(model.fit().converged);
  for (size_t i = 0; i < problem.labels.size(); ++i) {
    EXPECT_EQ(model.predict(std::span(problem.rows).subspan(i * 20, 20)), problem.labels[i]);
  }
}

TEST(LogisticRegression, InputThatMakesNoSenseIsRefused) {
  auto expect_refused = [](std::vector<float> rows, size_t dim, std::vector<uint32_t> labels, size_t label_count,
                           const char* message) {
    try {
      LogisticRegression model(rows, dim, labels, label_count);
      FAIL() << "expected an error with: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  };
  expect_refused({}, 2, {}, 2, "no rows");
  expect_refused({1, 2, 3}, 2, {0, 1}, 2, "3 numbers, expected 2 rows of 2");
  expect_refused({1, 2}, 1, {0, 2}, 2, "label 2 of row 1");
  expect_refused({1, 2}, 1, {0, 0}, 1, "1 labels");
  expect_refused({1, std::numeric_limits<float>::quiet_NaN()}, 1, {0, 1}, 2, "row 1 holds nan");
}

}  // namespace
}  // namespace sextant::eval
