// eval/logistic.h: multinomial logistic regression with an L2 penalty, as scikit-learn's LogisticRegression defines it:
// the minimum over W and b of  |W|^2 / 2 + C * sum of -log softmax(W x + b)[label].  The intercept b is not penalised.
//
// Two labels have one weight vector between them (the logit of label 0 is always 0), also as there.
// In: rows [count, dim].   Deterministic; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "eval/lbfgs.h"

namespace sextant::eval {

struct LogisticOptions {
  double c = 1;
  size_t iteration_count_max = 100;
  double gradient_max = 1e-4;  // of the mean loss per row
};

// The objective above divided by C * count, and its gradient, as minimize_lbfgs takes it. Parameters [dim + 1, free
// labels]: the last row is the intercept; free labels = label_count, or 1 when that is 2.
class LogisticLoss {
 public:
  // Throws invalid_argument for no rows, sizes that do not agree, labels out of range, fewer than two labels, NaN.
  // The spans must outlive the object.
  LogisticLoss(std::span<const float> rows, size_t dim, std::span<const uint32_t> labels, size_t label_count, double c);
  size_t parameter_count() const { return (dim_ + 1) * free_label_count_; }
  double operator()(std::span<const double> parameters, std::span<double> gradient) const;

 private:
  std::span<const float> rows_;       // [count, dim]
  std::span<const uint32_t> labels_;  // [count]
  size_t dim_;
  size_t free_label_count_;
  double penalty_;  // 1 / (C * count)
};

class LogisticRegression {
 public:
  LogisticRegression(std::span<const float> rows, size_t dim, std::span<const uint32_t> labels, size_t label_count,
                     const LogisticOptions& options = {});
  // The most probable label; the lowest of equals. REQUIRES: row.size() == dim.
  uint32_t predict(std::span<const float> row) const;
  const LbfgsResult& fit() const { return fit_; }
  std::span<const double> parameters() const { return parameters_; }  // [dim + 1, free labels]

 private:
  size_t dim_;
  size_t free_label_count_;
  std::vector<double> parameters_;
  LbfgsResult fit_;
};

}  // namespace sextant::eval
