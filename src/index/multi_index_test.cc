// Rows of several vectors: scores as they are defined, recall as it was asked for, rows that come and go, files.
#include "sextant/multi_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include "base/files.h"
#include "index/max_sim.h"
#include "index/multi_index_impl.h"
#include "index/storable.h"
#include "index/testing_multi_vectors.h"
#include "sextant/error.h"

namespace sextant::index {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(name(error.code())) + ": " + error.what();
  }
  return "no error";
}

std::unique_ptr<MultiIndex> index_of(const MultiRows& rows, IndexOptions options = {}) {
  options.dim = rows.dim;
  options.build_breadth = 60;
  options.capacity = 400'000;
  auto index = MultiIndex::create(options);
  index->add(numbers(rows.counts.size()), rows.counts, rows.vectors);
  return index;
}

// The part of the true k nearest that is found, on average; what is true says an exact search, which is held to a slow
// one below.
using Truth = std::vector<std::vector<IndexHit>>;  // of each query

Truth truth_of(const MultiIndex& index, const MultiRows& queries, size_t k, const AllowedIds* allowed = nullptr) {
  Truth truth;
  for (size_t q = 0; q < queries.counts.size(); ++q) {
    truth.push_back(index.search(queries.row(q), {.k = k, .exact = true, .allowed = allowed}).hits);
  }
  return truth;
}

double mean_recall(const MultiIndex& index, const MultiRows& queries, const Truth& truth,
                   const MultiSearchOptions& options) {
  double sum = 0;
  for (size_t q = 0; q < queries.counts.size(); ++q) {
    std::set<uint64_t> found;
    for (const IndexHit& hit : index.search(queries.row(q), options).hits) found.insert(hit.id);
    size_t right = 0;
    for (const IndexHit& hit : truth[q]) right += found.count(hit.id);
    sum += truth[q].empty() ? 1 : static_cast<double>(right) / static_cast<double>(truth[q].size());
  }
  return sum / static_cast<double>(queries.counts.size());
}

TEST(MultiIndex, agrees_with_a_slow_search_in_double) {
  for (Metric metric : {Metric::cosine, Metric::dot}) {
    for (size_t dim : {size_t{1}, size_t{7}, size_t{40}}) {
      for (size_t most : {1, 30}) {
        const MultiRows rows = worded(200, dim, 1, 1, most);
        const MultiRows queries = worded(8, dim, 2, 1, 20);
        const auto index = index_of(rows, {.metric = metric});
        EXPECT_EQ(index->size(), 200u);
        EXPECT_EQ(index->vector_count(), rows.vectors.size() / dim);
        for (size_t q = 0; q < 8; ++q) {
          const MultiSearchResult result = index->search(queries.row(q), {.k = 12, .exact = true});
          const auto truth = slow_multi_search(metric, rows, queries.row(q), 12);
          EXPECT_TRUE(result.exact);
          EXPECT_EQ(result.plan, SearchPlan::scan);
          EXPECT_EQ(result.rescored, 200u);
          EXPECT_EQ(result.compared, rows.vectors.size() / dim * queries.counts[q]);
          ASSERT_EQ(result.hits.size(), 12u);
          for (size_t i = 0; i < 12; ++i) {
            const double tolerance = 1e-5 * std::max(1.0, std::abs(truth[i].first));
            EXPECT_NEAR(result.hits[i].score, truth[i].first, tolerance);
            const auto row = rows.row(result.hits[i].id);
            EXPECT_NEAR(result.hits[i].score, slow_max_sim(metric, queries.row(q), row, dim), tolerance);
          }
        }
      }
    }
  }
}

