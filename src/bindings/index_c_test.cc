// The C interface: what C++ gives, by other names, and no way to make it crash that a caller takes by mistake.
#include "sextant/index_c.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "bindings/testing_vectors.h"
#include "sextant/error.h"
#include "sextant/index.h"

namespace sextant {
namespace {

using bindings::some_vectors;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr size_t kDim = 8;
constexpr size_t kCount = 3000;

class CIndex : public testing::Test {
 protected:
  void SetUp() override {
    sextant_index_options_init(&options_);
    options_.dim = kDim;
    options_.metric = SEXTANT_L2;
    options_.capacity = 10000;
    ASSERT_EQ(sextant_index_create(&options_, &index_), SEXTANT_OK) << sextant_last_error();
    ids_.resize(kCount);
    for (size_t i = 0; i < kCount; ++i) ids_[i] = 10 * i;
    vectors_ = some_vectors(kCount, kDim, 1);
    path_ = fs::path(testing::TempDir()) / ("sextant_c_" + std::to_string(getpid()) + ".idx");
  }
  void TearDown() override {
    sextant_index_free(index_);
    fs::remove(path_);
  }
  void add_all() {
    ASSERT_EQ(sextant_index_add(index_, ids_.data(), kCount, vectors_.data(), kDim, 0), SEXTANT_OK)
        << sextant_last_error();
  }
  std::vector<IndexHit> search(const sextant_index* index, const float* query, size_t k,
                               const sextant_search_options* options) {
    std::vector<sextant_hit> hits(k);
    size_t found = 12345;
    EXPECT_EQ(sextant_index_search(index, query, kDim, k, options, hits.data(), &found, &report_), SEXTANT_OK)
        << sextant_last_error();
    std::vector<IndexHit> out;
    for (size_t i = 0; i < found; ++i) out.push_back({hits[i].id, hits[i].score});
    return out;
  }

