// What holds for every kind of index, and what is the graph's own.
#include "sextant/index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include "base/progress.h"
#include "errors.h"
#include "index/index_impl.h"
#include "index/testing_vectors.h"
#include "sextant/error.h"

namespace sextant::index {
namespace {

using testing::HasSubstr;

using tests::error_of;

double recall(const std::vector<IndexHit>& hits, const std::vector<uint64_t>& truth) {
  size_t found = 0;
  for (const IndexHit& hit : hits) found += std::find(truth.begin(), truth.end(), hit.id) != truth.end() ? 1 : 0;
  return truth.empty() ? 1 : static_cast<double>(found) / static_cast<double>(truth.size());
}

// By distance where many rows are equally far: any of them is as good.
double recall(Metric metric, std::span<const float> rows, std::span<const float> query,
              const std::vector<IndexHit>& hits, const std::vector<uint64_t>& truth) {
  if (metric != Metric::hamming || truth.empty()) return recall(hits, truth);
  const size_t dim = query.size();
  const double bound = slow_score(metric, rows.subspan(truth.back() * dim, dim), query);
  const auto found = std::count_if(hits.begin(), hits.end(), [&](const IndexHit& hit) {
    return slow_score(metric, rows.subspan(hit.id * dim, dim), query) <= bound;
  });
  return static_cast<double>(found) / static_cast<double>(truth.size());
}

double mean_recall(const Index& index, const std::vector<float>& rows, const std::vector<float>& queries,
                   const IndexSearchOptions& options) {
  const size_t dim = index.options().dim;
  double sum = 0;
  for (size_t q = 0; q < queries.size() / dim; ++q) {
    const std::span<const float> query(queries.data() + q * dim, dim);
    sum += recall(index.options().metric, rows, query, index.search(query, options).hits,
                  slow_search(index.options().metric, rows, query, options.k, options.allowed));
  }
  return sum / static_cast<double>(queries.size() / dim);
}

struct Kind {
  const char* name;
  IndexKind kind;
  CodeKind codes;
  Metric metric;
};

class EveryIndex : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Index> make(size_t dim, size_t build_breadth = 60) const {
    return Index::create({.dim = dim,
                          .metric = GetParam().metric,
                          .type = is_of_bits() ? ElementType::bit : ElementType::float32,
                          .kind = GetParam().kind,
                          .codes = GetParam().codes,
                          .build_breadth = build_breadth,
                          .capacity = 20000});
  }
  bool is_of_bits() const { return GetParam().metric == Metric::hamming; }
  std::vector<float> some(size_t count, size_t dim, uint64_t seed, size_t cluster_count = 20) const {
    return is_of_bits() ? clustered_bits(count, dim, seed, cluster_count) : clustered(count, dim, seed, cluster_count);
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, EveryIndex,
                         testing::Values(Kind{"flat_cosine", IndexKind::flat, CodeKind::automatic, Metric::cosine},
                                         Kind{"flat_sq8_l2", IndexKind::flat, CodeKind::sq8, Metric::l2},
                                         Kind{"flat_sq8_dot", IndexKind::flat, CodeKind::sq8, Metric::dot},
                                         Kind{"flat_l1", IndexKind::flat, CodeKind::automatic, Metric::l1},
                                         Kind{"sq4_cosine", IndexKind::graph, CodeKind::sq4, Metric::cosine},
                                         Kind{"sq4_l2", IndexKind::graph, CodeKind::sq4, Metric::l2},
                                         Kind{"sq4_dot", IndexKind::graph, CodeKind::sq4, Metric::dot},
                                         Kind{"sq8_cosine", IndexKind::graph, CodeKind::sq8, Metric::cosine},
                                         Kind{"none_cosine", IndexKind::graph, CodeKind::none, Metric::cosine},
                                         Kind{"sq1_cosine", IndexKind::graph, CodeKind::sq1, Metric::cosine},
                                         Kind{"sq1_dot", IndexKind::graph, CodeKind::sq1, Metric::dot},
                                         Kind{"none_dot", IndexKind::graph, CodeKind::none, Metric::dot},
                                         Kind{"none_l1", IndexKind::graph, CodeKind::none, Metric::l1},
                                         Kind{"flat_bits", IndexKind::flat, CodeKind::automatic, Metric::hamming},
                                         Kind{"bits", IndexKind::graph, CodeKind::automatic, Metric::hamming}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(EveryIndex, finds_nothing_when_empty_and_everything_when_asked_for_more_than_there_is) {
  auto index = make(3);
  const std::vector<float> query = {1, 0, 0};
  EXPECT_TRUE(index->search(query).hits.empty());
  index->add(numbers(1, 42), std::vector<float>{0, 1, 0});
  EXPECT_EQ(index->search(query, {.k = 5}).hits.size(), 1u);
  EXPECT_EQ(index->search(query, {.k = 5}).hits[0].id, 42u);
  EXPECT_TRUE(index->search(query, {.k = 0}).hits.empty());
  const std::vector<float> rows = some(1500, 3, 1);
  index->add(numbers(1500, 100), rows);
  std::set<uint64_t> ids;
  for (const IndexHit& hit : index->search(query, {.k = 5000}).hits) ids.insert(hit.id);
  EXPECT_EQ(ids.size(), 1501u) << "ids are unique, and all are there";
}

TEST_P(EveryIndex, agrees_with_a_slow_search_in_double) {
  for (size_t dim : {size_t{1}, size_t{5}, size_t{200}}) {
    auto index = make(dim);
    const std::vector<float> rows = some(1100, dim, 1);
    const std::vector<float> queries = some(20, dim, 2);
    index->add(numbers(1100), rows);
    // In one dimension all cosines are 1 or -1: only the scores can be compared.
    if (dim > 1) {
      EXPECT_GE(mean_recall(*index, rows, queries, {.k = 10, .exact = true}), 1.0) << dim;
    }
    for (size_t q = 0; q < 20; ++q) {
      const std::span<const float> query(queries.data() + q * dim, dim);
      const IndexSearchResult result = index->search(query, {.k = 10, .breadth = 200});
      const std::vector<uint64_t> truth = slow_search(GetParam().metric, rows, query, 10);
      ASSERT_EQ(result.hits.size(), 10u);
      for (size_t i = 0; i < 10; ++i) {
        const std::span<const float> row(rows.data() + result.hits[i].id * dim, dim);
        const double expected = slow_score(GetParam().metric, row, query);
        EXPECT_NEAR(result.hits[i].score, expected, 1e-5 * std::max(1.0, std::abs(expected)));
        if (i == 0) continue;
        const IndexHit& before = result.hits[i - 1];
        const bool better = higher_is_nearer(GetParam().metric) ? before.score > result.hits[i].score
                                                                : before.score < result.hits[i].score;
        EXPECT_TRUE(better || (before.score == result.hits[i].score && before.id < result.hits[i].id))
            << "best first, and of equal ones the smaller id";
      }
    }
    if (dim >= 64) {
      EXPECT_GE(mean_recall(*index, rows, queries, {.k = 10, .breadth = 200}), 0.97) << dim;
    }
  }
}

TEST_P(EveryIndex, takes_high_dimensions) {
  const size_t dim = 4096, count = 1030;
  auto index = make(dim, 10);
  base::Random random(1);
  std::vector<float> rows(count * dim);
  for (float& value : rows) value = static_cast<float>(random.below(2));
  index->add(numbers(count), rows);
  const std::span<const float> query(rows.data() + 700 * dim, dim);
  const IndexSearchResult result = index->search(query, {.k = 1, .breadth = 400});
  ASSERT_EQ(result.hits.size(), 1u);
  if (GetParam().metric != Metric::dot) {
    EXPECT_EQ(result.hits[0].id, 700u);
  }
}

TEST_P(EveryIndex, refuses_what_is_not_finite_and_adds_nothing_then) {
  auto index = make(2);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    const std::vector<float> rows = {1, 2, 3, 4, 5, bad};
    EXPECT_THAT(error_of([&] { index->add(numbers(3), rows); }),
                HasSubstr("invalid_argument: vector 2: component 1 is "));
    EXPECT_EQ(index->size(), 0u);
    EXPECT_THAT(error_of([&] {
                  index->search(std::vector<float>{bad, 0});
                }),
                HasSubstr("component 0 of the query is "));
  }
  EXPECT_THAT(error_of([&] {
                index->add(numbers(2), std::vector<float>{1, 2, 3});
              }),
              HasSubstr("3 numbers for 2 vectors, expected 4 of dim 2"));
  EXPECT_THAT(error_of([&] { index->search(std::vector<float>{1}); }),
              HasSubstr("a query of 1 components, the index has 2"));
  EXPECT_THAT(error_of([&] {
                index->search(std::vector<float>{1, 0}, {.target_recall = 1.5});
              }),
              HasSubstr("target_recall is 1.5"));
}

TEST_P(EveryIndex, orders_identical_vectors_by_id) {
  auto index = make(8, 20);
  std::vector<float> rows(1200 * 8, 1.0f);
  index->add(numbers(1200), rows);
  const IndexSearchResult result = index->search(std::span(rows).first(8), {.k = 20, .exact = true});
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(result.hits[i].id, i);
  EXPECT_EQ(index->search(std::span(rows).first(8), {.k = 20, .breadth = 40}).hits.size(), 20u);
  std::vector<float> zeros(8);
  EXPECT_EQ(index->search(zeros, {.k = 20}).hits.size(), 20u) << "a zero vector is near to all alike";
}

TEST_P(EveryIndex, replaces_and_removes) {
  auto index = make(16);
  std::vector<float> rows = some(1600, 16, 1);
  index->add(numbers(1600), rows);
  const std::vector<float> query(rows.begin(), rows.begin() + 16);
  for (uint64_t id = 0; id < 1600; id += 2) EXPECT_TRUE(index->remove(id));
  EXPECT_FALSE(index->remove(0));
  EXPECT_FALSE(index->remove(99999));
  EXPECT_EQ(index->size(), 800u);
  EXPECT_FALSE(index->contains(2));
  EXPECT_TRUE(index->contains(3));
  for (const IndexHit& hit : index->search(query, {.k = 50, .breadth = 100}).hits) EXPECT_EQ(hit.id % 2, 1u);
  // The same id again, as another vector, and a new id.
  std::vector<float> far(16, is_of_bits() ? 1.0f : 30.0f);
  index->add(std::vector<uint64_t>{3}, far);
  index->add(std::vector<uint64_t>{777777}, far);
  EXPECT_EQ(index->size(), 801u);
  const std::vector<IndexHit> hits = index->search(far, {.k = 2, .breadth = 100}).hits;
  if (GetParam().metric != Metric::dot) {
    EXPECT_EQ(hits[0].id, 3u);
    EXPECT_EQ(hits[1].id, 777777u);
  }
  // Of equal ids in one call the last one counts.
  std::vector<float> two(32, is_of_bits() ? 0.0f : -30.0f);
  std::fill_n(two.begin(), 16, is_of_bits() ? 1.0f : 5.0f);
  index->add(std::vector<uint64_t>{9, 9}, two);
  EXPECT_EQ(index->size(), 801u);
  EXPECT_NEAR(index->search(std::span(two).subspan(16), {.k = 1, .exact = true}).hits[0].score,
              slow_score(GetParam().metric, std::span(two).subspan(16), std::span(two).subspan(16)), 1e-2);
}

TEST_P(EveryIndex, gives_k_allowed_results_whatever_is_allowed) {
  auto index = make(32);
  const size_t count = 6000;
  const std::vector<float> rows = some(count, 32, 1);
  const std::vector<float> queries = some(10, 32, 2);
  index->add(numbers(count), rows);
  for (size_t divisor : {2, 10, 100, 1000, 6000}) {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < count; i += divisor) ids.push_back(i);
    const AllowedIds allowed = AllowedIds::of(ids);
    for (size_t q = 0; q < 10; ++q) {
      const std::span<const float> query(queries.data() + q * 32, 32);
      const IndexSearchResult result = index->search(query, {.k = 10, .target_recall = 0.95, .allowed = &allowed});
      ASSERT_EQ(result.hits.size(), std::min<size_t>(10, ids.size())) << "1 in " << divisor;
      for (const IndexHit& hit : result.hits) EXPECT_EQ(hit.id % divisor, 0u);
      EXPECT_EQ(result.exact, result.plan == SearchPlan::scan);
    }
    EXPECT_GE(mean_recall(*index, rows, queries, {.k = 10, .breadth = 100, .allowed = &allowed}), 0.93)
        << "1 in " << divisor;
  }
  // The rows farthest from the query: no walk towards it ever meets them.
  const std::span<const float> query(queries.data(), 32);
  std::vector<uint64_t> order = slow_search(index->options().metric, rows, query, count);
  const AllowedIds far = AllowedIds::of(std::span(order).last(1500));
  const IndexSearchResult result = index->search(query, {.k = 10, .breadth = 50, .allowed = &far});
  EXPECT_EQ(result.hits.size(), 10u);
  const Metric metric = index->options().metric;
  EXPECT_GE(recall(metric, rows, query, result.hits, slow_search(metric, rows, query, 10, &far)), 0.9);
}

// What is allowed lies in one place, and most queries lie elsewhere: a walk goes there where it can tell what is
// nearest; around a query everything is equally far, and codes are compared. The recall is what it was promised to be.
TEST(GraphIndex, finds_what_is_allowed_elsewhere) {
  constexpr size_t kRows = 20000, kQueries = 40, dim = 32;
  const std::vector<float> rows = clustered(kRows, dim, 1, 40), queries = clustered(kQueries, dim, 2, 40);
  auto index = Index::create({.dim = dim, .degree = 16, .build_breadth = 60, .capacity = kRows});
  index->add(numbers(kRows), rows);
  index->calibrate(200, 1);
  const Metric metric = index->options().metric;
  std::map<SearchPlan, std::pair<size_t, double>> by_plan;
  const auto search = [&](std::span<const float> query, std::span<const uint64_t> ids) {
    const AllowedIds allowed = AllowedIds::of(ids);
    const IndexSearchResult result = index->search(query, {.k = 10, .target_recall = 0.9, .allowed = &allowed});
    ASSERT_EQ(result.hits.size(), 10u);
    for (const IndexHit& hit : result.hits) EXPECT_TRUE(allowed.contains(hit.id));
    auto& [count, sum] = by_plan[result.plan];
    ++count;
    sum += recall(result.hits, slow_search(metric, rows, query, 10, &allowed));
    EXPECT_TRUE(result.plan != SearchPlan::filtered_graph || result.compared < kRows / 4) << result.compared;
  };
  const std::vector<uint64_t> from_place = slow_search(metric, rows, std::span(rows).first(dim), kRows);
  for (size_t q = 0; q < kQueries; ++q) {
    search(std::span(queries).subspan(q * dim, dim), std::span(from_place).first(kRows / 2));
  }
  for (const auto& [plan, found] : by_plan) {
    EXPECT_GE(found.second / static_cast<double>(found.first), 0.85) << name(plan) << ", " << found.first;
  }
  EXPECT_GE(by_plan[SearchPlan::filtered_graph].first, 5u);
  EXPECT_GE(by_plan[SearchPlan::graph_then_filter].first, 5u);

  by_plan.clear();
  for (size_t q = 0; q < kQueries; ++q) {
    const std::span<const float> query(queries.data() + q * dim, dim);
    const std::vector<uint64_t> order = slow_search(metric, rows, query, kRows);
    search(query, std::span(order).last(kRows / 2));
  }
  for (const auto& [plan, found] : by_plan) {
    EXPECT_GE(found.second / static_cast<double>(found.first), 0.85) << name(plan) << ", " << found.first;
  }
}

TEST(AllowedIds, may_be_any_numbers) {
  const std::vector<uint64_t> ids = {uint64_t{1} << 63, 5, 700, 5, UINT64_MAX};
  const AllowedIds far = AllowedIds::of(ids);
  EXPECT_EQ(far.count(), 4u);
  EXPECT_THAT(far.listed(), testing::ElementsAre(5, 700, uint64_t{1} << 63, UINT64_MAX));
  EXPECT_TRUE(far.contains(uint64_t{1} << 63));
  EXPECT_FALSE(far.contains(6));
  EXPECT_FALSE(far.has_bits());
  EXPECT_EQ(far.count_below(701), 2u);
  const AllowedIds near = AllowedIds::of(numbers(10000, 3));
  EXPECT_EQ(near.count(), 10000u);
  EXPECT_TRUE(near.has_bits());
  EXPECT_TRUE(near.listed().empty());
  for (uint64_t bound : {0, 3, 4, 64, 127, 128, 9999, 10003, 20000}) {
    EXPECT_EQ(near.count_below(bound), std::clamp<uint64_t>(bound, 3, 10003) - 3) << bound;
  }
  EXPECT_EQ(AllowedIds::of({}).count(), 0u);
  EXPECT_EQ(AllowedIds::of({}).count_below(10), 0u);
}

TEST(GraphIndex, searches_alike_whether_ids_that_are_not_there_are_allowed) {
  const size_t dim = 16, count = 3000;
  const std::vector<float> rows = clustered(count, dim, 1);
  for (uint64_t first : {uint64_t{0}, uint64_t{1} << 40}) {
    auto index = Index::create({.dim = dim, .build_breadth = 40, .capacity = 2 * count});
    index->add(numbers(count, first), rows);
    for (uint64_t step : {1, 3, 200}) {
      std::vector<uint64_t> ids;
      for (uint64_t id = 0; id < count; id += step) ids.push_back(first + id);
      const AllowedIds there = AllowedIds::of(ids);
      for (uint64_t id = 0; id < count; id += step) ids.push_back(first + count + 5 + 1000 * id);
      const AllowedIds more = AllowedIds::of(ids);
      for (size_t q = 0; q < 5; ++q) {
        const std::span<const float> query(rows.data() + q * dim, dim);
        const IndexSearchResult expected = index->search(query, {.allowed = &there});
        EXPECT_EQ(expected.hits.size(), std::min<size_t>(10, count / step));
        for (const IndexHit& hit : expected.hits) EXPECT_EQ((hit.id - first) % step, 0u);
        if (first == 0) {
          const IndexSearchResult found = index->search(query, {.allowed = &more});
          EXPECT_EQ(found.hits, expected.hits);
          EXPECT_EQ(found.plan, expected.plan);
        } else {
          EXPECT_EQ(index->search(query, {.exact = true, .allowed = &more}).hits,
                    index->search(query, {.exact = true, .allowed = &there}).hits);
        }
      }
    }
  }
}

TEST(GraphIndex, walks_only_as_broadly_as_asked_and_finds_accordingly) {
  auto index = Index::create({.dim = 48, .metric = Metric::cosine, .capacity = 20000});
  const std::vector<float> rows = clustered(7000, 48, 1, 60);
  const std::vector<float> queries = clustered(100, 48, 2, 60);
  index->add(numbers(7000), rows);
  const double narrow = mean_recall(*index, rows, queries, {.k = 10, .breadth = 10});
  const double middle = mean_recall(*index, rows, queries, {.k = 10, .breadth = 40});
  const double broad = mean_recall(*index, rows, queries, {.k = 10, .breadth = 200});
  EXPECT_GE(narrow, 0.6);
  EXPECT_LE(narrow, 0.97) << "a walk that narrow cannot be that good: is it a walk?";
  EXPECT_GE(middle, 0.9);
  EXPECT_GE(broad, 0.99);
  EXPECT_LT(narrow, broad);
  const IndexSearchResult result = index->search(std::span(queries).first(48), {.k = 10, .breadth = 40});
  EXPECT_EQ(result.plan, SearchPlan::graph);
  EXPECT_FALSE(result.exact);
  EXPECT_LT(result.compared, 3000u) << "of 7,000";
}

TEST(GraphIndex, keeps_its_promise_of_recall) {
  auto index = Index::create({.dim = 48, .metric = Metric::l2, .capacity = 20000});
  const std::vector<float> rows = clustered(6000, 48, 1, 60);
  const std::vector<float> queries = clustered(100, 48, 2, 60);
  index->add(numbers(6000), rows);
  index->calibrate();
  for (double target : {0.8, 0.9, 0.95, 0.99}) {
    const double reached = mean_recall(*index, rows, queries, {.k = 10, .target_recall = target});
    EXPECT_GE(reached, target - 0.03) << target;
  }
  const IndexSearchResult exact = index->search(std::span(queries).first(48), {.k = 10, .target_recall = 1.0});
  EXPECT_TRUE(exact.exact);
  EXPECT_EQ(exact.compared, 6000u);
}

TEST(GraphIndex, looks_farther_for_links_where_neighbours_are_hard_to_find) {
  constexpr size_t dim = 64, row_count = 20000, query_count = 200;
  const std::vector<float> queries = sums_of_words(query_count, dim, 2);
  std::vector<double> recalls;
  for (size_t build_breadth : {48, 150}) {
    double sum = 0;
    // How the links of one set of rows fall moves its recall by a hundredth.
    for (uint64_t seed : {3, 4}) {
      const std::vector<float> rows = sums_of_words(row_count, dim, seed);
      const auto index = Index::create({.dim = dim, .build_breadth = build_breadth, .capacity = row_count});
      index->add(numbers(row_count), rows);
      const auto truth = index->search_batch(queries, {.exact = true});
      for (size_t q = 0; q < query_count; ++q) {
        std::vector<uint64_t> ids;
        for (const IndexHit& hit : truth[q].hits) ids.push_back(hit.id);
        sum += recall(index->search(std::span(queries).subspan(q * dim, dim), {.breadth = 40}).hits, ids);
      }
    }
    recalls.push_back(sum / (2 * query_count));
  }
  EXPECT_GT(recalls[0], 0.75);
  EXPECT_GT(recalls[1], recalls[0] + 0.02);
}

// Links that were found once are good enough to walk on, though not as good as those that were looked for again.
TEST(GraphIndex, is_linked_in_haste_where_asked) {
  constexpr size_t dim = 64, row_count = 8000, query_count = 100;
  const std::vector<float> rows = sums_of_words(row_count, dim, 3), queries = sums_of_words(query_count, dim, 2);
  std::vector<double> recalls, promised;
  for (bool hasty : {true, false}) {
    IndexImpl index({.dim = dim, .capacity = row_count});
    index.set_hasty(hasty);
    index.add_view(std::as_bytes(std::span(rows)), 2, nullptr);
    index.calibrate(100, 0);
    recalls.push_back(mean_recall(index, rows, queries, {.breadth = 40}));
    promised.push_back(mean_recall(index, rows, queries, {.target_recall = 0.9}));
  }
  EXPECT_GT(recalls[0], 0.6);
  EXPECT_GT(recalls[1], recalls[0] + 0.02);
  for (double reached : promised) EXPECT_GT(reached, 0.87);
}

// Whoever listens may end the work: what he throws comes out, and the index can be thrown away.
TEST(GraphIndex, is_given_up_where_its_progress_throws) {
  struct Impatient : base::Progress {
    explicit Impatient(size_t count) : left(count) {}
    void begin(std::string_view, std::string_view, uint64_t) override { count(); }
    void report(uint64_t) override { count(); }
    void remark(std::string_view) override {}
    void end() override {}
    void count() {
      if (left == 0) throw Error(ErrorCode::unavailable, "enough");
      --left;
    }
    size_t left;
  };
  constexpr size_t dim = 16, row_count = 12000;
  const std::vector<float> rows = clustered(row_count, dim, 1);
  size_t given_up = 0;
  for (const size_t reports : {0, 1, 2, 5, 20, 50, 100000}) {
    IndexImpl index({.dim = dim, .capacity = row_count});
    Impatient impatient(reports);
    try {
      index.add_view(std::as_bytes(std::span(rows)), 2, &impatient);
      EXPECT_EQ(index.size(), row_count);
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), Error(ErrorCode::unavailable, "enough").what());
      ++given_up;
    }
  }
  EXPECT_GE(given_up, 5u);
  EXPECT_LE(given_up, 6u);
}