TEST(MultiIndex, reaches_the_recall_that_was_asked_for_and_looks_at_little) {
  const MultiRows rows = worded(1000, 48, 1, 5, 20);
  const MultiRows queries = worded(30, 48, 2, 8, 24);
  const auto index = index_of(rows);
  index->calibrate();
  const Truth truth = truth_of(*index, queries, 10);
  double before = 0;
  EXPECT_LE(mean_recall(*index, queries, truth, {.k = 10, .target_recall = 0.7}), 0.9)
      << "more than was asked for costs time";
  for (double target : {0.7, 0.9, 0.97}) {
    const double reached = mean_recall(*index, queries, truth, {.k = 10, .target_recall = target});
    EXPECT_GE(reached, target - 0.05) << target;
    EXPECT_GE(reached, before - 0.01) << target;
    before = reached;
  }
  EXPECT_LE(mean_recall(*index, queries, truth, {.k = 10, .candidates = 5}), 0.95)
      << "so few candidates cannot be that good: are they looked for?";
  EXPECT_EQ(mean_recall(*index, queries, truth, {.k = 10, .target_recall = 1}), 1);
  const MultiSearchResult result = index->search(queries.row(0), {.k = 10, .target_recall = 0.7});
  EXPECT_EQ(result.plan, SearchPlan::graph);
  EXPECT_FALSE(result.exact);
  EXPECT_GT(result.candidates, 0u);
  EXPECT_LT(result.rescored, 500u) << "of 1,000";
  EXPECT_NEAR(result.expected_recall, 0.7, 0.1);
}

TEST(MultiIndex, gives_what_a_plain_index_gives_where_rows_and_queries_have_one_vector) {
  const size_t count = 4000, dim = 32;
  const std::vector<float> vectors = clustered(count, dim, 1);
  const std::vector<float> queries = clustered(30, dim, 2);
  for (Metric metric : {Metric::cosine, Metric::dot}) {
    auto plain = Index::create({.dim = dim, .metric = metric, .build_breadth = 60, .capacity = 10000});
    plain->add(numbers(count), vectors);
    auto multi = MultiIndex::create({.dim = dim, .metric = metric, .build_breadth = 60, .capacity = 10000});
    multi->add(numbers(count), std::vector<size_t>(count, 1), vectors);
    size_t walks = 0;
    for (size_t q = 0; q < 30; ++q) {
      const std::span<const float> query = std::span(queries).subspan(q * dim, dim);
      EXPECT_EQ(multi->search(query, {.k = 10, .exact = true}).hits,
                plain->search(query, {.k = 10, .exact = true}).hits);
      const MultiSearchResult walked = multi->search(query, {.k = 10, .candidates = 20});
      EXPECT_EQ(walked.hits, plain->search(query, {.k = 10, .breadth = 30}).hits);
      walks += walked.plan == SearchPlan::graph ? 1 : 0;
    }
    EXPECT_EQ(walks, 30u);
  }
}

TEST(MultiIndex, gives_k_allowed_rows_whatever_is_allowed) {
  const size_t count = 3000;
  const MultiRows rows = worded(count, 32, 1, 1, 10);
  const MultiRows queries = worded(10, 32, 2, 4, 12);
  const auto index = index_of(rows);
  for (size_t divisor : {2, 10, 100, 1000, 3000}) {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < count; i += divisor) ids.push_back(i);
    const AllowedIds allowed = AllowedIds::of(ids);
    for (size_t q = 0; q < 10; ++q) {
      const MultiSearchResult result = index->search(queries.row(q), {.k = 10, .allowed = &allowed});
      ASSERT_EQ(result.hits.size(), std::min<size_t>(10, ids.size())) << "1 in " << divisor;
      for (const IndexHit& hit : result.hits) EXPECT_EQ(hit.id % divisor, 0u);
      EXPECT_EQ(result.exact, result.plan == SearchPlan::scan);
    }
    EXPECT_GE(mean_recall(*index, queries, truth_of(*index, queries, 10, &allowed),
                          {.k = 10, .candidates = 100, .allowed = &allowed}),
              0.95)
        << "1 in " << divisor;
  }
  const AllowedIds none = AllowedIds::of({});
  EXPECT_TRUE(index->search(queries.row(0), {.allowed = &none}).hits.empty());
}

// All that is near lies in one row: its vectors fill every list of candidates.
TEST(MultiIndex, gives_k_rows_though_one_row_is_nearest_everywhere) {
  const size_t dim = 16;
  MultiRows rows = worded(2000, dim, 1, 1, 3);
  const auto index = index_of(rows);
  const std::vector<float> query(dim, 1.0f);
  std::vector<float> crowd;
  base::Random random(3);
  for (size_t i = 0; i < 3000 * dim; ++i) crowd.push_back(static_cast<float>(1 + 0.001 * random.normal()));
  index->add(5000, crowd);
  const MultiSearchResult result = index->search(query, {.k = 10, .candidates = 16});
  ASSERT_EQ(result.hits.size(), 10u);
  EXPECT_EQ(result.hits[0].id, 5000u);
  EXPECT_EQ(index->search(query, {.k = 5000}).hits.size(), 2001u);
}

