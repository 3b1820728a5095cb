// bench/ann/curve.h: what a sweep over a contestant's settings gave, and what can be read off it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sextant::bench {

// One setting of one sweep.
struct Point {
  std::string setting;
  std::string plan;
  double recall = 0;
  double queries_per_second = 0;
  double cpu_queries_per_second = 0;  // by processor time, 0 where a contestant does not tell
  double p50_us = 0, p99_us = 0;      // 0 where queries are answered in batches
};

// The same sweep of several rounds as one: for each setting and plan the round whose rate is the median.
std::vector<Point> median_points(std::span<const std::vector<Point>> rounds);

// Queries a second at a recall: between two settings of one plan the logarithm of the rate is interpolated, and a
// setting that finds more counts as it is where it is faster. None where no setting reaches it.
std::optional<double> rate_at(std::span<const Point> points, double recall);

}  // namespace sextant::bench
