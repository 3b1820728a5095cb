#include "index/calibration.h"

#include <algorithm>
#include <cmath>

namespace sextant::index {
namespace {

// What an index that was never measured is taken to be like.
const std::vector<Calibration::Point> kUnmeasured = {{10, 10, 0.60},  {10, 40, 0.90},  {10, 80, 0.95},
                                                     {10, 160, 0.98}, {10, 320, 0.99}, {10, 640, 0.999}};

// Breadths beyond a curve's end are taken to lower errors by a power between these.
constexpr double kFallMin = 0.5, kFallMax = 1.5;

// What walks of a breadth find by a curve.
double recall_on(const std::vector<Calibration::Point>& curve, double breadth) {
  const Calibration::Point &first = curve.front(), &last = curve.back();
  if (breadth < first.breadth) return first.recall * breadth / first.breadth;
  if (breadth >= last.breadth) return last.recall;
  size_t next = 1;
  while (breadth >= curve[next].breadth) ++next;
  const Calibration::Point &from = curve[next - 1], &to = curve[next];
  const double at = std::log(breadth / from.breadth) / std::log(static_cast<double>(to.breadth) / from.breadth);
  return from.recall + at * (to.recall - from.recall);
}

// The same where a curve may end before that breadth: errors are taken to fall on as they fell at last.
double recall_beyond(const std::vector<Calibration::Point>& curve, double breadth) {
  const Calibration::Point& last = curve.back();
  if (breadth <= last.breadth || curve.size() < 2 || last.recall >= 1) return recall_on(curve, breadth);
  const Calibration::Point& before = curve[curve.size() - 2];
  const double fall =
      std::log((1 - before.recall) / (1 - last.recall)) / std::log(static_cast<double>(last.breadth) / before.breadth);
  return 1 - (1 - last.recall) * std::pow(breadth / last.breadth, -std::clamp(fall, kFallMin, kFallMax));
}

}  // namespace

Calibration::Calibration(std::vector<Point> points, uint64_t rows, RecallModel model)
    : points_(std::move(points)), rows_(rows), model_(std::move(model)) {
  // More is never worse; what says otherwise is noise.
  for (size_t i = 1; i < points_.size(); ++i) {
    if (points_[i].k == points_[i - 1].k) points_[i].recall = std::max(points_[i].recall, points_[i - 1].recall);
  }
}

std::vector<Calibration::Point> Calibration::measured_curve(size_t k) const {
  std::vector<Point> curve;
  for (const Point& point : points_.empty() ? kUnmeasured : points_) {
    if (point.k == k) curve.push_back(point);
  }
  return curve;
}

// Below the smallest measured k its curve; beyond the largest, its curve with breadths in proportion. Between two, what
// both say of breadths in proportion, weighted by where k lies between their logarithms, up to the broadest measured.
std::vector<Calibration::Point> Calibration::curve_for(size_t k) const {
  uint32_t below = 0, above = 0;
  for (const Point& point : points_.empty() ? kUnmeasured : points_) {
    if (point.k <= k) below = std::max(below, point.k);
    if (point.k >= k && (above == 0 || point.k < above)) above = point.k;
  }
  if (below == k || below == 0) return measured_curve(above);
  const auto wanted = static_cast<double>(k);
  std::vector<Point> lower = measured_curve(below);
  if (above == 0) {
    for (Point& point : lower) point.breadth = static_cast<uint32_t>(std::min(wanted / below * point.breadth, 1e9));
    return lower;
  }
  const std::vector<Point> upper = measured_curve(above);
  const double broadest = std::max(lower.back().breadth, upper.back().breadth);
  std::vector<double> relative = {broadest / wanted};  // breadths, to k
  for (const Point& point : lower) relative.push_back(static_cast<double>(point.breadth) / below);
  for (const Point& point : upper) relative.push_back(static_cast<double>(point.breadth) / above);
  std::sort(relative.begin(), relative.end());
  relative.erase(std::unique(relative.begin(), relative.end()), relative.end());
  const double weight = std::log(wanted / below) / std::log(static_cast<double>(above) / below);
  std::vector<Point> curve;
  for (const double breadth : relative) {
    if (breadth * wanted > broadest * (1 + 1e-9)) break;
    const double recall =
        (1 - weight) * recall_beyond(lower, breadth * below) + weight * recall_beyond(upper, breadth * above);
    curve.push_back({static_cast<uint32_t>(k), static_cast<uint32_t>(std::lround(breadth * wanted)), recall});
  }
  return curve;
}

size_t Calibration::breadth_for(size_t k, double recall) const {
  const std::vector<Point> curve = curve_for(k);
  size_t breadth = curve.back().breadth;
  for (size_t i = 0; i < curve.size(); ++i) {
    if (curve[i].recall < recall) continue;
    breadth = curve[i].breadth;
    if (i > 0 && curve[i].recall > curve[i - 1].recall) {
      // Errors fall about as a power of the breadth: straight lines between logarithms.
      const double low = std::log(std::max(1e-4, 1 - curve[i - 1].recall));
      const double high = std::log(std::max(1e-4, 1 - curve[i].recall));
      const double at = low > high ? (low - std::log(std::max(1e-4, 1 - recall))) / (low - high) : 1;
      const double from = std::log(static_cast<double>(curve[i - 1].breadth));
      const double to = std::log(static_cast<double>(curve[i].breadth));
      breadth = static_cast<size_t>(std::ceil(std::exp(from + (to - from) * std::clamp(at, 0.0, 1.0))));
    }
    break;
  }
  return std::max(breadth, k);
}

double Calibration::recall_of(size_t k, size_t breadth) const {
  return recall_on(curve_for(k), static_cast<double>(breadth));
}

}  // namespace sextant::index
