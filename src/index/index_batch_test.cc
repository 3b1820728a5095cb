// Batches of queries give what the queries give alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "errors.h"
#include "index/testing_vectors.h"
#include "sextant/index.h"

namespace sextant::index {
namespace {

constexpr size_t kBatchDim = 40;

TEST(SearchBatch, compares_all_with_all_and_finds_exactly_what_single_searches_find) {
  const std::vector<float> rows = clustered(2500, kBatchDim, 1), queries = clustered(50, kBatchDim, 2);
  for (Metric metric : {Metric::cosine, Metric::dot, Metric::l2, Metric::l1}) {
    for (IndexKind kind : {IndexKind::flat, IndexKind::graph}) {
      const auto index = Index::create({.dim = kBatchDim, .metric = metric, .kind = kind});
      index->add(numbers(2500), rows);
      for (uint64_t id = 0; id < 2500; id += 7) index->remove(id);
      for (size_t k : {size_t{1}, size_t{10}, size_t{100}}) {
        const IndexSearchOptions options{.k = k, .exact = true};
        const auto together = index->search_batch(queries, options, 2);
        ASSERT_EQ(together.size(), 50u);
        for (size_t q = 0; q < 50; ++q) {
          const auto alone = index->search(std::span(queries).subspan(q * kBatchDim, kBatchDim), options);
          ASSERT_EQ(together[q].hits, alone.hits) << name(metric) << " k " << k << " query " << q;
          EXPECT_EQ(together[q].plan, metric == Metric::l1 ? SearchPlan::scan : SearchPlan::product_scan);
          EXPECT_TRUE(together[q].exact);
        }
      }
    }
  }
}

TEST(SearchBatch, looks_at_few_vectors_twice) {
  const std::vector<float> rows = clustered(20000, kBatchDim, 1), queries = clustered(64, kBatchDim, 2);
  const auto index = Index::create({.dim = kBatchDim, .kind = IndexKind::flat});
  index->add(numbers(20000), rows);
  for (const auto& result : index->search_batch(queries, {.exact = true})) {
    EXPECT_GE(result.compared, 20010u);
    EXPECT_LT(result.compared, 21000u);
  }
}

TEST(SearchBatch, keeps_to_what_is_allowed) {
  const std::vector<float> rows = clustered(3000, kBatchDim, 1), queries = clustered(50, kBatchDim, 2);
  const auto index = Index::create({.dim = kBatchDim, .metric = Metric::l2});
  index->add(numbers(3000, 100), rows);
  for (uint64_t divisor : {2, 50, 1000}) {
    std::vector<uint64_t> ids;
    for (uint64_t id = 100; id < 3100; id += divisor) ids.push_back(id);
    const AllowedIds allowed = AllowedIds::of(ids);
    const IndexSearchOptions options{.k = 5, .exact = true, .allowed = &allowed};
    const auto together = index->search_batch(queries, options);
    for (size_t q = 0; q < 50; ++q) {
      EXPECT_EQ(together[q].hits, index->search(std::span(queries).subspan(q * kBatchDim, kBatchDim), options).hits)
          << divisor;
    }
  }
}

TEST(SearchBatch, of_walks_is_that_of_single_walks) {
  const std::vector<float> rows = clustered(5000, kBatchDim, 1), queries = clustered(40, kBatchDim, 2);
  const auto index = Index::create({.dim = kBatchDim});
  index->add(numbers(5000), rows);
  const IndexSearchOptions options{.breadth = 30};
  const auto together = index->search_batch(queries, options, 2);
  for (size_t q = 0; q < 40; ++q) {
    const auto alone = index->search(std::span(queries).subspan(q * kBatchDim, kBatchDim), options);
    if (together[q].plan == SearchPlan::graph) {
      EXPECT_EQ(together[q].hits, alone.hits);
    }
  }
}

TEST(SearchBatch, takes_vectors_without_length_and_types_of_few_bits) {
  for (ElementType type : {ElementType::float16, ElementType::int8, ElementType::uint8}) {
    std::vector<float> rows(2000 * 8), queries(20 * 8);
    base::Random random(4);
    for (float& value : rows) value = static_cast<float>(random.below(100));
    for (float& value : queries) value = static_cast<float>(random.below(100));
    std::fill_n(rows.begin(), 8, 0.0f);
    std::fill_n(queries.begin(), 8, 0.0f);
    for (Metric metric : {Metric::cosine, Metric::l2}) {
      const auto index = Index::create({.dim = 8, .metric = metric, .type = type});
      index->add(numbers(2000), rows);
      const auto together = index->search_batch(queries, {.exact = true});
      for (size_t q = 0; q < 20; ++q) {
        EXPECT_EQ(together[q].hits, index->search(std::span(queries).subspan(q * 8, 8), {.exact = true}).hits)
            << name(type) << name(metric) << q;
      }
    }
  }
}

TEST(SearchBatch, may_be_empty_and_says_what_is_wrong) {
  const auto index = Index::create({.dim = 3});
  EXPECT_TRUE(index->search_batch({}, {}).empty());
  const std::vector<float> queries = {1, 2, 3, 4, 5, 6};
  EXPECT_THAT(index->search_batch(queries),
              testing::Each(testing::Field(&IndexSearchResult::hits, testing::IsEmpty())));
  EXPECT_EQ(tests::error_of([&] { index->search_batch(std::span(queries).first(5)); }),
            "invalid_argument: 5 numbers for queries, expected a multiple of dim 3");
  const std::vector<float> bad = {1, 2, 3, 4, NAN, 6};
  EXPECT_EQ(tests::error_of([&] { index->search_batch(bad); }),
            "invalid_argument: query 1: component 1 of the query is nan, expected a finite number");
}

}  // namespace
}  // namespace sextant::index
