#include "curve.h"

#include <gtest/gtest.h>

#include <cmath>

#include "chart.h"

namespace sextant::bench {
namespace {

Point at(double recall, double rate, const std::string& setting = "s", const std::string& plan = "graph") {
  return {.setting = setting, .plan = plan, .recall = recall, .queries_per_second = rate};
}

TEST(Curve, ARateBetweenTwoSettingsIsInterpolatedByItsLogarithm) {
  const std::vector<Point> points = {at(0.8, 10000), at(0.9, 1000)};
  EXPECT_NEAR(rate_at(points, 0.85).value(), std::sqrt(1e7), 1e-6);
  EXPECT_NEAR(rate_at(points, 0.9).value(), 1000, 1e-9);
  EXPECT_NEAR(rate_at(points, 0.5).value(), 10000, 1e-9);
  EXPECT_FALSE(rate_at(points, 0.91).has_value());
  EXPECT_FALSE(rate_at({}, 0.5).has_value());
}

TEST(Curve, PlansAreNotInterpolatedWithEachOther) {
  const std::vector<Point> points = {at(0.5, 9000, "a", "graph"), at(1, 100, "b", "scan")};
  EXPECT_NEAR(rate_at(points, 0.6).value(), 100, 1e-9);
}

TEST(Curve, ASettingThatFindsMoreAndIsFasterCounts) {
  const std::vector<Point> points = {at(0.8, 500), at(0.9, 100), at(0.95, 2000)};
  EXPECT_NEAR(rate_at(points, 0.85).value(), 2000, 1e-9);
}

TEST(Curve, TheMedianRoundOfEachSettingIsKept) {
  const std::vector<std::vector<Point>> rounds = {
      {at(0.8, 30, "a"), at(0.9, 3, "b")}, {at(0.8, 10, "a"), at(0.9, 1, "b")}, {at(0.8, 20, "a"), at(0.9, 2, "b")}};
  const std::vector<Point> median = median_points(rounds);
  ASSERT_EQ(median.size(), 2u);
  EXPECT_EQ(median[0].setting, "a");
  EXPECT_EQ(median[0].queries_per_second, 20);
  EXPECT_EQ(median[1].queries_per_second, 2);
}

TEST(Chart, DrawsAMarkForEachSettingThatNoOtherBeats) {
  const std::vector<Line> lines = {{"first & best", {at(0.85, 1000), at(0.95, 500), at(0.9, 100)}},
                                   {"none", {at(0.1, 9)}}};
  const std::string svg = draw_chart("a < b", lines);
  EXPECT_NE(svg.find("<title>a &lt; b</title>"), std::string::npos);
  EXPECT_NE(svg.find("first &amp; best"), std::string::npos);
  size_t circles = 0;
  for (size_t i = svg.find("<circle"); i != std::string::npos; i = svg.find("<circle", i + 1)) ++circles;
  EXPECT_EQ(circles, 3u);  // two settings and the legend's
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(Chart, NoPointsAreNoCrash) { EXPECT_NE(draw_chart("empty", {}).find("</svg>"), std::string::npos); }

}  // namespace
}  // namespace sextant::bench
