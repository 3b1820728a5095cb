// index/calibration.h: how broad a walk must be to reach a recall, as measured on an index's own rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/recall_model.h"

namespace sextant::index {

class Calibration {
 public:
  // A walk for k rows that kept breadth candidates found this part of the k nearest, on average.
  struct Point {
    uint32_t k, breadth;
    double recall;
  };

  bool empty() const { return points_.empty(); }
  const std::vector<Point>& points() const { return points_; }
  // Rows that the index had when it was measured.
  uint64_t rows() const { return rows_; }

  // points: for each k, breadths ascending.
  Calibration() = default;
  Calibration(std::vector<Point> points, uint64_t rows, RecallModel model = {});

  // The breadth that reaches the recall for k rows: interpolated between measured ones, the broadest measured one where
  // none reaches it.
  size_t breadth_for(size_t k, double recall) const;
  double recall_of(size_t k, size_t breadth) const;
  // Of single walks.
  const RecallModel& model() const { return model_; }

 private:
  std::vector<Point> measured_curve(size_t k) const;
  std::vector<Point> curve_for(size_t k) const;
  std::vector<Point> points_;
  uint64_t rows_ = 0;
  RecallModel model_;
};

}  // namespace sextant::index