TEST(MultiIndex, finds_nothing_when_empty_and_orders_equal_rows_by_id) {
  auto index = MultiIndex::create({.dim = 4, .capacity = 5000});
  const std::vector<float> query = {1, 0, 0, 0, 0, 1, 0, 0};
  EXPECT_TRUE(index->search(query).hits.empty());
  index->calibrate();
  for (uint64_t id = 900; id-- > 0;) index->add(id, std::vector<float>(8, 0.5f));
  EXPECT_TRUE(index->search(query, {.k = 0}).hits.empty());
  const std::vector<IndexHit> hits = index->search(query, {.k = 20, .exact = true}).hits;
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(hits[i].id, i);
  EXPECT_EQ(index->search(query, {.k = 20, .candidates = 10}).hits.size(), 20u);
  EXPECT_EQ(index->search(std::vector<float>(4), {.k = 20}).hits.size(), 20u) << "a zero vector is as near to all";
}

TEST(MultiIndex, says_what_is_wrong_and_adds_nothing_then) {
  EXPECT_THAT(message_of([] { MultiIndex::create({.dim = 4, .metric = Metric::l2}); }),
              HasSubstr("invalid_argument: metric is l2, expected cosine or dot"));
  EXPECT_THAT(message_of([] { MultiIndex::create({.dim = 0}); }), HasSubstr("dim is 0"));
  auto index = MultiIndex::create({.dim = 2, .capacity = 10});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinite = std::numeric_limits<float>::infinity();
  for (float bad : {nan, infinite, -infinite}) {
    EXPECT_THAT(message_of([&] {
                  index->add(numbers(2), std::vector<size_t>{1, 3}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, bad});
                }),
                HasSubstr("invalid_argument: row 1: vector 2: component 1 is "));
    EXPECT_THAT(message_of([&] {
                  index->search(std::vector<float>{1, 2, bad, 4});
                }),
                HasSubstr("vector 1 of the query: component 0 is "));
  }
  EXPECT_THAT(message_of([&] {
                index->add(numbers(2), std::vector<size_t>{1, 0}, std::vector<float>{1, 2});
              }),
              HasSubstr("row 1: 0 vectors, expected 1 to 65536"));
  EXPECT_THAT(message_of([&] {
                index->add(numbers(2), std::vector<size_t>{1}, std::vector<float>{1, 2});
              }),
              HasSubstr("2 ids, 1 counts"));
  EXPECT_THAT(message_of([&] {
                index->add(numbers(1), std::vector<size_t>{2}, std::vector<float>{1, 2});
              }),
              HasSubstr("2 numbers for 2 vectors, expected 4 of dim 2"));
  EXPECT_THAT(message_of([&] {
                index->add(3, std::vector<float>{1, 2, 3});
              }),
              HasSubstr("3 numbers for a row, expected a multiple of dim 2"));
  EXPECT_THAT(message_of([&] { index->add(3, {}); }), HasSubstr("row 0: 0 vectors"));
  EXPECT_THAT(message_of([&] { index->search({}); }), HasSubstr("a query of 0 vectors"));
  EXPECT_THAT(message_of([&] { index->search(std::vector<float>{1}); }), HasSubstr("a query of 1 numbers"));
  EXPECT_THAT(message_of([&] {
                index->search(std::vector<float>{1, 2}, {.target_recall = 0});
              }),
              HasSubstr("target_recall is 0"));
  EXPECT_THAT(message_of([&] { index->add(1, std::vector<float>(22)); }), HasSubstr("exhausted: 11 vectors"));
  EXPECT_EQ(index->size(), 0u);
  EXPECT_EQ(index->vector_count(), 0u);
  index->add(1, std::vector<float>(12));
  EXPECT_THAT(message_of([&] { index->add(1, std::vector<float>(12)); }), HasSubstr("exhausted: "));
  EXPECT_EQ(index->vector_count(), 6u) << "the row that could not be replaced is still there";
}

