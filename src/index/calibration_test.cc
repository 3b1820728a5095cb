#include "index/calibration.h"

#include <gtest/gtest.h>

namespace sextant::index {
namespace {

TEST(Calibration, finds_the_breadth_for_a_recall_and_back) {
  const Calibration measured({{10, 10, 0.5}, {10, 20, 0.8}, {10, 40, 0.95}, {10, 80, 0.99}, {100, 100, 0.9}}, 1000);
  EXPECT_EQ(measured.breadth_for(10, 0.5), 10u);
  EXPECT_EQ(measured.breadth_for(10, 0.8), 20u);
  EXPECT_EQ(measured.breadth_for(10, 0.95), 40u);
  const size_t between = measured.breadth_for(10, 0.9);
  EXPECT_GT(between, 20u);
  EXPECT_LT(between, 40u);
  EXPECT_EQ(measured.breadth_for(10, 0.9999), 80u) << "the broadest that was measured";
  EXPECT_EQ(measured.breadth_for(1, 0.8), 20u) << "as for the next larger k";
  EXPECT_EQ(measured.breadth_for(50, 0.5), 100u);
  EXPECT_EQ(measured.breadth_for(200, 0.5), 200u) << "in proportion, and at least k";
  EXPECT_DOUBLE_EQ(measured.recall_of(10, 20), 0.8);
  EXPECT_DOUBLE_EQ(measured.recall_of(10, 1000), 0.99);
  EXPECT_GT(measured.recall_of(10, 30), 0.8);
  EXPECT_LT(measured.recall_of(10, 30), 0.95);
}

TEST(Calibration, takes_a_dip_for_noise_and_knows_something_before_it_measures) {
  const Calibration dipped({{10, 10, 0.9}, {10, 20, 0.89}, {10, 40, 0.95}}, 1000);
  EXPECT_DOUBLE_EQ(dipped.recall_of(10, 20), 0.9);
  const Calibration none;
  EXPECT_TRUE(none.empty());
  EXPECT_GE(none.breadth_for(10, 0.95), 40u);
  EXPECT_GE(none.breadth_for(1000, 0.95), 1000u);
}

}  // namespace
}  // namespace sextant::index
