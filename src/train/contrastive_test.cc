#include "train/contrastive.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace sextant::train {
namespace {

constexpr size_t kDim = 8;

std::vector<float> random_rows(size_t count, uint64_t seed) {
  base::Random random(seed);
  std::vector<float> rows(count * kDim);
  for (float& value : rows) value = static_cast<float>(random.normal());
  return rows;
}

// The formula of the header, term by term, in double precision.
double loss_by_definition(const std::vector<float>& x, const std::vector<float>& y, size_t b, size_t n,
                          const std::vector<std::pair<uint32_t, uint32_t>>& excluded,
                          const ContrastiveOptions& options) {
  double total = 0, weights = 0;
  for (size_t k = 0; k < options.dims.size(); ++k) {
    const size_t d = options.dims[k];
    auto similarity = [&](size_t i, size_t j) {
      double dot = 0, xx = 0, yy = 0;
      for (size_t c = 0; c < d; ++c) {
        double u = x[i * kDim + c], v = y[j * kDim + c];
        dot += u * v;
        xx += u * u;
        yy += v * v;
      }
      return options.scale * dot / std::sqrt(xx * yy);
    };
    auto taken = [&](size_t i, size_t j) {
      return std::find(excluded.begin(), excluded.end(), std::pair<uint32_t, uint32_t>(i, j)) == excluded.end();
    };
    double loss = 0;
    for (size_t i = 0; i < b; ++i) {
      double row = 0, column = 0;
      for (size_t j = 0; j < n; ++j) row += taken(i, j) ? std::exp(similarity(i, j)) : 0;
      for (size_t j = 0; j < b; ++j) column += taken(j, i) ? std::exp(similarity(j, i)) : 0;
      loss += std::log(row) - similarity(i, i);
      if (options.both_directions) loss += std::log(column) - similarity(i, i);
    }
    loss /= static_cast<double>(b) * (options.both_directions ? 2 : 1);
    total += options.dim_weights[k] * loss;
    weights += options.dim_weights[k];
  }
  return total / weights;
}

struct Case {
  const char* name;
  size_t b, n;
  ContrastiveOptions options;
  std::vector<std::pair<uint32_t, uint32_t>> excluded;
};

std::vector<Case> cases() {
  return {
      {"one direction", 5, 5, {.scale = 10, .both_directions = false, .dims = {8}, .dim_weights = {1}}, {}},
      {"both directions", 5, 5, {.scale = 20, .dims = {8}, .dim_weights = {1}}, {}},
      {"negatives", 4, 7, {.scale = 5, .dims = {8}, .dim_weights = {1}}, {}},
      {"prefixes", 6, 6, {.scale = 5, .dims = {8, 4, 2}, .dim_weights = {1, 0.5, 0.25}}, {}},
      {"excluded", 4, 6, {.scale = 5, .dims = {8, 4}, .dim_weights = {1, 1}}, {{0, 1}, {1, 0}, {2, 5}}},
  };
}

TEST(ContrastiveLoss, EqualsItsDefinition) {
  base::ThreadPool pool(2);
  for (const Case& c : cases()) {
    std::vector<float> x = random_rows(c.b, 1), y = random_rows(c.n, 2), gx(x.size()), gy(y.size());
    double loss = ContrastiveLoss(c.options).forward_backward({c.b, c.n, kDim, x, y, c.excluded}, gx, gy, pool);
    EXPECT_NEAR(loss, loss_by_definition(x, y, c.b, c.n, c.excluded, c.options), 1e-5) << c.name;
  }
}

TEST(ContrastiveLoss, ItsGradientEqualsFiniteDifferencesOfTheDefinition) {
  base::ThreadPool pool(1);
  for (const Case& c : cases()) {
    std::vector<float> x = random_rows(c.b, 3), y = random_rows(c.n, 4), gx(x.size()), gy(y.size());
    ContrastiveLoss(c.options).forward_backward({c.b, c.n, kDim, x, y, c.excluded}, gx, gy, pool);
    auto check = [&](std::vector<float>& values, const std::vector<float>& gradient, const char* side) {
      for (size_t i = 0; i < values.size(); ++i) {
        const float kept = values[i], step = 1e-3f;
        values[i] = kept + step;
        double up = loss_by_definition(x, y, c.b, c.n, c.excluded, c.options);
        values[i] = kept - step;
        double down = loss_by_definition(x, y, c.b, c.n, c.excluded, c.options);
        values[i] = kept;
        double numeric = (up - down) / (2.0 * step);
        EXPECT_NEAR(gradient[i], numeric, 2e-3 * std::abs(numeric) + 2e-5) << c.name << ", " << side << " " << i;
      }
    };
    check(x, gx, "anchor");
    check(y, gy, "candidate");
  }
}

TEST(ContrastiveLoss, AZeroVectorGetsNoGradientAndSpoilsNothing) {
  base::ThreadPool pool(1);
  std::vector<float> x = random_rows(4, 5), y = random_rows(4, 6), gx(x.size()), gy(y.size());
  std::fill_n(x.begin() + kDim, kDim, 0.0f);
  double loss =
      ContrastiveLoss({.dims = {8}, .dim_weights = {1}}).forward_backward({4, 4, kDim, x, y, {}}, gx, gy, pool);
  EXPECT_TRUE(std::isfinite(loss));
  for (size_t c = 0; c < kDim; ++c) EXPECT_EQ(gx[kDim + c], 0.0f);
  for (float g : gy) EXPECT_TRUE(std::isfinite(g));
}

TEST(ContrastiveLoss, GivesTheSameBytesOnAnyNumberOfThreads) {
  base::ThreadPool one(1), three(3);
  const size_t b = 300, n = 400;
  std::vector<float> x = random_rows(b, 7), y = random_rows(n, 8);
  std::vector<float> gx1(x.size()), gy1(y.size()), gx3(x.size()), gy3(y.size());
  const ContrastiveOptions options{.dims = {8, 4}, .dim_weights = {1, 1}};
  double loss1 = ContrastiveLoss(options).forward_backward({b, n, kDim, x, y, {}}, gx1, gy1, one);
  double loss3 = ContrastiveLoss(options).forward_backward({b, n, kDim, x, y, {}}, gx3, gy3, three);
  EXPECT_EQ(loss1, loss3);
  EXPECT_EQ(gx1, gx3);
  EXPECT_EQ(gy1, gy3);
}

}  // namespace
}  // namespace sextant::train