// Against a map of what should be there, through many times the index's size of changes.
TEST(MultiIndex, keeps_up_with_rows_that_come_and_go) {
  const size_t dim = 16, ids = 400;
  const MultiRows fresh = worded(2000, dim, 1, 1, 9);
  const MultiRows queries = worded(20, dim, 2, 3, 8);
  auto index = MultiIndex::create({.dim = dim, .build_breadth = 40, .capacity = 8000});
  std::map<uint64_t, size_t> expected;  // id -> row of fresh
  base::Random random(5);
  auto compare = [&] {
    MultiRows there;
    there.dim = dim;
    std::vector<uint64_t> there_ids;
    for (const auto& [id, row] : expected) {
      there.firsts.push_back(there.vectors.size() / dim);
      there.counts.push_back(fresh.counts[row]);
      there.vectors.insert(there.vectors.end(), fresh.row(row).begin(), fresh.row(row).end());
      there_ids.push_back(id);
    }
    ASSERT_EQ(index->size(), expected.size());
    ASSERT_EQ(index->vector_count(), there.vectors.size() / dim);
    double right = 0, wanted = 0;
    for (size_t q = 0; q < 20; ++q) {
      const auto truth = slow_multi_search(Metric::cosine, there, queries.row(q), 5);
      const std::vector<IndexHit> hits = index->search(queries.row(q), {.k = 5, .exact = true}).hits;
      ASSERT_EQ(hits.size(), truth.size());
      for (size_t i = 0; i < truth.size(); ++i) {
        EXPECT_NEAR(hits[i].score, truth[i].first, 1e-4);
        EXPECT_TRUE(expected.contains(hits[i].id));
      }
      const std::vector<IndexHit> walked = index->search(queries.row(q), {.k = 5, .candidates = 40}).hits;
      ASSERT_EQ(walked.size(), truth.size());
      for (const IndexHit& hit : walked) {
        for (const auto& [score, row] : truth) right += there_ids[row] == hit.id ? 1 : 0;
      }
      wanted += static_cast<double>(truth.size());
    }
    EXPECT_GE(right, 0.95 * wanted);
  };
  for (size_t i = 0; i < 2000; ++i) {
    const uint64_t id = random.below(ids);
    if (i % 4 == 3) {
      EXPECT_EQ(index->remove(id), expected.erase(id) > 0);
    } else {
      index->add(id, fresh.row(i));
      expected[id] = i;
    }
    EXPECT_EQ(index->contains(id), expected.contains(id));
    if (i % 500 == 499) compare();
  }
  // Of equal ids in one call the last one counts.
  std::vector<float> two(fresh.row(0).begin(), fresh.row(0).end());
  two.insert(two.end(), fresh.row(1).begin(), fresh.row(1).end());
  index->add(std::vector<uint64_t>{7, 7}, std::vector<size_t>{fresh.counts[0], fresh.counts[1]}, two);
  expected[7] = 1;
  compare();
}

TEST(MultiIndex, answers_while_another_thread_changes_it) {
  const size_t dim = 16, size = 500;
  const MultiRows rows = worded(2 * size, dim, 1, 2, 6);
  const MultiRows queries = worded(50, dim, 2, 2, 6);
  // Row 0 stays; its twin is replaced all the time and must always be found, as it was or as it is.
  auto index = MultiIndex::create({.dim = dim, .build_breadth = 40, .capacity = 40'000});
  index->add(numbers(size), std::span(rows.counts).first(size), std::span(rows.vectors).first(rows.firsts[size] * dim));
  std::atomic<bool> stop = false;
  std::atomic<size_t> searches = 0;
  std::vector<std::thread> readers;
  for (size_t t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      base::Random random(t);
      while (!stop) {
        const auto query = queries.row(random.below(50));
        const bool exact = random.below(3) == 0;
        const MultiSearchResult result = index->search(query, {.k = 5, .candidates = 20, .exact = exact});
        EXPECT_EQ(result.hits.size(), 5u);
        std::set<uint64_t> ids;
        for (const IndexHit& hit : result.hits) {
          ids.insert(hit.id);
          // A row is its own or, where it is replaced, the one before it: never a mixture.
          const double as_it_is = slow_max_sim(Metric::cosine, query, rows.row(hit.id), dim);
          const double as_it_was = slow_max_sim(Metric::cosine, query, rows.row(2 * size - 1 - hit.id), dim);
          EXPECT_TRUE(std::abs(hit.score - as_it_is) < 1e-4 || std::abs(hit.score - as_it_was) < 1e-4);
        }
        EXPECT_EQ(ids.size(), 5u);
        if (exact) {
          EXPECT_EQ(index->search(query, {.k = 10 * size, .exact = true}).hits.size(), size)
              << "a replaced row is always there, once";
        }
        ++searches;
      }
    });
  }
  for (size_t i = 0; i < 3 * size; ++i) {
    const uint64_t id = i % size;
    index->add(id, rows.row(i / size % 2 == 0 ? 2 * size - 1 - id : id));
  }
  while (searches < 60) std::this_thread::yield();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(index->size(), size);
}

