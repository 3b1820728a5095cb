#include "eval/logistic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sextant/error.h"

namespace sextant::eval {
namespace {

// logits[free] = W x + b, label after label beside each other, so that the inner loop runs over contiguous weights.
void compute_logits(std::span<const double> parameters, std::span<const float> row, std::span<double> logits) {
  size_t free = logits.size();
  const double* weights = parameters.data();
  std::copy_n(weights + row.size() * free, free, logits.data());
  for (float x : row) {
    for (size_t label = 0; label < free; ++label) logits[label] += static_cast<double>(x) * weights[label];
    weights += free;
  }
}

}  // namespace

LogisticLoss::LogisticLoss(std::span<const float> rows, size_t dim, std::span<const uint32_t> labels,
                           size_t label_count, double c)
    : rows_(rows),
      labels_(labels),
      dim_(dim),
      free_label_count_(label_count == 2 ? 1 : label_count),
      penalty_(1 / (c * static_cast<double>(labels.size()))) {
  auto refuse = [](const std::string& message) {
    throw Error(ErrorCode::invalid_argument, "logistic regression: " + message);
  };
  if (labels.empty()) refuse("no rows");
  if (label_count < 2) refuse(fmt::format("{} labels, expected at least 2", label_count));
  if (!(c > 0)) refuse(fmt::format("C is {}, expected more than 0", c));
  if (rows.size() != labels.size() * dim) {
    refuse(fmt::format("{} numbers, expected {} rows of {}", rows.size(), labels.size(), dim));
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= label_count)
      refuse(fmt::format("label {} of row {}, expected less than {}", labels[i], i, label_count));
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!std::isfinite(rows[i])) refuse(fmt::format("row {} holds {}, expected finite numbers", i / dim, rows[i]));
  }
}

double LogisticLoss::operator()(std::span<const double> parameters, std::span<double> gradient) const {
  size_t count = labels_.size();
  size_t free = free_label_count_;
  double share = 1 / static_cast<double>(count);
  std::fill(gradient.begin(), gradient.end(), 0.0);
  std::vector<double> errors(free);  // logits first, then probability minus truth
  double loss = 0;
  for (size_t i = 0; i < count; ++i) {
    auto row = rows_.subspan(i * dim_, dim_);
    compute_logits(parameters, row, errors);
    // With two labels, label 0 has the logit 0 and label 1 the only free one.
    bool binary = free == 1;
    double largest = binary ? std::max(0.0, errors[0]) : *std::max_element(errors.begin(), errors.end());
    double truth = binary ? (labels_[i] == 1 ? errors[0] : 0.0) : errors[labels_[i]];
    double sum = binary ? std::exp(-largest) : 0;
    for (double& value : errors) sum += value = std::exp(value - largest);
    loss += largest + std::log(sum) - truth;
    for (double& value : errors) value *= share / sum;
    if (!binary) {
      errors[labels_[i]] -= share;
    } else if (labels_[i] == 1) {
      errors[0] -= share;
    }
    double* out = gradient.data();
    for (float x : row) {
      for (size_t label = 0; label < free; ++label) out[label] += static_cast<double>(x) * errors[label];
      out += free;
    }
    for (size_t label = 0; label < free; ++label) out[label] += errors[label];
  }
  double squares = 0;
  for (size_t k = 0; k < dim_ * free; ++k) {
    squares += parameters[k] * parameters[k];
    gradient[k] += penalty_ * parameters[k];
  }
  return loss * share + penalty_ * squares / 2;
}

LogisticRegression::LogisticRegression(std::span<const float> rows, size_t dim, std::span<const uint32_t> labels,
                                       size_t label_count, const LogisticOptions& options)
    : dim_(dim), free_label_count_(label_count == 2 ? 1 : label_count) {
  LogisticLoss loss(rows, dim, labels, label_count, options.c);
  parameters_.assign(loss.parameter_count(), 0.0);
  fit_ = minimize_lbfgs([&](std::span<const double> x, std::span<double> gradient) { return loss(x, gradient); },
                        parameters_,
                        {.iteration_count_max = options.iteration_count_max, .gradient_max = options.gradient_max});
}

uint32_t LogisticRegression::predict(std::span<const float> row) const {
  std::vector<double> logits(free_label_count_);
  compute_logits(parameters_, row, logits);
  if (free_label_count_ == 1) return logits[0] > 0 ? 1 : 0;
  return static_cast<uint32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace sextant::eval