  sextant_index_options options_;
  sextant_index* index_ = nullptr;
  sextant_search_report report_ = {};
  std::vector<uint64_t> ids_;
  std::vector<float> vectors_;
  fs::path path_;
};

TEST_F(CIndex, answers_as_the_one_of_cpp_does) {
  add_all();
  auto twin = Index::create({.dim = kDim, .metric = Metric::l2, .capacity = 10000});
  twin->add(ids_, vectors_);
  ASSERT_EQ(sextant_index_calibrate(index_, 0, 0), SEXTANT_OK);
  twin->calibrate();
  std::vector<uint64_t> words(kCount * 10 / 64);
  for (size_t id = 0; id < kCount * 5; id += 20) words[id / 64] |= uint64_t{1} << (id % 64);
  const AllowedIds allowed(words);
  sextant_allowed_ids* c_allowed = nullptr;
  ASSERT_EQ(sextant_allowed_ids_create(words.data(), words.size(), &c_allowed), SEXTANT_OK);
  sextant_search_options how;
  const std::vector<float> queries = some_vectors(10, kDim, 2);
  for (size_t q = 0; q < 10; ++q) {
    const float* query = queries.data() + q * kDim;
    EXPECT_EQ(search(index_, query, 10, nullptr), twin->search({query, kDim}, {.k = 10}).hits);
    sextant_search_options_init(&how);
    how.breadth = 50;
    EXPECT_EQ(search(index_, query, 10, &how), twin->search({query, kDim}, {.k = 10, .breadth = 50}).hits);
    EXPECT_EQ(report_.plan, SEXTANT_PLAN_GRAPH);
    EXPECT_EQ(report_.exact, 0);
    EXPECT_EQ(report_.breadth, 50u);
    EXPECT_GT(report_.compared, 50u);
    EXPECT_GT(report_.expected_recall, 0.5);
    sextant_search_options_init(&how);
    how.exact = 1;
    EXPECT_EQ(search(index_, query, 7, &how), twin->search({query, kDim}, {.k = 7, .exact = true}).hits);
    EXPECT_EQ(report_.plan, SEXTANT_PLAN_SCAN);
    EXPECT_EQ(report_.exact, 1);
    EXPECT_EQ(report_.compared, kCount);
    sextant_search_options_init(&how);
    how.target_recall = 0.99;
    how.allowed = c_allowed;
    const std::vector<IndexHit> hits = search(index_, query, 10, &how);
    EXPECT_EQ(hits, twin->search({query, kDim}, {.k = 10, .target_recall = 0.99, .allowed = &allowed}).hits);
    for (const IndexHit& hit : hits) EXPECT_TRUE(allowed.contains(hit.id));
  }
  sextant_allowed_ids_free(c_allowed);
}

TEST_F(CIndex, answers_many_queries_at_once_as_the_one_of_cpp_does) {
  add_all();
  auto twin = Index::create({.dim = kDim, .metric = Metric::l2, .capacity = 10000});
  twin->add(ids_, vectors_);
  constexpr size_t kQueries = 20, kK = 7;
  const std::vector<float> queries = some_vectors(kQueries, kDim, 2);
  // Four ids, fewer than are asked for.
  const std::vector<uint64_t> words = {1u | 1u << 10 | 1u << 20 | 1u << 30};
  const AllowedIds allowed(words);
  sextant_allowed_ids* c_allowed = nullptr;
  ASSERT_EQ(sextant_allowed_ids_create(words.data(), words.size(), &c_allowed), SEXTANT_OK);
  for (const IndexSearchOptions& options :
       {IndexSearchOptions{.k = kK}, IndexSearchOptions{.k = kK, .breadth = 40},
        IndexSearchOptions{.k = kK, .exact = true}, IndexSearchOptions{.k = kK, .allowed = &allowed}}) {
    sextant_search_options how;
    sextant_search_options_init(&how);
    how.breadth = options.breadth;
    how.exact = options.exact ? 1 : 0;
    how.allowed = options.allowed == nullptr ? nullptr : c_allowed;
    for (size_t threads : {0, 1, 2}) {
      std::vector<sextant_hit> hits(kQueries * kK, {12345, -1});
      std::vector<size_t> found(kQueries, 12345);
      std::vector<sextant_search_report> reports(kQueries);
      ASSERT_EQ(sextant_index_search_batch(index_, queries.data(), kQueries, kDim, kK, &how, threads, hits.data(),
                                           found.data(), reports.data()),
                SEXTANT_OK)
          << sextant_last_error();
      const std::vector<IndexSearchResult> expected = twin->search_batch(queries, options, threads);
      for (size_t q = 0; q < kQueries; ++q) {
        ASSERT_EQ(found[q], expected[q].hits.size());
        EXPECT_EQ(found[q], options.allowed == nullptr ? kK : 4u);
        for (size_t i = 0; i < found[q]; ++i) {
          EXPECT_EQ((IndexHit{hits[q * kK + i].id, hits[q * kK + i].score}), expected[q].hits[i]);
        }
        for (size_t i = found[q]; i < kK; ++i) EXPECT_EQ(hits[q * kK + i].id, 12345u) << "left as it was";
        EXPECT_EQ(reports[q].plan, static_cast<uint32_t>(expected[q].plan));
        EXPECT_EQ(reports[q].exact, expected[q].exact ? 1 : 0);
        EXPECT_EQ(reports[q].breadth, expected[q].breadth);
        EXPECT_EQ(reports[q].compared, expected[q].compared);
        EXPECT_EQ(reports[q].expected_recall, expected[q].expected_recall);
      }
      if (options.exact) {
        EXPECT_EQ(reports[0].plan, SEXTANT_PLAN_PRODUCT_SCAN);
      }
      // Reports are for whoever wants them.
      std::vector<sextant_hit> again(kQueries * kK);
      ASSERT_EQ(sextant_index_search_batch(index_, queries.data(), kQueries, kDim, kK, &how, threads, again.data(),
                                           found.data(), nullptr),
                SEXTANT_OK);
      EXPECT_EQ(again[0].id, hits[0].id);
    }
  }
  sextant_allowed_ids_free(c_allowed);
}

TEST_F(CIndex, refuses_a_batch_that_cannot_be_meant_and_fills_in_nothing) {
  add_all();
  std::vector<float> queries = some_vectors(3, kDim, 2);
  std::vector<sextant_hit> hits(6, {12345, -1});
  std::vector<size_t> found(3, 12345);
  std::vector<sextant_search_report> reports(
      3, {.plan = 99, .exact = 7, .breadth = 1, .compared = 2, .expected_recall = 3});
  auto search = [&](const sextant_index* index, const float* asked, size_t count, size_t dim, size_t k, size_t threads,
                    sextant_hit* into, size_t* counts, const sextant_search_options* options = nullptr) {
    return sextant_index_search_batch(index, asked, count, dim, k, options, threads, into, counts, reports.data());
  };
  EXPECT_EQ(search(nullptr, queries.data(), 3, kDim, 2, 0, hits.data(), found.data()), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "index is null");
  EXPECT_EQ(search(index_, nullptr, 3, kDim, 2, 0, hits.data(), found.data()), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "queries is null");
  EXPECT_EQ(search(index_, queries.data(), 3, kDim, 2, 0, nullptr, found.data()), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "hits is null");
  EXPECT_EQ(search(index_, queries.data(), 3, kDim, 2, 0, hits.data(), nullptr), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "found is null");
  EXPECT_EQ(search(index_, queries.data(), 3, 0, 2, 0, hits.data(), found.data()), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "dim is 0, the index has 8");
  const size_t most = std::numeric_limits<size_t>::max();
  for (size_t absurd : {most, most / 2, most / 3, size_t{1} << 61, size_t{1} << 60}) {
    EXPECT_EQ(search(index_, queries.data(), absurd, kDim, 2, 0, hits.data(), found.data()), SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("count is "));
    EXPECT_EQ(search(index_, queries.data(), 3, absurd, 2, 0, hits.data(), found.data()), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(search(index_, queries.data(), 3, kDim, absurd, 0, hits.data(), found.data()), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(search(index_, queries.data(), 3, kDim, 2, absurd, hits.data(), found.data()), SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("threads is "));
  }
  // Neither is too large by itself.
  EXPECT_EQ(search(index_, queries.data(), size_t{1} << 40, kDim, size_t{1} << 40, 0, hits.data(), found.data()),
            SEXTANT_INVALID_ARGUMENT);
  EXPECT_THAT(sextant_last_error(), HasSubstr("count is 1099511627776, expected at most "));
  const sextant_search_options never_set = {};
  EXPECT_EQ(search(index_, queries.data(), 3, kDim, 2, 0, hits.data(), found.data(), &never_set),
            SEXTANT_INVALID_ARGUMENT);
  EXPECT_THAT(sextant_last_error(), HasSubstr("was its _init called?"));
  queries[kDim + 2] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(search(index_, queries.data(), 3, kDim, 2, 0, hits.data(), found.data()), SEXTANT_INVALID_ARGUMENT);
  EXPECT_THAT(sextant_last_error(), HasSubstr("query 1: component 2 of the query is inf"));
  for (const sextant_hit& hit : hits) EXPECT_EQ(hit.id, 12345u);
  for (size_t count : found) EXPECT_EQ(count, 12345u);
  for (const sextant_search_report& report : reports) EXPECT_EQ(report.plan, 99u);

  EXPECT_EQ(search(index_, nullptr, 0, kDim, 2, 0, nullptr, nullptr), SEXTANT_OK) << "nothing is easily found";
  EXPECT_EQ(search(index_, queries.data(), 1, kDim, 0, 0, nullptr, found.data()), SEXTANT_OK);
  EXPECT_EQ(found[0], 0u);
  EXPECT_EQ(found[1], 12345u);
}

TEST_F(CIndex, is_measured_and_saved_though_it_is_empty) {
  EXPECT_EQ(sextant_index_calibrate(index_, 0, 0), SEXTANT_OK) << sextant_last_error();
  ASSERT_EQ(sextant_index_save(index_, path_.c_str()), SEXTANT_OK) << sextant_last_error();
  sextant_index* opened = nullptr;
  ASSERT_EQ(sextant_index_open(path_.c_str(), 1, 0, &opened), SEXTANT_OK) << sextant_last_error();
  std::vector<size_t> found(2, 12345);
  std::vector<sextant_hit> hits(10);
  EXPECT_EQ(
      sextant_index_search_batch(opened, vectors_.data(), 2, kDim, 5, nullptr, 0, hits.data(), found.data(), nullptr),
      SEXTANT_OK);
  EXPECT_THAT(found, testing::ElementsAre(0, 0));
  sextant_index_free(opened);
}

TEST_F(CIndex, adds_removes_and_counts) {
  EXPECT_EQ(sextant_index_size(index_), 0u);
  EXPECT_TRUE(search(index_, vectors_.data(), 3, nullptr).empty());
  add_all();
  EXPECT_EQ(sextant_index_size(index_), kCount);
  int answer = -1;
  EXPECT_EQ(sextant_index_contains(index_, 20, &answer), SEXTANT_OK);
  EXPECT_EQ(answer, 1);
  EXPECT_EQ(sextant_index_remove(index_, 20, &answer), SEXTANT_OK);
  EXPECT_EQ(answer, 1);
  EXPECT_EQ(sextant_index_remove(index_, 20, &answer), SEXTANT_OK);
  EXPECT_EQ(answer, 0);
  EXPECT_EQ(sextant_index_remove(index_, 30, nullptr), SEXTANT_OK);
  EXPECT_EQ(sextant_index_contains(index_, 20, &answer), SEXTANT_OK);
  EXPECT_EQ(answer, 0);
  EXPECT_EQ(sextant_index_size(index_), kCount - 2);
  EXPECT_EQ(sextant_index_add(index_, nullptr, 0, nullptr, kDim, 0), SEXTANT_OK) << "nothing is easily added";
  EXPECT_EQ(search(index_, vectors_.data(), 2 * kCount, nullptr).size(), kCount - 2);
}

TEST_F(CIndex, saves_and_opens) {
  add_all();
  ASSERT_EQ(sextant_index_save(index_, path_.c_str()), SEXTANT_OK) << sextant_last_error();
  for (int load : {0, 1}) {
    sextant_index* opened = nullptr;
    ASSERT_EQ(sextant_index_open(path_.c_str(), 1, load, &opened), SEXTANT_OK) << sextant_last_error();
    EXPECT_EQ(search(opened, vectors_.data(), 5, nullptr), search(index_, vectors_.data(), 5, nullptr));
    sextant_index_options found;
    EXPECT_EQ(sextant_index_get_options(opened, &found), SEXTANT_OK);
    EXPECT_EQ(found.struct_bytes, sizeof(found));
    EXPECT_EQ(found.dim, kDim);
    EXPECT_EQ(found.metric, static_cast<uint32_t>(SEXTANT_L2));
    EXPECT_EQ(found.codes, static_cast<uint32_t>(SEXTANT_CODES_SQ4));
    EXPECT_EQ(sextant_index_add(opened, ids_.data(), 1, vectors_.data(), kDim, 0), SEXTANT_UNSUPPORTED);
    EXPECT_EQ(sextant_index_remove(opened, 1, nullptr), SEXTANT_UNSUPPORTED);
    sextant_index_free(opened);
  }
  std::ofstream(path_) << "hello";
  sextant_index* none = nullptr;
  EXPECT_EQ(sextant_index_open(path_.c_str(), 0, 0, &none), SEXTANT_CORRUPTED);
  EXPECT_THAT(sextant_last_error(), HasSubstr("it is no index of Sextant"));
  EXPECT_EQ(sextant_index_open("/nowhere/at/all.idx", 0, 0, &none), SEXTANT_NOT_FOUND);
  EXPECT_THAT(sextant_last_error(), HasSubstr("/nowhere/at/all.idx"));
  EXPECT_EQ(none, nullptr) << "what fails changes nothing";
  EXPECT_NE(sextant_index_save(index_, "/nowhere/at/all.idx"), SEXTANT_OK);
}

TEST_F(CIndex, takes_no_null_pointers) {
  add_all();
  const float* query = vectors_.data();
  sextant_hit hit;
  size_t found = 0;
  int answer = 0;
  sextant_index* none = nullptr;
  sextant_allowed_ids* allowed = nullptr;
  const std::pair<sextant_status, const char*> calls[] = {
      {sextant_index_create(nullptr, &none), "options is null"},
      {sextant_index_create(&options_, nullptr), "out is null"},
      {sextant_index_open(nullptr, 0, 0, &none), "path is null"},
      {sextant_index_open("x", 0, 0, nullptr), "out is null"},
      {sextant_index_add(nullptr, ids_.data(), 1, query, kDim, 0), "index is null"},
      {sextant_index_add(index_, nullptr, 1, query, kDim, 0), "ids is null"},
      {sextant_index_add(index_, ids_.data(), 1, nullptr, kDim, 0), "vectors is null"},
      {sextant_index_remove(nullptr, 1, &answer), "index is null"},
      {sextant_index_search(nullptr, query, kDim, 1, nullptr, &hit, &found, nullptr), "index is null"},
      {sextant_index_search(index_, nullptr, kDim, 1, nullptr, &hit, &found, nullptr), "query is null"},
      {sextant_index_search(index_, query, kDim, 1, nullptr, nullptr, &found, nullptr), "hits is null"},
      {sextant_index_search(index_, query, kDim, 1, nullptr, &hit, nullptr, nullptr), "found is null"},
      {sextant_index_calibrate(nullptr, 1, 0), "index is null"},
      {sextant_index_save(nullptr, "x"), "index is null"},
      {sextant_index_save(index_, nullptr), "path is null"},
      {sextant_index_contains(nullptr, 1, &answer), "index is null"},
      {sextant_index_contains(index_, 1, nullptr), "contains is null"},
      {sextant_index_get_options(nullptr, &options_), "index is null"},
      {sextant_index_get_options(index_, nullptr), "out is null"},
      {sextant_allowed_ids_create(nullptr, 1, &allowed), "words is null"},
      {sextant_allowed_ids_create(ids_.data(), 1, nullptr), "out is null"},
  };
  for (const auto& [status, message] : calls) EXPECT_EQ(status, SEXTANT_INVALID_ARGUMENT) << message;
  EXPECT_STREQ(sextant_last_error(), "out is null") << "of the last call";
  EXPECT_EQ(sextant_index_save(nullptr, "x"), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "index is null");
  EXPECT_EQ(sextant_index_size(nullptr), 0u);
  sextant_index_free(nullptr);
  sextant_allowed_ids_free(nullptr);
  sextant_index_options_init(nullptr);
  sextant_search_options_init(nullptr);
  EXPECT_EQ(sextant_allowed_ids_create(nullptr, 0, &allowed), SEXTANT_OK) << "nothing is allowed then";
  sextant_search_options how;
  sextant_search_options_init(&how);
  how.allowed = allowed;
  EXPECT_TRUE(search(index_, query, 5, &how).empty());
  EXPECT_EQ(sextant_index_search(index_, query, kDim, 0, nullptr, nullptr, &found, nullptr), SEXTANT_OK);
  EXPECT_EQ(found, 0u);
  sextant_allowed_ids_free(allowed);
}

TEST_F(CIndex, takes_no_absurd_sizes) {
  add_all();
  const size_t most = std::numeric_limits<size_t>::max();
  const float* query = vectors_.data();
  std::vector<sextant_hit> hits(kCount);
  size_t found = 77;
  sextant_allowed_ids* allowed = nullptr;
  for (size_t absurd : {most, most / 2, most / sizeof(float), size_t{1} << 61}) {
    EXPECT_EQ(sextant_index_add(index_, ids_.data(), absurd, query, kDim, 0), SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("expected at most 10000"));
    EXPECT_EQ(sextant_index_add(index_, ids_.data(), 1, query, absurd, 0), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(sextant_index_add(index_, ids_.data(), 1, query, kDim, absurd), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(sextant_index_calibrate(index_, absurd, 0), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(sextant_index_calibrate(index_, 1, absurd), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(sextant_index_search(index_, query, absurd, 1, nullptr, hits.data(), &found, nullptr),
              SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(sextant_index_search(index_, query, kDim, absurd, nullptr, hits.data(), &found, nullptr),
              SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(sextant_allowed_ids_create(ids_.data(), absurd, &allowed), SEXTANT_INVALID_ARGUMENT);
    sextant_index_options options = options_;
    for (size_t sextant_index_options::*field :
         {&sextant_index_options::dim, &sextant_index_options::degree, &sextant_index_options::build_breadth,
          &sextant_index_options::capacity, &sextant_index_options::struct_bytes}) {
      options = options_;
      options.*field = absurd;
      sextant_index* none = nullptr;
      EXPECT_EQ(sextant_index_create(&options, &none), SEXTANT_INVALID_ARGUMENT);
      EXPECT_EQ(none, nullptr);
    }
  }
  EXPECT_EQ(found, 77u) << "what fails changes nothing";
  EXPECT_EQ(allowed, nullptr);
  for (uint32_t sextant_index_options::*field : {&sextant_index_options::metric, &sextant_index_options::type,
                                                 &sextant_index_options::kind, &sextant_index_options::codes}) {
    sextant_index_options options = options_;
    options.*field = 99;
    sextant_index* none = nullptr;
    EXPECT_EQ(sextant_index_create(&options, &none), SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("is 99, expected at most"));
  }
  // More than there is, and room for it.
  sextant_search_options how;
  sextant_search_options_init(&how);
  how.breadth = most;
  EXPECT_EQ(sextant_index_search(index_, query, kDim, size_t{1} << 40, &how, hits.data(), &found, nullptr), SEXTANT_OK);
  EXPECT_EQ(found, kCount);
  sextant_search_options never_set = {};
  EXPECT_EQ(sextant_index_search(index_, query, kDim, 1, &never_set, hits.data(), &found, nullptr),
            SEXTANT_INVALID_ARGUMENT);
  EXPECT_THAT(sextant_last_error(), HasSubstr("was its _init called?"));
  for (double bad : {0.0, -1.0, 2.0, std::numeric_limits<double>::quiet_NaN()}) {
    sextant_search_options_init(&how);
    how.target_recall = bad;
    EXPECT_EQ(sextant_index_search(index_, query, kDim, 1, &how, hits.data(), &found, nullptr),
              SEXTANT_INVALID_ARGUMENT);
  }
}

TEST_F(CIndex, says_what_is_wrong_to_the_thread_that_asked) {
  std::vector<float> bad(kDim, 1.0f);
  bad[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(sextant_index_add(index_, ids_.data(), 1, bad.data(), kDim, 0), SEXTANT_INVALID_ARGUMENT);
  EXPECT_THAT(sextant_last_error(), HasSubstr("vector 0: component 3 is nan"));
  std::thread([&] {
    EXPECT_STREQ(sextant_last_error(), "") << "nothing failed here yet";
    EXPECT_EQ(sextant_index_add(index_, ids_.data(), 1, bad.data(), 3, 0), SEXTANT_INVALID_ARGUMENT);
    EXPECT_STREQ(sextant_last_error(), "dim is 3, the index has 8");
  }).join();
  EXPECT_THAT(sextant_last_error(), HasSubstr("vector 0: component 3 is nan"));
  sextant_index_options_init(&options_);
  options_.dim = 1;
  options_.capacity = 2;
  sextant_index* small = nullptr;
  ASSERT_EQ(sextant_index_create(&options_, &small), SEXTANT_OK);
  EXPECT_EQ(sextant_index_add(small, ids_.data(), 2, vectors_.data(), 1, 0), SEXTANT_OK);
  EXPECT_EQ(sextant_index_add(small, ids_.data() + 5, 1, vectors_.data(), 1, 0), SEXTANT_EXHAUSTED);
  EXPECT_THAT(sextant_last_error(), HasSubstr("there is room for 0"));
  sextant_index_free(small);
}

TEST(CStatus, has_names_and_the_program_s_numbers) {
  EXPECT_STREQ(sextant_status_name(SEXTANT_OK), "ok");
  EXPECT_STREQ(sextant_status_name(SEXTANT_CORRUPTED), "corrupted");
  EXPECT_STREQ(sextant_status_name(static_cast<sextant_status>(15)), "unknown");
  EXPECT_STREQ(sextant_version(), "0.1.0");
  const std::pair<ErrorCode, sextant_status> own[] = {{ErrorCode::invalid_argument, SEXTANT_INVALID_ARGUMENT},
                                                      {ErrorCode::not_found, SEXTANT_NOT_FOUND},
                                                      {ErrorCode::corrupted, SEXTANT_CORRUPTED},
                                                      {ErrorCode::unavailable, SEXTANT_UNAVAILABLE},
                                                      {ErrorCode::internal, SEXTANT_INTERNAL}};
  for (const auto& [code, status] : own) {
    EXPECT_EQ(exit_status(code), static_cast<int>(status));
    EXPECT_EQ(name(code), sextant_status_name(status));
  }
}

}  // namespace
}  // namespace sextant