class SavedMultiIndex : public testing::Test {
 protected:
  fs::path path() const { return folder_.path() / "rows.idx"; }
  base::TemporaryFolder folder_;
};

TEST_F(SavedMultiIndex, answers_as_it_did_before) {
  const MultiRows queries = worded(10, 24, 2, 3, 12);
  for (Metric metric : {Metric::cosine, Metric::dot}) {
    for (size_t count : {0, 1, 50, 400}) {
      for (IndexKind kind : {IndexKind::graph, IndexKind::flat}) {
        const auto index = index_of(worded(count, 24, 1, 1, 8), {.metric = metric, .kind = kind});
        if (count == 400) {
          for (uint64_t id = 0; id < 50; ++id) index->remove(7 * id);
          index->add(1'000'000, worded(1, 24, 9, 5, 5).vectors);
        }
        index->save(path());
        for (bool load : {false, true}) {
          const auto opened = MultiIndex::open(path(), {.verify = true, .load = load});
          EXPECT_EQ(opened->size(), index->size());
          EXPECT_EQ(opened->vector_count(), index->vector_count());
          EXPECT_EQ(opened->options().metric, metric);
          for (uint64_t id : {0, 1, 7, 49, 399, 1'000'000, 2'000'000}) {
            EXPECT_EQ(opened->contains(id), index->contains(id)) << id;
          }
          for (size_t q = 0; q < 10; ++q) {
            for (const MultiSearchOptions& options :
                 {MultiSearchOptions{.k = 10, .candidates = 30}, MultiSearchOptions{.k = 3},
                  MultiSearchOptions{.k = 7, .exact = true}}) {
              EXPECT_EQ(opened->search(queries.row(q), options).hits, index->search(queries.row(q), options).hits);
            }
          }
          EXPECT_THAT(message_of([&] { opened->add(1, std::vector<float>(24)); }), HasSubstr("unsupported: "));
          EXPECT_THAT(message_of([&] { opened->remove(1); }), HasSubstr("unsupported: "));
        }
      }
    }
  }
}

TEST_F(SavedMultiIndex, says_what_is_wrong_with_a_file) {
  EXPECT_THAT(message_of([&] { MultiIndex::open(path()); }), HasSubstr("not_found: "));
  base::write_file_atomically(path(), "hello");
  EXPECT_THAT(message_of([&] { MultiIndex::open(path()); }), HasSubstr("rows.idx: it is no index of Sextant"));
  const auto index = index_of(worded(300, 16, 1, 4, 8));
  index->save(path());
  EXPECT_THAT(message_of([&] { Index::open(path()); }), HasSubstr("corrupted: "));
  const std::string whole = base::read_file(path());
  for (size_t size : {size_t{0}, size_t{20}, size_t{40}, size_t{4096}, whole.size() / 2, whole.size() - 1}) {
    base::write_file_atomically(path(), whole.substr(0, size));
    EXPECT_THAT(message_of([&] { MultiIndex::open(path()); }), HasSubstr("corrupted: ")) << size;
  }
  std::string other_version = whole;
  other_version[12] = 99;
  base::write_file_atomically(path(), other_version);
  EXPECT_THAT(message_of([&] { MultiIndex::open(path()); }), HasSubstr("version 99 of the format"));
}

