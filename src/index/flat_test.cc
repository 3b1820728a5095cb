#include "index/flat.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "index/testing_vectors.h"
#include "sextant/error.h"

namespace sextant::index {
namespace {

std::vector<float> random_rows(size_t count, size_t dim, uint64_t seed) {
  base::Random random(seed);
  std::vector<float> out(count * dim);
  for (float& value : out) value = static_cast<float>(random.normal());
  return out;
}

// The slow twin: every score in double, sorted.
std::vector<std::pair<double, size_t>> slow_flat_search(const std::vector<float>& rows, size_t dim, const float* query,
                                                        Metric metric) {
  std::vector<std::pair<double, size_t>> out;
  double sign = higher_is_nearer(metric) ? -1 : 1;
  for (size_t row = 0; row * dim < rows.size(); ++row) {
    out.emplace_back(sign * slow_score(metric, {rows.data() + row * dim, dim}, {query, dim}), row);
  }
  std::sort(out.begin(), out.end());
  for (auto& entry : out) entry.first *= sign;
  return out;
}

class Flat : public testing::TestWithParam<Metric> {};

TEST_P(Flat, FindsWhatTheSlowTwinFindsForAnyShape) {
  for (auto [count, dim, k] :
       {std::tuple<size_t, size_t, size_t>{1, 1, 3}, {17, 3, 5}, {1000, 64, 10}, {5000, 33, 100}, {70000, 8, 10}}) {
    std::vector<float> rows = random_rows(count, dim, 1 + count);
    std::vector<float> query = random_rows(1, dim, 2);
    FlatIndex index(rows, dim, GetParam());
    std::vector<Scored> hits = index.search(query, k);
    auto expected = slow_flat_search(rows, dim, query.data(), GetParam());
    ASSERT_EQ(hits.size(), std::min(k, count));
    for (size_t i = 0; i < hits.size(); ++i) {
      EXPECT_NEAR(hits[i].score, expected[i].first, 1e-3) << count << " rows, rank " << i;
      EXPECT_NEAR(slow_score(GetParam(), {rows.data() + hits[i].id * dim, dim}, {query.data(), dim}), expected[i].first,
                  1e-3);
    }
  }
}

TEST_P(Flat, GivesTheSameForAnyNumberOfThreadsAndAnyBatch) {
  const size_t dim = 20;
  std::vector<float> rows = random_rows(100000, dim, 3);
  std::vector<float> queries = random_rows(37, dim, 4);
  FlatIndex index(rows, dim, GetParam());
  auto alone = index.search_batch(queries, 10);
  for (size_t threads : {1, 2, 3}) {
    base::ThreadPool pool(threads);
    EXPECT_EQ(index.search_batch(queries, 10, &pool), alone) << threads << " threads";
  }
  for (size_t q = 0; q < alone.size(); ++q) {
    EXPECT_EQ(index.search(std::span(queries).subspan(q * dim, dim), 10), alone[q]) << "query " << q;
  }
}

TEST_P(Flat, OrdersEqualRowsByTheirNumber) {
  const size_t dim = 16;
  std::vector<float> row = random_rows(1, dim, 5);
  std::vector<float> rows;
  for (int i = 0; i < 40000; ++i) rows.insert(rows.end(), row.begin(), row.end());
  std::vector<Scored> hits = FlatIndex(rows, dim, GetParam()).search(row, 50);
  ASSERT_EQ(hits.size(), 50u);
  for (size_t i = 0; i < hits.size(); ++i) EXPECT_EQ(hits[i].id, i);
}

TEST_P(Flat, NeverReturnsRowsWithNanAndCountsThem) {
  const size_t dim = 4;
  std::vector<float> rows = random_rows(100, dim, 6);
  rows[7 * dim] = std::numeric_limits<float>::quiet_NaN();
  rows[50 * dim + 3] = std::numeric_limits<float>::quiet_NaN();
  uint64_t nan_count = 0;
  std::vector<Scored> hits = FlatIndex(rows, dim, GetParam()).search(random_rows(1, dim, 7), 100, nullptr, &nan_count);
  EXPECT_EQ(hits.size(), 98u);
  EXPECT_EQ(nan_count, 2u);
}

INSTANTIATE_TEST_SUITE_P(Metrics, Flat, testing::Values(Metric::cosine, Metric::dot, Metric::l2, Metric::l1),
                         [](const auto& test) { return std::string(name(test.param)); });

TEST(FlatIndex, OfNothingFindsNothing) {
  FlatIndex index(std::span<const float>(), 8, Metric::cosine);
  EXPECT_TRUE(index.search(std::vector<float>(8), 10).empty());
  std::vector<float> rows = random_rows(5, 8, 1);
  EXPECT_TRUE(FlatIndex(rows, 8, Metric::l2).search(std::vector<float>(8), 0).empty());
  EXPECT_TRUE(FlatIndex(rows, 8, Metric::l2).search_batch({}, 3).empty());
}

TEST(FlatIndex, RefusesShapesThatDoNotFit) {
  std::vector<float> rows(10);
  EXPECT_THROW(FlatIndex(rows, 3, Metric::dot), Error);
  EXPECT_THROW(FlatIndex(rows, 0, Metric::dot), Error);
  EXPECT_THROW(FlatIndex(rows, 5, Metric::dot).search(std::vector<float>(4), 1), Error);
  std::vector<int8_t> codes(10);
  EXPECT_THROW(FlatIndex(codes, std::vector<float>(3), 5, Metric::dot), Error);
  EXPECT_THROW(FlatIndex(codes, std::vector<float>(2), 5, Metric::l2), Error);
}

TEST(FlatIndex, OverInt8IsNearTheTruth) {
  const size_t dim = 256;
  std::vector<float> rows = random_rows(3000, dim, 8);
  std::vector<float> query = random_rows(1, dim, 9);
  std::vector<int8_t> codes(rows.size());
  std::vector<float> scales(3000);
  quantize_rows(rows, dim, codes, scales);
  for (Metric metric : {Metric::cosine, Metric::dot}) {
    std::vector<float> exact(3000), compact(3000);
    FlatIndex(rows, dim, metric).score_rows(query, 0, exact);
    FlatIndex index(codes, scales, dim, metric);
    index.score_rows(query, 0, compact);
    double largest = 0;
    double error = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      largest = std::max<double>(largest, std::abs(exact[i]));
      error = std::max<double>(error, std::abs(exact[i] - compact[i]));
    }
    EXPECT_LT(error, 0.02 * largest) << name(metric);
    EXPECT_GT(error, 0) << "int8 scores cannot be exact";
    std::vector<Scored> hits = index.search(query, 10);
    EXPECT_EQ(hits.size(), 10u);
    EXPECT_EQ(hits[0].score, *std::max_element(compact.begin(), compact.end()));
  }
}

TEST(FlatIndex, ZeroRowsQuantiseToZero) {
  std::vector<int8_t> codes(4, 9);
  std::vector<float> scales(1, 9);
  quantize_rows(std::vector<float>(4), 4, codes, scales);
  EXPECT_EQ(codes, std::vector<int8_t>(4));
  EXPECT_EQ(scales[0], 0);
}

}  // namespace
}  // namespace sextant::index
