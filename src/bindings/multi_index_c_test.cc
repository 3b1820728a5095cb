// The C interface of rows of several vectors: what C++ gives, by other names, and no way to make it crash that a caller
// takes by mistake.
#include "sextant/multi_index_c.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bindings/testing_vectors.h"
#include "sextant/multi_index.h"

namespace sextant {
namespace {

using bindings::some_vectors;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr size_t kRowDim = 8;
constexpr size_t kRows = 600;
constexpr size_t kRowCapacity = 5000;

class CMultiIndex : public testing::Test {
 protected:
  void SetUp() override {
    sextant_index_options_init(&options_);
    options_.dim = kRowDim;
    options_.capacity = kRowCapacity;
    ASSERT_EQ(sextant_multi_index_create(&options_, &index_), SEXTANT_OK) << sextant_last_error();
    size_t sum = 0;
    for (size_t row = 0; row < kRows; ++row) {
      ids_.push_back(10 * row);
      counts_.push_back(1 + row % 7);
      sum += counts_.back();
    }
    vectors_ = some_vectors(sum, kRowDim, 1);
    path_ = fs::path(testing::TempDir()) / ("sextant_multi_c_" + std::to_string(getpid()) + ".idx");
  }
  void TearDown() override {
    sextant_multi_index_free(index_);
    fs::remove(path_);
  }
  void add_all() {
    ASSERT_EQ(sextant_multi_index_add(index_, ids_.data(), counts_.data(), kRows, vectors_.data(), kRowDim, 0),
              SEXTANT_OK)
        << sextant_last_error();
  }
  std::vector<IndexHit> search(const sextant_multi_index* index, const float* queries, size_t count, size_t k,
                               const sextant_multi_search_options* options) {
    std::vector<sextant_hit> hits(k);
    size_t found = 12345;
    EXPECT_EQ(sextant_multi_index_search(index, queries, count, kRowDim, k, options, hits.data(), &found, &report_),
              SEXTANT_OK)
        << sextant_last_error();
    std::vector<IndexHit> out;
    for (size_t i = 0; i < std::min(found, k); ++i) out.push_back({hits[i].id, hits[i].score});
    return out;
  }

