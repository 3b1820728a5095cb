#include "index/search_plan.h"

#include <gtest/gtest.h>

namespace sextant::index {
namespace {

PlanAnswer plan_for(size_t rows, size_t allowed) {
  return choose_plan(
      {.rows = rows, .allowed = allowed, .breadth = 60, .degree = 32, .row_bytes = 1536, .code_bytes = 192});
}

TEST(SearchPlan, goes_from_scans_to_walks_as_more_is_allowed) {
  EXPECT_EQ(plan_for(200'000, 0).plan, SearchPlan::scan);
  EXPECT_EQ(plan_for(200'000, 10).plan, SearchPlan::scan);
  EXPECT_EQ(plan_for(200'000, 200).plan, SearchPlan::code_scan);
  EXPECT_EQ(plan_for(200'000, 2'000).plan, SearchPlan::code_scan);
  EXPECT_EQ(plan_for(2'000'000, 200'000).plan, SearchPlan::filtered_graph);
  EXPECT_EQ(plan_for(200'000, 100'000).plan, SearchPlan::graph_then_filter);
  EXPECT_GT(plan_for(200'000, 100'000).breadth, 60u);
  EXPECT_EQ(plan_for(200'000, 200'000).plan, SearchPlan::graph);
  EXPECT_EQ(plan_for(200'000, 200'000).breadth, 60u);
}

TEST(SearchPlan, needs_no_codes) {
  const PlanAnswer few =
      choose_plan({.rows = 100'000, .allowed = 500, .breadth = 60, .degree = 32, .row_bytes = 1536, .code_bytes = 0});
  EXPECT_EQ(few.plan, SearchPlan::scan);
  const PlanAnswer many = choose_plan(
      {.rows = 100'000, .allowed = 90'000, .breadth = 60, .degree = 32, .row_bytes = 1536, .code_bytes = 0});
  EXPECT_EQ(many.plan, SearchPlan::graph_then_filter);
}

}  // namespace
}  // namespace sextant::index
