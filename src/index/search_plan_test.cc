#include "index/search_plan.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace sextant::index {
namespace {

// As though broader walks found what lies farther off at breadths in proportion.
PlanAnswer plan_for(size_t rows, size_t allowed) {
  const size_t wide =
      6 * static_cast<size_t>(rank_of(10, static_cast<double>(allowed + 1) / static_cast<double>(rows + 1), 0));
  return choose_plan({.rows = rows,
                      .allowed = allowed,
                      .k = 10,
                      .breadth = 60,
                      .wide_breadth = wide,
                      .degree = 32,
                      .row_bytes = 1536,
                      .code_bytes = 192});
}

TEST(SearchPlan, goes_from_scans_to_walks_as_more_is_allowed) {
  EXPECT_EQ(plan_for(200'000, 0).plan, SearchPlan::scan);
  EXPECT_EQ(plan_for(200'000, 10).plan, SearchPlan::scan);
  EXPECT_EQ(plan_for(200'000, 200).plan, SearchPlan::code_scan);
  EXPECT_EQ(plan_for(200'000, 2'000).plan, SearchPlan::code_scan);
  EXPECT_EQ(plan_for(20'000'000, 200'000).plan, SearchPlan::filtered_graph);
  EXPECT_EQ(plan_for(200'000, 100'000).plan, SearchPlan::graph_then_filter);
  EXPECT_GT(plan_for(200'000, 100'000).breadth, 60u);
  EXPECT_EQ(plan_for(200'000, 200'000).plan, SearchPlan::graph);
  EXPECT_EQ(plan_for(200'000, 200'000).breadth, 60u);
}

TEST(SearchPlan, tells_what_chance_explains_from_what_it_does_not) {
  EXPECT_DOUBLE_EQ(rank_of(10, 1, 3), 10);
  EXPECT_DOUBLE_EQ(rank_of(10, 0.5, 0), 20);
  // The tenth allowed of one half comes, in one of some thousand samples, behind the bound.
  const PlanAnswer half = plan_for(200'000, 100'000);
  ASSERT_EQ(half.plan, SearchPlan::graph_then_filter);
  base::Random random(1);
  size_t beyond = 0, far_below = 0;
  for (size_t sample = 0; sample < 10'000; ++sample) {
    size_t rank = 0;
    for (size_t there = 0; there < 10; ++rank) there += random.below(2);
    beyond += rank > half.rank_max ? 1 : 0;
    far_below += rank < half.rank_max / 2 ? 1 : 0;
  }
  EXPECT_LT(beyond, 100u);
  EXPECT_GT(beyond, 0u);
  EXPECT_GT(far_below, 1000u);
  EXPECT_GE(half.breadth, half.rank_max * 3 / 4);
}

TEST(SearchPlan, needs_no_codes) {
  const PlanAnswer few = choose_plan({.rows = 100'000,
                                      .allowed = 500,
                                      .k = 10,
                                      .breadth = 60,
                                      .wide_breadth = 5000,
                                      .degree = 32,
                                      .row_bytes = 1536,
                                      .code_bytes = 0});
  EXPECT_EQ(few.plan, SearchPlan::scan);
  const PlanAnswer many = choose_plan({.rows = 100'000,
                                       .allowed = 90'000,
                                       .k = 10,
                                       .breadth = 60,
                                       .wide_breadth = 65,
                                       .degree = 32,
                                       .row_bytes = 1536,
                                       .code_bytes = 0});
  EXPECT_EQ(many.plan, SearchPlan::graph_then_filter);
}

}  // namespace
}  // namespace sextant::index
