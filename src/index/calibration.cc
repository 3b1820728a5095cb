#include "index/calibration.h"

#include <algorithm>
#include <cmath>

namespace sextant::index {
namespace {

// What an index that was never measured is taken to be like.
const std::vector<Calibration::Point> kUnmeasured = {{10, 10, 0.60},  {10, 40, 0.90},  {10, 80, 0.95},
                                                     {10, 160, 0.98}, {10, 320, 0.99}, {10, 640, 0.999}};

}  // namespace

Calibration::Calibration(std::vector<Point> points, uint64_t rows, RecallModel model)
    : points_(std::move(points)), rows_(rows), model_(std::move(model)) {
  // More is never worse; what says otherwise is noise.
  for (size_t i = 1; i < points_.size(); ++i) {
    if (points_[i].k == points_[i - 1].k) points_[i].recall = std::max(points_[i].recall, points_[i - 1].recall);
  }
}

// Of the smallest measured k that is not below K; beyond the largest, its curve with breadths in proportion.
std::vector<Calibration::Point> Calibration::curve_for(size_t k) const {
  const std::vector<Point>& points = points_.empty() ? kUnmeasured : points_;
  size_t best = 0;
  for (const Point& point : points) {
    if (point.k >= k && (best < k || point.k < best)) best = point.k;
    if (best < k) best = std::max<size_t>(best, point.k);
  }
  std::vector<Point> curve;
  const double factor = best < k ? static_cast<double>(k) / static_cast<double>(best) : 1;
  for (const Point& point : points) {
    if (point.k != best) continue;
    curve.push_back(point);
    curve.back().breadth = static_cast<uint32_t>(std::min(factor * point.breadth, 1e9));
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
  const std::vector<Point> curve = curve_for(k);
  double recall = curve.front().recall * std::min(1.0, static_cast<double>(breadth) / curve.front().breadth);
  for (size_t i = 0; i < curve.size(); ++i) {
    if (breadth < curve[i].breadth) break;
    recall = curve[i].recall;
    if (i + 1 < curve.size() && breadth < curve[i + 1].breadth) {
      const double at = std::log(static_cast<double>(breadth) / curve[i].breadth) /
                        std::log(static_cast<double>(curve[i + 1].breadth) / curve[i].breadth);
      recall += at * (curve[i + 1].recall - recall);
    }
  }
  return recall;
}

}  // namespace sextant::index