  sextant_index_options options_;
  sextant_multi_index* index_ = nullptr;
  sextant_multi_search_report report_ = {};
  std::vector<uint64_t> ids_;
  std::vector<size_t> counts_;
  std::vector<float> vectors_;
  fs::path path_;
};

TEST_F(CMultiIndex, answers_as_the_one_of_cpp_does) {
  add_all();
  auto twin = MultiIndex::create({.dim = kRowDim, .capacity = kRowCapacity});
  twin->add(ids_, counts_, vectors_);
  ASSERT_EQ(sextant_multi_index_calibrate(index_, 0, 0), SEXTANT_OK);
  twin->calibrate();
  std::vector<uint64_t> words(kRows * 10 / 64);
  for (size_t id = 0; id < kRows * 5; id += 20) words[id / 64] |= uint64_t{1} << (id % 64);
  const AllowedIds allowed(words);
  sextant_allowed_ids* c_allowed = nullptr;
  ASSERT_EQ(sextant_allowed_ids_create(words.data(), words.size(), &c_allowed), SEXTANT_OK);
  const std::vector<float> vectors = some_vectors(60, kRowDim, 2);
  for (size_t q = 0; q < 10; ++q) {
    const size_t count = 1 + q % 6;
    const std::span<const float> query = std::span(vectors).subspan(6 * q * kRowDim, count * kRowDim);
    for (const MultiSearchOptions& asked :
         {MultiSearchOptions{.k = 5}, MultiSearchOptions{.k = 5, .target_recall = 0.8},
          MultiSearchOptions{.k = 5, .candidates = 10}, MultiSearchOptions{.k = 5, .exact = true},
          MultiSearchOptions{.k = 5, .allowed = &allowed}}) {
      sextant_multi_search_options how;
      sextant_multi_search_options_init(&how);
      EXPECT_EQ(how.target_recall, MultiSearchOptions().target_recall);
      how.target_recall = asked.target_recall;
      how.candidates = asked.candidates;
      how.exact = asked.exact ? 1 : 0;
      how.allowed = asked.allowed == nullptr ? nullptr : c_allowed;
      const MultiSearchResult expected = twin->search(query, asked);
      EXPECT_EQ(search(index_, query.data(), count, 5, &how), expected.hits);
      EXPECT_EQ(report_.plan, static_cast<uint32_t>(expected.plan));
      if (asked.candidates > 0) {
        EXPECT_NE(report_.plan, static_cast<uint32_t>(SEXTANT_PLAN_SCAN));
      }
      EXPECT_EQ(report_.exact, expected.exact ? 1 : 0);
      EXPECT_EQ(report_.candidates, expected.candidates);
      EXPECT_EQ(report_.rescored, expected.rescored);
      EXPECT_EQ(report_.compared, expected.compared);
      EXPECT_EQ(report_.expected_recall, expected.expected_recall);
    }
    EXPECT_EQ(search(index_, query.data(), count, 5, nullptr), twin->search(query, {.k = 5}).hits);
    sextant_multi_search_options all;
    sextant_multi_search_options_init(&all);
    all.exact = 1;
    EXPECT_EQ(search(index_, query.data(), count, 2 * kRows, &all).size(), kRows);
    EXPECT_EQ(report_.exact, 1);
    EXPECT_EQ(report_.rescored, kRows);
  }
  sextant_allowed_ids_free(c_allowed);
}

TEST_F(CMultiIndex, adds_replaces_removes_and_counts) {
  EXPECT_EQ(sextant_multi_index_size(index_), 0u);
  EXPECT_TRUE(search(index_, vectors_.data(), 3, 3, nullptr).empty());
  add_all();
  const size_t sum = vectors_.size() / kRowDim;
  EXPECT_EQ(sextant_multi_index_size(index_), kRows);
  EXPECT_EQ(sextant_multi_index_vector_count(index_), sum);
  // Row 20 of 3 vectors becomes one of 2: those of a text that is nowhere else.
  const std::vector<float> other = some_vectors(2, kRowDim, 77);
  const uint64_t id = 20;
  const size_t count = 2;
  EXPECT_EQ(sextant_multi_index_add(index_, &id, &count, 1, other.data(), kRowDim, 1), SEXTANT_OK);
  EXPECT_EQ(sextant_multi_index_size(index_), kRows);
  EXPECT_EQ(sextant_multi_index_vector_count(index_), sum - 1);
  const std::vector<IndexHit> hits = search(index_, other.data(), 2, 1, nullptr);
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(hits[0].id, 20u);
  EXPECT_NEAR(hits[0].score, 2, 1e-5) << "each vector has a cosine of 1 with itself";
  int answer = -1;
  EXPECT_EQ(sextant_multi_index_contains(index_, 20, &answer), SEXTANT_OK);
  EXPECT_EQ(answer, 1);
  EXPECT_EQ(sextant_multi_index_remove(index_, 20, &answer), SEXTANT_OK);
  EXPECT_EQ(answer, 1);
  EXPECT_EQ(sextant_multi_index_remove(index_, 20, &answer), SEXTANT_OK);
  EXPECT_EQ(answer, 0);
  EXPECT_EQ(sextant_multi_index_remove(index_, 30, nullptr), SEXTANT_OK);
  EXPECT_EQ(sextant_multi_index_contains(index_, 20, &answer), SEXTANT_OK);
  EXPECT_EQ(answer, 0);
  EXPECT_EQ(sextant_multi_index_size(index_), kRows - 2);
  EXPECT_EQ(sextant_multi_index_add(index_, nullptr, nullptr, 0, nullptr, kRowDim, 0), SEXTANT_OK)
      << "nothing is easily added";
  sextant_index_options found;
  EXPECT_EQ(sextant_multi_index_get_options(index_, &found), SEXTANT_OK);
  EXPECT_EQ(found.struct_bytes, sizeof(found));
  EXPECT_EQ(found.dim, kRowDim);
  EXPECT_EQ(found.capacity, kRowCapacity);
  EXPECT_EQ(found.metric, static_cast<uint32_t>(SEXTANT_COSINE));
}

TEST_F(CMultiIndex, saves_and_opens) {
  EXPECT_EQ(sextant_multi_index_calibrate(index_, 0, 0), SEXTANT_OK) << "of nothing, too";
  add_all();
  ASSERT_EQ(sextant_multi_index_save(index_, path_.c_str()), SEXTANT_OK) << sextant_last_error();
  for (int load : {0, 1}) {
    sextant_multi_index* opened = nullptr;
    ASSERT_EQ(sextant_multi_index_open(path_.c_str(), 1, load, &opened), SEXTANT_OK) << sextant_last_error();
    EXPECT_EQ(sextant_multi_index_size(opened), kRows);
    EXPECT_EQ(search(opened, vectors_.data(), 4, 5, nullptr), search(index_, vectors_.data(), 4, 5, nullptr));
    int answer = -1;
    EXPECT_EQ(sextant_multi_index_contains(opened, 5990, &answer), SEXTANT_OK);
    EXPECT_EQ(answer, 1);
    EXPECT_EQ(sextant_multi_index_contains(opened, 5991, &answer), SEXTANT_OK);
    EXPECT_EQ(answer, 0);
    EXPECT_EQ(sextant_multi_index_add(opened, ids_.data(), counts_.data(), 1, vectors_.data(), kRowDim, 0),
              SEXTANT_UNSUPPORTED);
    EXPECT_EQ(sextant_multi_index_remove(opened, 10, &answer), SEXTANT_UNSUPPORTED);
    EXPECT_EQ(answer, 0) << "what fails changes nothing";
    sextant_multi_index_free(opened);
  }
  sextant_index* plain = nullptr;
  EXPECT_EQ(sextant_index_open(path_.c_str(), 0, 0, &plain), SEXTANT_CORRUPTED) << "of another kind";
  EXPECT_EQ(plain, nullptr);
  std::ofstream(path_) << "hello";
  sextant_multi_index* none = nullptr;
  EXPECT_EQ(sextant_multi_index_open(path_.c_str(), 0, 0, &none), SEXTANT_CORRUPTED);
  EXPECT_THAT(sextant_last_error(), HasSubstr(path_.string()));
  EXPECT_EQ(sextant_multi_index_open("/nowhere/at/all.idx", 0, 0, &none), SEXTANT_NOT_FOUND);
  EXPECT_THAT(sextant_last_error(), HasSubstr("/nowhere/at/all.idx"));
  EXPECT_EQ(none, nullptr);
  EXPECT_NE(sextant_multi_index_save(index_, "/nowhere/at/all.idx"), SEXTANT_OK);
  EXPECT_THAT(sextant_last_error(), HasSubstr("/nowhere/at/all.idx"));
}

TEST_F(CMultiIndex, takes_no_null_pointers) {
  add_all();
  const float* query = vectors_.data();
  const uint64_t* ids = ids_.data();
  const size_t* counts = counts_.data();
  sextant_hit hit;
  size_t found = 0;
  int answer = 0;
  sextant_multi_index* none = nullptr;
  auto says = [](sextant_status status, const char* message) {
    EXPECT_EQ(status, SEXTANT_INVALID_ARGUMENT) << message;
    EXPECT_STREQ(sextant_last_error(), message);
  };
  says(sextant_multi_index_create(nullptr, &none), "options is null");
  says(sextant_multi_index_create(&options_, nullptr), "out is null");
  says(sextant_multi_index_open(nullptr, 0, 0, &none), "path is null");
  says(sextant_multi_index_open("x", 0, 0, nullptr), "out is null");
  says(sextant_multi_index_add(nullptr, ids, counts, 1, query, kRowDim, 0), "index is null");
  says(sextant_multi_index_add(index_, nullptr, counts, 1, query, kRowDim, 0), "ids is null");
  says(sextant_multi_index_add(index_, ids, nullptr, 1, query, kRowDim, 0), "counts is null");
  says(sextant_multi_index_add(index_, ids, counts, 1, nullptr, kRowDim, 0), "vectors is null");
  says(sextant_multi_index_remove(nullptr, 1, &answer), "index is null");
  says(sextant_multi_index_search(nullptr, query, 1, kRowDim, 1, nullptr, &hit, &found, nullptr), "index is null");
  says(sextant_multi_index_search(index_, nullptr, 1, kRowDim, 1, nullptr, &hit, &found, nullptr), "queries is null");
  says(sextant_multi_index_search(index_, query, 1, kRowDim, 1, nullptr, nullptr, &found, nullptr), "hits is null");
  says(sextant_multi_index_search(index_, query, 1, kRowDim, 1, nullptr, &hit, nullptr, nullptr), "found is null");
  says(sextant_multi_index_calibrate(nullptr, 1, 0), "index is null");
  says(sextant_multi_index_save(nullptr, "x"), "index is null");
  says(sextant_multi_index_save(index_, nullptr), "path is null");
  says(sextant_multi_index_contains(nullptr, 1, &answer), "index is null");
  says(sextant_multi_index_contains(index_, 1, nullptr), "contains is null");
  says(sextant_multi_index_get_options(nullptr, &options_), "index is null");
  says(sextant_multi_index_get_options(index_, nullptr), "out is null");
  EXPECT_EQ(none, nullptr);
  EXPECT_EQ(sextant_multi_index_size(nullptr), 0u);
  EXPECT_EQ(sextant_multi_index_vector_count(nullptr), 0u);
  sextant_multi_index_free(nullptr);
  sextant_multi_search_options_init(nullptr);
  EXPECT_EQ(sextant_multi_index_search(index_, query, 1, kRowDim, 0, nullptr, nullptr, &found, nullptr), SEXTANT_OK);
  EXPECT_EQ(found, 0u);
}

TEST_F(CMultiIndex, takes_no_absurd_sizes_or_options) {
  add_all();
  const float* query = vectors_.data();
  std::vector<sextant_hit> hits(kRows);
  size_t found = 77;
  auto add = [&](size_t rows, size_t dim, size_t threads, const std::vector<size_t>& counts) {
    return sextant_multi_index_add(index_, ids_.data(), counts.data(), rows, query, dim, threads);
  };
  auto search = [&](size_t count, size_t dim, size_t k) {
    return sextant_multi_index_search(index_, query, count, dim, k, nullptr, hits.data(), &found, nullptr);
  };
  const size_t most = std::numeric_limits<size_t>::max();
  for (size_t absurd : {most, most / 2, most / sizeof(float), size_t{1} << 61}) {
    EXPECT_EQ(add(absurd, kRowDim, 0, counts_), SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("expected at most 5000"));
    EXPECT_EQ(add(1, absurd, 0, counts_), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(add(1, kRowDim, absurd, counts_), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(add(2, kRowDim, 0, {1, absurd}), SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("counts[1] is "));
    EXPECT_EQ(sextant_multi_index_calibrate(index_, absurd, 0), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(sextant_multi_index_calibrate(index_, 1, absurd), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(search(absurd, kRowDim, 1), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(search(1, absurd, 1), SEXTANT_INVALID_ARGUMENT);
    EXPECT_EQ(search(1, kRowDim, absurd), SEXTANT_INVALID_ARGUMENT);
    for (size_t sextant_index_options::*field :
         {&sextant_index_options::dim, &sextant_index_options::degree, &sextant_index_options::build_breadth,
          &sextant_index_options::capacity, &sextant_index_options::struct_bytes}) {
      sextant_index_options options = options_;
      options.*field = absurd;
      sextant_multi_index* none = nullptr;
      EXPECT_EQ(sextant_multi_index_create(&options, &none), SEXTANT_INVALID_ARGUMENT);
      EXPECT_EQ(none, nullptr);
    }
  }
  EXPECT_EQ(add(1, 0, 0, counts_), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "dim is 0, the index has 8");
  EXPECT_EQ(add(2, kRowDim, 0, {1, 0}), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "counts[1] is 0, expected 1 to 65536");
  EXPECT_EQ(add(3, kRowDim, 0, {2000, 2000, 2000}), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "the sum of counts is 6000, expected at most 5000");
  EXPECT_EQ(search(0, kRowDim, 1), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "count is 0, expected at least 1");
  EXPECT_EQ(search(SEXTANT_MULTI_VECTORS_MAX + 1, kRowDim, 1), SEXTANT_INVALID_ARGUMENT);
  EXPECT_STREQ(sextant_last_error(), "count is 65537, expected at most 65536");
  EXPECT_EQ(found, 77u) << "what fails changes nothing";
  EXPECT_EQ(sextant_multi_index_size(index_), kRows);
  for (uint32_t sextant_index_options::*field : {&sextant_index_options::metric, &sextant_index_options::type,
                                                 &sextant_index_options::kind, &sextant_index_options::codes}) {
    sextant_index_options options = options_;
    options.*field = 99;
    sextant_multi_index* none = nullptr;
    EXPECT_EQ(sextant_multi_index_create(&options, &none), SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("is 99, expected at most"));
  }
  for (uint32_t metric : {SEXTANT_L2, SEXTANT_L1}) {
    sextant_index_options options = options_;
    options.metric = metric;
    sextant_multi_index* none = nullptr;
    EXPECT_EQ(sextant_multi_index_create(&options, &none), SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("expected cosine or dot"));
  }
  // More than there is, and room for it.
  sextant_multi_search_options how;
  sextant_multi_search_options_init(&how);
  how.candidates = most;
  EXPECT_EQ(sextant_multi_index_search(index_, query, 2, kRowDim, size_t{1} << 40, &how, hits.data(), &found, nullptr),
            SEXTANT_OK);
  EXPECT_EQ(found, kRows);
  sextant_multi_search_options never_set = {};
  EXPECT_EQ(sextant_multi_index_search(index_, query, 1, kRowDim, 1, &never_set, hits.data(), &found, nullptr),
            SEXTANT_INVALID_ARGUMENT);
  EXPECT_THAT(sextant_last_error(), HasSubstr("was its _init called?"));
  for (double bad : {0.0, -1.0, 2.0, std::numeric_limits<double>::quiet_NaN()}) {
    sextant_multi_search_options_init(&how);
    how.target_recall = bad;
    EXPECT_EQ(sextant_multi_index_search(index_, query, 1, kRowDim, 1, &how, hits.data(), &found, nullptr),
              SEXTANT_INVALID_ARGUMENT);
    EXPECT_THAT(sextant_last_error(), HasSubstr("target_recall is "));
  }
}

TEST_F(CMultiIndex, says_what_is_wrong_with_which_row) {
  std::vector<float> bad(3 * kRowDim, 1.0f);
  bad[2 * kRowDim + 3] = std::numeric_limits<float>::quiet_NaN();
  const size_t counts[] = {1, 2};
  EXPECT_EQ(sextant_multi_index_add(index_, ids_.data(), counts, 2, bad.data(), kRowDim, 0), SEXTANT_INVALID_ARGUMENT);
  EXPECT_THAT(sextant_last_error(), HasSubstr("row 1: vector 1: component 3 is nan"));
  EXPECT_EQ(sextant_multi_index_size(index_), 0u) << "nothing is added then";
  size_t found = 0;
  sextant_hit hit;
  EXPECT_EQ(sextant_multi_index_search(index_, bad.data(), 3, kRowDim, 1, nullptr, &hit, &found, nullptr),
            SEXTANT_INVALID_ARGUMENT);
  EXPECT_THAT(sextant_last_error(), HasSubstr("vector 2 of the query: component 3 is nan"));
  std::thread([] { EXPECT_STREQ(sextant_last_error(), "") << "nothing failed here"; }).join();
  sextant_index_options_init(&options_);
  options_.dim = 1;
  options_.capacity = 3;
  sextant_multi_index* small = nullptr;
  ASSERT_EQ(sextant_multi_index_create(&options_, &small), SEXTANT_OK);
  EXPECT_EQ(sextant_multi_index_add(small, ids_.data(), counts, 1, vectors_.data(), 1, 0), SEXTANT_OK);
  EXPECT_EQ(sextant_multi_index_add(small, ids_.data() + 5, counts, 2, vectors_.data(), 1, 0), SEXTANT_EXHAUSTED);
  EXPECT_EQ(sextant_multi_index_vector_count(small), 1u);
  sextant_multi_index_free(small);
}

TEST_F(CMultiIndex, is_searched_while_it_changes) {
  add_all();
  std::thread writer([&] {
    for (size_t row = 0; row < kRows; row += 20) {
      EXPECT_EQ(sextant_multi_index_remove(index_, ids_[row], nullptr), SEXTANT_OK);
    }
  });
  for (size_t q = 0; q < 40; ++q) {
    EXPECT_EQ(search(index_, vectors_.data() + q * 3 * kRowDim, 3, 5, nullptr).size(), 5u);
  }
  writer.join();
  EXPECT_EQ(sextant_multi_index_size(index_), kRows - kRows / 20);
}

}  // namespace
}  // namespace sextant