TEST(GraphIndex, is_the_same_for_any_number_of_threads) {
  const std::vector<float> rows = clustered(3000, 32, 1);
  const std::vector<float> query = clustered(1, 32, 2);
  std::vector<std::vector<IndexHit>> results;
  for (size_t threads : {1, 2, 3}) {
    auto index = Index::create({.dim = 32, .capacity = 6000});
    index->add(numbers(2000), std::span(rows).first(2000 * 32), threads);
    index->add(numbers(1000, 2000), std::span(rows).subspan(2000 * 32), threads);
    results.push_back(index->search(query, {.k = 100, .breadth = 100}).hits);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

// Ten times the index's size of insertions, deletions and updates.
TEST(GraphIndex, stays_as_good_while_its_vectors_come_and_go) {
  const size_t dim = 24, size = 2000;
  std::vector<float> rows = clustered(size, dim, 1);
  const std::vector<float> queries = clustered(100, dim, 2);
  auto index = Index::create({.dim = dim, .metric = Metric::l2, .build_breadth = 80, .capacity = 4 * size});
  index->add(numbers(size), rows);
  const double before = mean_recall(*index, rows, queries, {.k = 10, .breadth = 40});
  const std::vector<float> fresh = clustered(10 * size, dim, 3);
  base::Random random(5);
  for (size_t i = 0; i < 10 * size; ++i) {
    const uint64_t id = random.below(size);
    const std::span<const float> row(fresh.data() + i * dim, dim);
    if (i % 3 == 0) {
      EXPECT_TRUE(index->remove(id));
    }
    index->add(std::span(&id, 1), row);
    std::copy(row.begin(), row.end(), rows.begin() + static_cast<ptrdiff_t>(id * dim));
  }
  EXPECT_EQ(index->size(), size);
  const double after = mean_recall(*index, rows, queries, {.k = 10, .breadth = 40});
  EXPECT_GE(after, before - 0.01) << "before: " << before;
}

TEST(GraphIndex, answers_while_another_thread_changes_it) {
  const size_t dim = 16, size = 1500;
  const std::vector<float> rows = clustered(2 * size, dim, 1);
  auto index = Index::create({.dim = dim, .build_breadth = 40, .capacity = 4 * size});
  index->add(numbers(size), std::span(rows).first(size * dim));
  std::atomic<bool> stop = false;
  std::atomic<size_t> searches = 0;
  std::vector<std::thread> readers;
  for (size_t t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      base::Random random(t);
      while (!stop) {
        const size_t row = random.below(2 * size);
        const IndexSearchResult result =
            index->search(std::span(rows).subspan(row * dim, dim), {.k = 5, .breadth = 20});
        EXPECT_EQ(result.hits.size(), 5u);
        std::set<uint64_t> ids;
        for (const IndexHit& hit : result.hits) {
          ids.insert(hit.id);
          EXPECT_LT(hit.id, 2 * size);
        }
        EXPECT_EQ(ids.size(), 5u);
        ++searches;
      }
    });
  }
  for (size_t i = 0; i < size; ++i) {
    const uint64_t id = size + i;
    index->add(std::span(&id, 1), std::span(rows).subspan(id * dim, dim));
    EXPECT_TRUE(index->remove(i));
  }
  while (searches < 100) std::this_thread::yield();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(index->size(), size);
  for (const IndexHit& hit : index->search(std::span(rows).first(dim), {.k = 20}).hits) EXPECT_GE(hit.id, size);
}

