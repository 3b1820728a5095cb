#include "eval/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "sextant/error.h"

namespace sextant::eval {
namespace {

using Vector = std::vector<double>;

constexpr double kSufficientDecrease = 1e-4;
constexpr double kCurvature = 0.9;
constexpr size_t kLineSearchEvaluationsMax = 40;

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double largest_component(std::span<const double> values) {
  double largest = 0;
  for (double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

// One accepted step s = x' - x with the change of the gradient y = g' - g.
struct Correction {
  Vector s, y;
  double scale;  // 1 / (s . y)
};

// The two-loop recursion: -H g for the inverse Hessian H that the corrections describe.
void descent_direction(const std::deque<Correction>& history, std::span<const double> gradient,
                       std::span<double> direction) {
  for (size_t i = 0; i < gradient.size(); ++i) direction[i] = -gradient[i];
  Vector alpha(history.size());
  for (size_t k = history.size(); k-- > 0;) {
    const Correction& correction = history[k];
    alpha[k] = correction.scale * dot(correction.s, direction);
    for (size_t i = 0; i < direction.size(); ++i) direction[i] -= alpha[k] * correction.y[i];
  }
  if (!history.empty()) {
    const Correction& latest = history.back();
    double scale = 1 / (latest.scale * dot(latest.y, latest.y));
    for (double& value : direction) value *= scale;
  }
  for (size_t k = 0; k < history.size(); ++k) {
    const Correction& correction = history[k];
    double beta = correction.scale * dot(correction.y, direction);
    for (size_t i = 0; i < direction.size(); ++i) direction[i] += (alpha[k] - beta) * correction.s[i];
  }
}

// The objective along x + step * direction.
class Line {
 public:
  Line(const Objective& objective, std::span<const double> x, std::span<const double> direction)
      : objective_(objective), x_(x), direction_(direction), point_(x.size()), gradient_(x.size()) {}

  struct Sample {
    double step;
    double value;
    double slope;
  };

  Sample at(double step) {
    for (size_t i = 0; i < x_.size(); ++i) point_[i] = x_[i] + step * direction_[i];
    double value = objective_(point_, gradient_);
    ++evaluation_count_;
    return {step, value, dot(gradient_, direction_)};
  }

  // Of the latest sample.
  std::span<const double> point() const { return point_; }
  std::span<const double> gradient() const { return gradient_; }
  size_t evaluation_count() const { return evaluation_count_; }

 private:
  const Objective& objective_;
  std::span<const double> x_;
  std::span<const double> direction_;
  Vector point_, gradient_;
  size_t evaluation_count_ = 0;
};

// The minimum of the cubic through two samples, kept away from both ends so that the bracket shrinks.
double interpolate(const Line::Sample& a, const Line::Sample& b) {
  double low = std::min(a.step, b.step), high = std::max(a.step, b.step);
  double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step);
  double root = std::sqrt(d1 * d1 - a.slope * b.slope);
  double d2 = b.step > a.step ? root : -root;
  double step = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  double margin = 0.1 * (high - low);
  if (!std::isfinite(step) || step < low + margin || step > high - margin) step = (low + high) / 2;
  return step;
}

// False when no step was found that satisfies both conditions; then the line's latest sample means nothing.
bool search(Line& line, const Line::Sample& start, double first_step, Line::Sample& accepted) {
  auto decreases = [&](const Line::Sample& sample) {
    return sample.value <= start.value + kSufficientDecrease * sample.step * start.slope;  // false for NaN
  };
  auto is_flat = [&](const Line::Sample& sample) { return std::abs(sample.slope) <= -kCurvature * start.slope; };

  Line::Sample previous = start, low = start, high = start;
  double step = first_step;
  for (bool bracketed = false; !bracketed;) {
    if (line.evaluation_count() >= kLineSearchEvaluationsMax) return false;
    Line::Sample sample = line.at(step);
    if (!std::isfinite(sample.value) || !std::isfinite(sample.slope)) {
      // Too far: the function is not defined there. Come back towards the last good step.
      step = previous.step + (step - previous.step) / 10;
      continue;
    }
    if (!decreases(sample) || (previous.step > 0 && sample.value >= previous.value)) {
      low = previous;
      high = sample;
      bracketed = true;
    } else if (is_flat(sample)) {
      accepted = sample;
      return true;
    } else if (sample.slope >= 0) {
      low = sample;
      high = previous;
      bracketed = true;
    } else {
      previous = sample;
      step *= 2;
    }
  }
  while (line.evaluation_count() < kLineSearchEvaluationsMax) {
    Line::Sample sample = line.at(interpolate(low, high));
    if (!decreases(sample) || sample.value >= low.value) {
      high = sample;
      continue;
    }
    if (is_flat(sample)) {
      accepted = sample;
      return true;
    }
    if (sample.slope * (high.step - low.step) >= 0) high = low;
    low = sample;
  }
  return false;
}

}  // namespace

LbfgsResult minimize_lbfgs(const Objective& objective, std::span<double> x, const LbfgsOptions& options) {
  Vector gradient(x.size()), direction(x.size());
  LbfgsResult result;
  result.value = objective(x, gradient);
  result.gradient_max = largest_component(gradient);
  if (!std::isfinite(result.value) ||
      !std::all_of(gradient.begin(), gradient.end(), [](double g) { return std::isfinite(g); })) {
    throw Error(ErrorCode::invalid_argument, "minimisation: the function is not finite where it starts");
  }

  std::deque<Correction> history;
  while (true) {
    if (result.gradient_max <= options.gradient_max) {
      result.converged = true;
      break;
    }
    if (result.iteration_count == options.iteration_count_max) break;

    descent_direction(history, gradient, direction);
    Line line(objective, x, direction);
    Line::Sample start{0, result.value, dot(gradient, direction)};
    // Without any knowledge of the curvature the first step goes a distance of at most 1.
    double first_step = history.empty() ? std::min(1.0, 1 / std::sqrt(dot(gradient, gradient))) : 1;
    Line::Sample accepted{};
    if (!(start.slope < 0) || !search(line, start, first_step, accepted)) {
      if (history.empty()) break;
      history.clear();  // the corrections mislead: once more along the gradient
      continue;
    }

    Correction correction{Vector(x.size()), Vector(x.size()), 0};
    for (size_t i = 0; i < x.size(); ++i) {
      correction.s[i] = line.point()[i] - x[i];
      correction.y[i] = line.gradient()[i] - gradient[i];
      x[i] = line.point()[i];
      gradient[i] = line.gradient()[i];
    }
    double before = result.value;
    result.value = accepted.value;
    result.gradient_max = largest_component(gradient);
    ++result.iteration_count;
    double curvature = dot(correction.s, correction.y);
    if (curvature > 0) {  // the Wolfe conditions promise it, rounding may break it
      correction.scale = 1 / curvature;
      history.push_back(std::move(correction));
      if (history.size() > options.history) history.pop_front();
    }
    if (before - result.value <=
        options.relative_decrease_min * std::max({std::abs(before), std::abs(result.value), 1.0})) {
      result.converged = true;
      break;
    }
  }
  return result;
}

}  // namespace sextant::eval
