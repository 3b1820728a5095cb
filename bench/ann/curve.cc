#include "curve.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace sextant::bench {

std::vector<Point> median_points(std::span<const std::vector<Point>> rounds) {
  std::vector<Point> result;
  if (rounds.empty()) return result;
  std::map<std::pair<std::string, std::string>, std::vector<Point>> of_setting;
  for (const std::vector<Point>& round : rounds) {
    for (const Point& point : round) of_setting[{point.plan, point.setting}].push_back(point);
  }
  // In the order in which the contestant gave them.
  for (const std::vector<Point>& round : rounds) {
    for (const Point& point : round) {
      auto found = of_setting.find({point.plan, point.setting});
      if (found == of_setting.end()) continue;
      std::vector<Point>& same = found->second;
      std::sort(same.begin(), same.end(),
                [](const Point& a, const Point& b) { return a.queries_per_second < b.queries_per_second; });
      result.push_back(same[same.size() / 2]);
      of_setting.erase(found);
    }
  }
  return result;
}

std::optional<double> rate_at(std::span<const Point> points, double recall) {
  std::optional<double> best;
  auto offer = [&](double rate) {
    if (!best || rate > *best) best = rate;
  };
  std::map<std::string, std::vector<const Point*>> of_plan;
  for (const Point& point : points) of_plan[point.plan].push_back(&point);
  for (auto& [plan, line] : of_plan) {
    std::stable_sort(line.begin(), line.end(), [](const Point* a, const Point* b) { return a->recall < b->recall; });
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i]->recall < recall) continue;
      offer(line[i]->queries_per_second);
      if (i == 0 || line[i - 1]->recall >= recall) continue;
      const double part = (recall - line[i - 1]->recall) / (line[i]->recall - line[i - 1]->recall);
      offer(std::exp((1 - part) * std::log(line[i - 1]->queries_per_second) +
                     part * std::log(line[i]->queries_per_second)));
    }
  }
  return best;
}

}  // namespace sextant::bench
