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
  EXPECT_EQ(measured.breadth_for(200, 0.5), 200u) << "in proportion, and at least k";
  EXPECT_DOUBLE_EQ(measured.recall_of(10, 20), 0.8);
  EXPECT_DOUBLE_EQ(measured.recall_of(10, 1000), 0.99);
  EXPECT_GT(measured.recall_of(10, 30), 0.8);
  EXPECT_LT(measured.recall_of(10, 30), 0.95);
}

TEST(Calibration, knows_about_ks_between_those_that_were_measured) {
  const Calibration measured({{10, 10, 0.5}, {10, 40, 0.9}, {10, 160, 0.98}, {100, 100, 0.6}, {100, 400, 0.94}}, 1000);
  // The square root of 1000 lies half way between 10 and 100.
  EXPECT_NEAR(measured.recall_of(32, 32), 0.55, 0.01);
  EXPECT_NEAR(measured.recall_of(32, 128), 0.92, 0.01);
  // Beyond what was measured of 100 errors go on falling as they fell, by a seventh with four times the breadth.
  EXPECT_NEAR(measured.recall_of(32, 400), 0.979, 0.003);
  EXPECT_EQ(measured.recall_of(32, 4000), measured.recall_of(32, 400));
  EXPECT_EQ(measured.breadth_for(32, 0.9999), 400u) << "the broadest that was measured";
  EXPECT_NEAR(static_cast<double>(measured.breadth_for(32, 0.92)), 128, 3);
  size_t last = 0;
  for (size_t k = 10; k <= 100; ++k) {
    const size_t breadth = measured.breadth_for(k, 0.9);
    EXPECT_GE(breadth, k);
    EXPECT_GE(breadth, last) << k;
    EXPECT_LT(breadth, 4 * k + 2) << k;
    last = breadth;
  }
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