TEST(GraphIndex, refuses_vectors_too_long_to_be_compared) {
  for (Metric metric : {Metric::cosine, Metric::dot, Metric::l2}) {
    const auto index = Index::create({.dim = 4, .metric = metric});
    std::vector<float> rows(8, 1.0f);
    rows[5] = 1e20f;
    EXPECT_THAT(error_of([&] { index->add(numbers(2), rows); }),
                HasSubstr("invalid_argument: vector 1: its squared length is inf, expected at most 1e+37"));
    EXPECT_EQ(index->size(), 0u);
    EXPECT_THAT(error_of([&] { index->search(std::span(rows).subspan(4)); }),
                HasSubstr("invalid_argument: the query's squared length is inf, expected at most 1e+37"));
  }
}

TEST(GraphIndex, is_calibrated_when_one_vector_is_left) {
  const auto index = Index::create({.dim = 8});
  index->add(numbers(1500), clustered(1500, 8, 1));
  for (uint64_t id = 1; id < 1500; ++id) index->remove(id);
  index->calibrate();
  EXPECT_EQ(index->search(std::vector<float>(8, 1.0f)).hits.size(), 1u);
}

TEST(IndexOptions, name_what_is_wrong) {
  EXPECT_THAT(error_of([] { Index::create({.dim = 0}); }), HasSubstr("dim is 0, expected 1 to 65536"));
  EXPECT_THAT(error_of([] { Index::create({.dim = 4, .degree = 1000}); }), HasSubstr("degree is 1000"));
  EXPECT_THAT(error_of([] { Index::create({.dim = 4, .metric = Metric::l1, .codes = CodeKind::sq4}); }),
              HasSubstr("expected none for metric l1"));
  auto small = Index::create({.dim = 1, .capacity = 3});
  const std::vector<float> four = {1, 2, 3, 4};
  EXPECT_THAT(error_of([&] { small->add(numbers(4), four); }), HasSubstr("exhausted: 4 vectors cannot be added"));
  EXPECT_EQ(small->size(), 0u);
}