// Made of the same rows by the build that first wrote version 1.
TEST_F(SavedMultiIndex, of_version_1_is_still_read) {
  const MultiRows queries = worded(5, 4, 2, 1, 4);
  const auto index = index_of(worded(40, 4, 1, 1, 5));
  index->remove(7);
  const auto opened =
      MultiIndex::open(fs::path(SEXTANT_SOURCE_DIR) / "tests/fixtures/multi-index-v1.idx", {.verify = true});
  EXPECT_EQ(opened->size(), 39u);
  EXPECT_FALSE(opened->contains(7));
  EXPECT_TRUE(opened->contains(8));
  for (size_t q = 0; q < 5; ++q) {
    const std::vector<IndexHit> hits = opened->search(queries.row(q), {.k = 5}).hits;
    const std::vector<IndexHit> expected = index->search(queries.row(q), {.k = 5}).hits;
    ASSERT_EQ(hits.size(), 5u);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(hits[i].id, expected[i].id);
      EXPECT_NEAR(hits[i].score, expected[i].score, 1e-5) << "tiers may differ in the last bit";
    }
  }
}

// Every flipped bit is found when asked for, and harms nothing when not.
TEST_F(SavedMultiIndex, survives_flipped_bytes) {
  index_of(worded(300, 16, 1, 4, 8))->save(path());
  const std::string whole = base::read_file(path());
  const MultiRows queries = worded(2, 16, 2, 4, 8);
  base::Random random(1);
  size_t detected = 0;
  const size_t tries = 100;
  for (size_t i = 0; i < tries; ++i) {
    std::string broken = whole;
    // Half of the damage to the head and the tables of rows, which are the first sections.
    const size_t at = random.below(i % 2 == 0 ? 28672 : broken.size());
    broken[at] = static_cast<char>(broken[at] ^ (1 + random.below(255)));
    base::write_file_atomically(path(), broken);
    bool padding = false;
    try {
      MultiIndex::open(path(), {.verify = true});
      padding = true;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::corrupted || error.code() == ErrorCode::unsupported) << error.what();
      ++detected;
    }
    try {
      const auto index = MultiIndex::open(path());
      for (size_t q = 0; q < 2; ++q) {
        for (bool exact : {false, true}) {
          const MultiSearchResult result = index->search(queries.row(q), {.k = 10, .candidates = 30, .exact = exact});
          EXPECT_LE(result.hits.size(), 10u);
          if (padding) {
            EXPECT_EQ(result.hits.size(), 10u);
          }
        }
      }
    } catch (const Error& error) {
      EXPECT_FALSE(padding) << error.what();
    }
  }
  EXPECT_GT(detected, tries / 3);
}

