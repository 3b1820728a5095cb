#include "simd/top_k.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace sextant::simd {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// The slow twin: sort everything.
std::vector<Scored> sorted_best(std::vector<Scored> all, size_t k, Nearer nearer) {
  std::erase_if(all, [](const Scored& s) { return std::isnan(s.score); });
  std::sort(all.begin(), all.end(), [nearer](const Scored& a, const Scored& b) {
    if (a.score != b.score) return nearer == Nearer::higher ? a.score > b.score : a.score < b.score;
    return a.id < b.id;
  });
  if (all.size() > k) all.resize(k);
  return all;
}

// Few different scores, so that ties abound; some NaN and infinities.
std::vector<float> random_scores(base::Random& random, size_t count) {
  std::vector<float> scores(count);
  for (float& score : scores) {
    uint64_t kind = random.below(40);
    score = kind == 0 ? kNan : kind == 1 ? kInf : kind == 2 ? -kInf : static_cast<float>(random.below(50)) - 25.0f;
  }
  return scores;
}

TEST(TopK, equals_sorting_everything_for_any_count_k_and_direction) {
  base::Random random(7);
  for (Nearer nearer : {Nearer::higher, Nearer::lower}) {
    for (size_t count : {0, 1, 2, 9, 255, 256, 257, 1000}) {
      for (size_t k : {0, 1, 2, 10, 100, 2000}) {
        std::vector<float> scores = random_scores(random, count);
        std::vector<Scored> all;
        for (size_t i = 0; i < count; ++i) all.push_back({1000 + i, scores[i]});
        std::vector<Scored> expected = sorted_best(all, k, nearer);

        TopK in_blocks(k, nearer);
        in_blocks.push_block(1000, scores);
        size_t nan_count =
            static_cast<size_t>(std::count_if(scores.begin(), scores.end(), [](float s) { return std::isnan(s); }));
        EXPECT_EQ(in_blocks.nan_count(), k == 0 ? 0 : nan_count);
        EXPECT_EQ(in_blocks.take(), expected) << "count " << count << ", k " << k;

        // In any order, one by one or in blocks with ids of their own.
        random.shuffle(all);
        TopK one_by_one(k, nearer);
        TopK with_ids(k, nearer);
        std::vector<uint64_t> ids;
        std::vector<float> shuffled;
        for (const Scored& s : all) {
          one_by_one.push(s.id, s.score);
          ids.push_back(s.id);
          shuffled.push_back(s.score);
        }
        with_ids.push_block(ids, shuffled);
        EXPECT_EQ(one_by_one.take(), expected);
        EXPECT_EQ(with_ids.take(), expected);
      }
    }
  }
}

TEST(TopK, of_equal_scores_keeps_the_smallest_ids_whichever_came_first) {
  TopK top(2, Nearer::higher);
  for (uint64_t id : {9, 3, 7, 1, 5}) top.push(id, 0.5f);
  EXPECT_EQ(top.take(), (std::vector<Scored>{{1, 0.5f}, {3, 0.5f}}));
}

TEST(TopK, gives_the_same_on_every_tier) {
  base::Random random(11);
  std::vector<float> scores = random_scores(random, 5000);
  TopK scalar(25, Nearer::lower, kernels_for(Tier::scalar));
  scalar.push_block(0, scores);
  std::vector<Scored> expected = scalar.take();
  for (int t = 0; t <= static_cast<int>(best_tier()); ++t) {
    TopK top(25, Nearer::lower, kernels_for(static_cast<Tier>(t)));
    top.push_block(0, scores);
    EXPECT_EQ(top.take(), expected) << name(static_cast<Tier>(t));
  }
}

TEST(TopK, starts_anew_after_take_and_keeps_counting_nan) {
  TopK top(1, Nearer::higher);
  top.push(1, 9.0f);
  top.push(2, kNan);
  EXPECT_EQ(top.threshold(), 9.0f);
  EXPECT_EQ(top.take(), (std::vector<Scored>{{1, 9.0f}}));
  EXPECT_EQ(top.threshold(), -kInf);
  top.push_block(5, std::vector<float>{1.0f, kNan});
  EXPECT_EQ(top.nan_count(), 2u);
  EXPECT_EQ(top.take(), (std::vector<Scored>{{5, 1.0f}}));
}

TEST(TopK, an_absurd_k_costs_only_what_is_kept) {
  TopK top(std::numeric_limits<size_t>::max(), Nearer::higher);
  top.push_block(0, std::vector<float>{2.0f, 3.0f, -kInf});
  EXPECT_EQ(top.take(), (std::vector<Scored>{{1, 3.0f}, {0, 2.0f}, {2, -kInf}}));
}

TEST(TopK, takes_scores_worse_than_all_before_until_k_are_kept) {
  std::vector<float> falling(700);
  for (size_t i = 0; i < falling.size(); ++i) falling[i] = -static_cast<float>(i);
  TopK top(600, Nearer::higher);
  top.push_block(0, falling);
  std::vector<Scored> best = top.take();
  ASSERT_EQ(best.size(), 600u);
  EXPECT_EQ(best.back(), (Scored{599, -599.0f}));
}

TEST(TopK, takes_infinitely_far_scores_until_k_are_kept) {
  TopK top(2, Nearer::lower);
  top.push_block(0, std::vector<float>{kInf, kInf, kInf, 1.0f});
  EXPECT_EQ(top.take(), (std::vector<Scored>{{3, 1.0f}, {0, kInf}}));
}

}  // namespace
}  // namespace sextant::simd