TEST(ElementTypes, are_searched_like_the_floats_that_they_stand_for) {
  const size_t dim = 32, count = 2000;
  std::vector<float> rows = clustered(count, dim, 1);
  // Whole numbers that all types hold.
  for (float& value : rows) value = std::clamp(std::round(value * 10), 0.0f, 120.0f);
  const std::vector<float> queries(rows.begin(), rows.begin() + 20 * dim);
  for (ElementType type :
       {ElementType::float32, ElementType::float16, ElementType::bfloat16, ElementType::int8, ElementType::uint8}) {
    auto index = Index::create({.dim = dim, .metric = Metric::l2, .type = type, .capacity = 4000});
    index->add(numbers(count), rows);
    EXPECT_GE(mean_recall(*index, rows, queries, {.k = 10, .exact = true}), 1.0) << name(type);
    EXPECT_GE(mean_recall(*index, rows, queries, {.k = 10, .breadth = 100}), 0.95) << name(type);
  }
}

TEST(ElementTypes, refuse_what_they_cannot_hold) {
  for (const auto& [type, value] : {std::pair(ElementType::uint8, 256.0f),
                                    {ElementType::uint8, -1.0f},
                                    {ElementType::int8, 128.0f},
                                    {ElementType::int8, 0.5f},
                                    {ElementType::float16, 70000.0f},
                                    {ElementType::bfloat16, 3.4e38f}}) {
    auto index = Index::create({.dim = 2, .metric = Metric::l2, .type = type, .capacity = 10});
    const std::vector<float> rows = {1, 2, 3, value};
    EXPECT_THAT(error_of([&] { index->add(numbers(2), rows); }),
                HasSubstr("invalid_argument: vector 1: component 1 is "))
        << name(type);
    EXPECT_EQ(index->size(), 0u);
  }
}

}  // namespace
}  // namespace sextant::index
