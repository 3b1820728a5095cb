#include "store/sparse_lists.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "base/random.h"
#include "sextant/error.h"
#include "store/row_scorer.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

struct SparseSample {
  base::TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "sparse";
  std::vector<VectorValue> rows;

  void write() const {
    std::vector<SparsePosting> postings;
    for (uint32_t row = 0; row < rows.size(); ++row) {
      for (size_t i = 0; i < rows[row].indices.size(); ++i) {
        postings.push_back({rows[row].indices[i], row, rows[row].values[i]});
      }
    }
    SparseLists::write(path, std::move(postings), rows.size());
  }
};

using Scores = std::vector<std::pair<uint32_t, float>>;

Scores scores_of(const SparseLists& lists, const VectorValue& query, const AllowedIds* allowed = nullptr) {
  Scores out;
  lists.score(query, allowed, [&](uint32_t row, float score) { out.emplace_back(row, score); });
  return out;
}

VectorValue any_sparse(base::Random& random, size_t components, size_t space) {
  std::map<uint32_t, float> values;
  for (size_t i = 0; i < components; ++i) {
    // Some components are frequent.
    const uint64_t bound = 1 + random.below(space);
    values[static_cast<uint32_t>(random.below(bound)) * 7] = static_cast<float>(random.normal());
  }
  VectorValue out;
  for (const auto& [index, value] : values) {
    out.indices.push_back(index);
    out.values.push_back(value);
  }
  return out;
}

TEST(SparseLists, ScoreTheRowsThatShareAComponent) {
  SparseSample sample;
  sample.rows = {{{1, 2}, {3, 9}}, {{}, {}}, {{4}, {UINT32_MAX}}, {{5, -5}, {3, UINT32_MAX}}, {{6}, {8}}};
  sample.write();
  const SparseLists lists(sample.path);
  EXPECT_EQ(lists.size(), 5u);
  const VectorValue query{{2, 1, 0.5f}, {3, 4, UINT32_MAX}};
  EXPECT_THAT(scores_of(lists, query), ElementsAre(Pair(0, 2.0f), Pair(2, 2.0f), Pair(3, 7.5f)));
  const AllowedIds allowed = AllowedIds::of(std::vector<uint64_t>{1, 3, 4, 77});
  EXPECT_THAT(scores_of(lists, query, &allowed), ElementsAre(Pair(3, 7.5f)));
  EXPECT_THAT(scores_of(lists, {{1}, {5}}), ElementsAre());
  EXPECT_THAT(scores_of(lists, {}), ElementsAre());
}

TEST(SparseLists, ScoreAsLookingAtEachRowDoes) {
  const uint64_t seed = 20261122;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  base::Random random(seed);
  const VectorConfig config{.kind = VectorKind::sparse, .metric = Metric::dot};
  for (const size_t count : {1, 63, 500, 16384, 50'000}) {
    SCOPED_TRACE(count);
    SparseSample sample;
    for (size_t row = 0; row < count; ++row) sample.rows.push_back(any_sparse(random, random.below(12), 3000));
    sample.write();
    const SparseLists lists(sample.path);
    for (size_t round = 0; round < 12; ++round) {
      const VectorValue query = any_sparse(random, 1 + random.below(20), 3000);
      std::optional<AllowedIds> allowed;
      if (round % 3 == 1) {
        std::vector<uint64_t> words((count + 63) / 64);
        for (uint64_t& word : words) word = random.next();
        allowed.emplace(std::move(words));
      } else if (round % 3 == 2) {
        std::vector<uint64_t> few;
        for (size_t i = 0; i < 10; ++i) few.push_back(random.below(count));
        allowed.emplace(AllowedIds::of(few));
      }
      const RowScorer scorer(config, query);
      Scores expected;
      for (uint32_t row = 0; row < count; ++row) {
        const float score = scorer.score_sparse(sample.rows[row].indices, sample.rows[row].values);
        if (!std::isnan(score) && (!allowed || allowed->contains(row))) expected.emplace_back(row, score);
      }
      ASSERT_EQ(scores_of(lists, query, allowed ? &*allowed : nullptr), expected) << round;
    }
  }
}

TEST(SparseLists, RefuseListsThatAreNone) {
  const auto message = [](const std::vector<SparsePosting>& postings, size_t rows) -> std::string {
    const base::TemporaryFolder folder;
    SparseLists::write(folder.path() / "sparse", postings, rows);
    try {
      const SparseLists lists(folder.path() / "sparse");
      scores_of(lists, {{1, 1}, {3, 4}});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupted);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message({{3, 70, 1}}, 70), HasSubstr("posting 0 is of row 70"));
  EXPECT_THAT(message({{3, 0, 1}, {4, UINT32_MAX, 1}}, 70), HasSubstr("posting 1 is of row 4294967295"));
}

}  // namespace
}  // namespace sextant::store