TEST(MultiIndex, of_rows_that_lie_elsewhere_is_that_of_copied_rows) {
  for (const ElementType type : {ElementType::float32, ElementType::float16}) {
    for (const size_t rows : {size_t{1}, size_t{30}, size_t{600}}) {
      SCOPED_TRACE(rows);
      const MultiRows some = worded(rows, 24, 1, 1, 12);
      const size_t vectors = some.vectors.size() / 24;
      const IndexOptions options{.dim = 24, .type = type, .build_breadth = 60, .capacity = vectors};
      MultiIndexImpl copied(options), view(options);
      copied.add(numbers(rows), some.counts, some.vectors, 2);
      std::vector<std::byte> bytes(vectors * row_bytes(type, 24));
      for (size_t i = 0; i < vectors; ++i) {
        narrow(type, some.vectors.data() + i * 24, 24, bytes.data() + i * row_bytes(type, 24));
      }
      view.add_view(some.counts, bytes, 1, nullptr);
      EXPECT_EQ(view.size(), rows);
      EXPECT_EQ(view.vector_count(), vectors);
      EXPECT_TRUE(view.contains(rows - 1));
      EXPECT_FALSE(view.contains(rows));
      for (const bool exact : {true, false}) {
        const auto found = view.search(some.row(0), {.k = 10, .exact = exact}).hits;
        const auto expected = copied.search(some.row(0), {.k = 10, .exact = exact}).hits;
        ASSERT_EQ(found.size(), expected.size());
        for (size_t i = 0; i < found.size(); ++i) {
          EXPECT_EQ(found[i].id, expected[i].id);
          EXPECT_EQ(found[i].score, expected[i].score);
        }
      }
      EXPECT_THAT(message_of([&] { view.remove(0); }), HasSubstr("unsupported: "));
      EXPECT_THAT(message_of([&] { view.add(numbers(rows), some.counts, some.vectors, 1); }),
                  HasSubstr("unsupported: "));
      base::TemporaryFolder folder;
      copied.save(folder.path() / "copied");
      view.save(folder.path() / "view");
      EXPECT_EQ(base::read_file(folder.path() / "view"), base::read_file(folder.path() / "copied"));
    }
  }
  MultiIndexImpl index({.dim = 2, .capacity = 10});
  const std::vector<float> three = {1, 0, 0, 1, 1, 1};
  EXPECT_THAT(message_of([&] {
                index.add_view(std::vector<size_t>{1, 1}, std::as_bytes(std::span(three)), 1, nullptr);
              }),
              HasSubstr("6 numbers for 2 vectors, expected 4 of dim 2"));
  EXPECT_THAT(message_of([&] {
                index.add_view(std::vector<size_t>{3, 0}, std::as_bytes(std::span(three)), 1, nullptr);
              }),
              HasSubstr("row 1: 0 vectors, expected 1 to "));
}

TEST(MultiIndexTypes, are_searched_like_the_floats_that_they_stand_for) {
  MultiRows rows = worded(200, 24, 1, 1, 12);
  for (float& value : rows.vectors) value = std::clamp(std::round(value * 10), -120.0f, 120.0f);
  const MultiRows queries = worded(5, 24, 2, 4, 8);
  for (ElementType type : {ElementType::float32, ElementType::float16, ElementType::bfloat16, ElementType::int8}) {
    const auto index = index_of(rows, {.type = type});
    const auto truth = slow_multi_search(Metric::cosine, rows, queries.row(0), 5);
    const std::vector<IndexHit> hits = index->search(queries.row(0), {.k = 5, .exact = true}).hits;
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(hits[i].id, truth[i].second) << name(type);
      EXPECT_NEAR(hits[i].score, truth[i].first, 1e-4) << name(type);
    }
    EXPECT_GE(mean_recall(*index, queries, truth_of(*index, queries, 5), {.k = 5, .candidates = 100}), 0.9)
        << name(type);
  }
}

TEST(MaxSim, takes_vectors_of_any_length) {
  const size_t dim = 8;
  base::Random random(4);
  for (Metric metric : {Metric::cosine, Metric::dot}) {
    for (double scale : {0.0, 1e-30, 1e-12, 1.0, 1e12, 1e18, 3e38}) {
      std::vector<float> vectors(20 * dim), queries(3 * dim);
      for (size_t i = 0; i < vectors.size(); ++i) {
        vectors[i] = static_cast<float>((i / dim % 2 == 0 ? scale : 1.0) * (random.uniform() - 0.5));
      }
      for (size_t i = 0; i < queries.size(); ++i) {
        queries[i] = static_cast<float>((i / dim == 1 ? scale : 1.0) * (random.uniform() - 0.5));
      }
      const Rows rows(ElementType::float32, dim, std::as_bytes(std::span(vectors)));
      MaxSim similarity(rows, metric, queries);
      const std::vector<uint32_t> places = {19, 3, 4, 5, 10, 0};
      std::vector<float> row;
      for (uint32_t place : places) {
        row.insert(row.end(), vectors.begin() + place * dim, vectors.begin() + (place + 1) * dim);
      }
      const double expected = slow_max_sim(metric, queries, row, dim);
      const float score = similarity.score(places);
      EXPECT_TRUE(std::isfinite(score)) << "products beyond a float's range are cut off";
      if (metric == Metric::dot && scale > 1e18) continue;
      EXPECT_NEAR(score, expected, 1e-5 * std::max(1.0, std::abs(expected))) << name(metric) << " " << scale;
    }
  }
}

}  // namespace
}  // namespace sextant::index
