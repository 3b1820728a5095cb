// Estimates of single walks: on made-up walks whose recall is known, and on an index.
#include "index/recall_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/files.h"
#include "base/random.h"
#include "index/testing_vectors.h"
#include "sextant/index.h"

namespace sextant::index {
namespace {

// Walks that find each of 10 with a chance that falls with what they compared.
std::vector<RecallModel::Walk> made_up(size_t count, uint64_t seed, std::vector<double>& chances) {
  base::Random random(seed);
  std::vector<RecallModel::Walk> walks;
  for (size_t i = 0; i < count; ++i) {
    const double hard = random.normal();
    const double chance = 1 / (1 + std::exp(-2 + 1.5 * hard));
    RecallModel::Walk walk{10, 40, 0, 10, {{static_cast<float>(5 + 0.2 * hard), 1.0f, 0.5f}}};
    for (size_t j = 0; j < 10; ++j) walk.found += random.uniform() < chance ? 1 : 0;
    walks.push_back(walk);
    chances.push_back(chance);
  }
  return walks;
}

TEST(RecallModel, learns_which_walks_find_less) {
  std::vector<double> chances, unseen_chances;
  const RecallModel model(made_up(300, 1, chances));
  double mean = 0;
  for (double chance : chances) mean += chance / 300;
  double off = 0, off_of_mean = 0;
  const std::vector<RecallModel::Walk> unseen = made_up(300, 2, unseen_chances);
  for (size_t i = 0; i < unseen.size(); ++i) {
    off += std::abs(model.recall_of(10, 40, unseen[i].traits, mean) - unseen_chances[i]) / 300;
    off_of_mean += std::abs(mean - unseen_chances[i]) / 300;
  }
  EXPECT_LT(off, 0.04);
  EXPECT_GT(off_of_mean, 0.1) << "the mean alone would do: there was nothing to learn";
}

TEST(RecallModel, knows_the_mean_alone_where_walks_are_alike_or_none_was_seen) {
  const WalkTraits traits{{1.0f, 2.0f, 0.5f}};
  EXPECT_EQ(RecallModel().recall_of(10, 40, traits, 0.87), 0.87);
  const std::vector<RecallModel::Walk> alike(100, RecallModel::Walk{10, 40, 9, 10, traits});
  EXPECT_NEAR(RecallModel(alike).recall_of(10, 40, traits, 0.9), 0.9, 0.01);
  const std::vector<RecallModel::Walk> perfect(100, RecallModel::Walk{10, 40, 10, 10, traits});
  EXPECT_GT(RecallModel(perfect).recall_of(7, 30, traits, 1), 0.99);
  EXPECT_LE(RecallModel(perfect).recall_of(7, 30, traits, 1), 1);
}

TEST(RecallModel, survives_numbers_that_are_none) {
  std::vector<double> chances;
  RecallModel good(made_up(50, 1, chances));
  std::vector<RecallModel::Setting> settings = good.settings();
  settings[0].means[0] = std::numeric_limits<float>::quiet_NaN();
  settings[0].deviations[1] = std::numeric_limits<float>::infinity();
  const double recall = RecallModel(settings, good.weights()).recall_of(10, 40, {{3.0f, 1.0f, 0.5f}}, 0.9);
  EXPECT_GE(recall, 0);
  EXPECT_LE(recall, 1);
}

// The estimate of each query is held to what it found: by quarters, from the least to the most trusted.
TEST(GraphIndex, estimates_the_recall_of_single_queries) {
  const size_t dim = 96, rows_count = 5000, clusters = 200, count = 200;
  auto index = Index::create({.dim = dim, .metric = Metric::l2, .build_breadth = 60, .capacity = 2 * rows_count});
  index->add(numbers(rows_count), clustered(rows_count, dim, 1, clusters));
  const std::vector<float> queries = clustered(count, dim, 2, clusters);
  index->calibrate();
  base::TemporaryFolder folder;
  index->save(folder.path() / "i.idx");
  const auto opened = Index::open(folder.path() / "i.idx");
  std::vector<std::pair<double, double>> walks;  // estimated, found
  const auto truth = index->search_batch(queries, {.exact = true});
  double mean = 0, estimated = 0;
  for (size_t q = 0; q < count; ++q) {
    const std::span<const float> query(queries.data() + q * dim, dim);
    const IndexSearchResult result = index->search(query, {.breadth = 14, .estimate_recall = true});
    EXPECT_EQ(opened->search(query, {.breadth = 14, .estimate_recall = true}).expected_recall, result.expected_recall);
    double found = 0;
    for (const IndexHit& hit : result.hits) {
      found += std::count(truth[q].hits.begin(), truth[q].hits.end(), hit) > 0 ? 0.1 : 0;
    }
    walks.emplace_back(result.expected_recall, found);
    mean += found / count;
    estimated += result.expected_recall / count;
  }
  EXPECT_NEAR(estimated, mean, 0.08) << "queries that are not in it are a little easier than its own vectors";
  std::sort(walks.begin(), walks.end());
  const auto quarter = [&](size_t number) {
    double found = 0;
    for (size_t i = number * count / 4; i < (number + 1) * count / 4; ++i) found += 4 * walks[i].second / count;
    return found;
  };
  EXPECT_GT(quarter(3), quarter(0) + 0.05) << "those that are trusted most found no more than the others";
  const IndexSearchResult plain = index->search(std::span(queries).first(dim), {.breadth = 14});
  EXPECT_NEAR(plain.expected_recall, mean, 0.1) << "that of all walks";
}

}  // namespace
}  // namespace sextant::index
