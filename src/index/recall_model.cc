#include "index/recall_model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace sextant::index {
namespace {

constexpr size_t kTraits = WalkTraits::kCount;
constexpr size_t kWeights = RecallModel::kWeights;
using Features = std::array<double, kWeights>;

// Beyond these a walk is like those at them: there is nothing to extrapolate from.
constexpr double kDeviationsMax = 3;
constexpr double kRecallMin = 0.01, kRecallMax = 0.9995;
// How strongly weights are drawn to those of a model that knows the mean alone.
constexpr double kRidge = 10;
constexpr size_t kSteps = 25;

double logit(double p) {
  p = std::clamp(p, kRecallMin, kRecallMax);
  return std::log(p / (1 - p));
}

Features features_of(const RecallModel::Setting& setting, const WalkTraits& traits, double recall) {
  Features out{logit(recall), 1};
  for (size_t i = 0; i < kTraits; ++i) {
    const double deviation = setting.deviations[i];
    const double at = deviation > 0 ? (traits.values[i] - setting.means[i]) / deviation : 0;
    // NaN of a damaged file becomes 0, too.
    const double held = std::isfinite(at) ? std::clamp(at, -kDeviationsMax, kDeviationsMax) : 0;
    out[2 + i] = held;
    out[2 + kTraits + i] = held * held - 1;
  }
  return out;
}

double sigmoid_of(const Features& features, const std::array<double, kWeights>& weights) {
  double sum = 0;
  for (size_t i = 0; i < kWeights; ++i) sum += weights[i] * features[i];
  return 1 / (1 + std::exp(-sum));
}

// Solves the positive definite system in place (Cholesky).
void solve(std::array<Features, kWeights>& matrix, Features& right) {
  for (size_t i = 0; i < kWeights; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = matrix[i][j];
      for (size_t k = 0; k < j; ++k) sum -= matrix[i][k] * matrix[j][k];
      matrix[i][j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / matrix[j][j];
    }
  }
  for (size_t i = 0; i < kWeights; ++i) {
    for (size_t k = 0; k < i; ++k) right[i] -= matrix[i][k] * right[k];
    right[i] /= matrix[i][i];
  }
  for (size_t i = kWeights; i-- > 0;) {
    for (size_t k = i + 1; k < kWeights; ++k) right[i] -= matrix[k][i] * right[k];
    right[i] /= matrix[i][i];
  }
}

struct Seen {
  Features features;
  double found, wanted;
};

// Newton's method; the binomial likelihood with a ridge.
std::array<double, kWeights> fit(std::span<const Seen> all) {
  std::array<double, kWeights> weights{1};
  const std::array<double, kWeights> prior = weights;
  for (size_t step = 0; step < kSteps; ++step) {
    std::array<Features, kWeights> hessian{};
    Features gradient{};
    for (size_t i = 0; i < kWeights; ++i) {
      hessian[i][i] = kRidge;
      gradient[i] = kRidge * (prior[i] - weights[i]);
    }
    for (const Seen& seen : all) {
      const double p = sigmoid_of(seen.features, weights);
      const double curve = std::max(seen.wanted * p * (1 - p), 1e-9);
      for (size_t i = 0; i < kWeights; ++i) {
        gradient[i] += (seen.found - seen.wanted * p) * seen.features[i];
        for (size_t j = 0; j <= i; ++j) hessian[i][j] += curve * seen.features[i] * seen.features[j];
      }
    }
    solve(hessian, gradient);
    double largest = 0;
    for (size_t i = 0; i < kWeights; ++i) {
      // Long steps overshoot where nearly everything was found.
      const double move = std::clamp(gradient[i], -1.0, 1.0);
      weights[i] += move;
      largest = std::max(largest, std::abs(move));
    }
    if (largest < 1e-6) break;
  }
  return weights;
}

}  // namespace

WalkTraits WalkReport::traits(size_t k) const {
  const float kth = distances[k - 1], last = distances.back();
  const float spread = last - distances.front();
  return {{std::log(static_cast<float>(compared) + 1), kth, spread > 0 ? (last - kth) / spread : 0}};
}

RecallModel::RecallModel(std::span<const Walk> walks) {
  std::map<std::pair<uint32_t, uint32_t>, std::vector<const Walk*>> by_setting;
  for (const Walk& walk : walks) {
    if (walk.wanted > 0) by_setting[{walk.k, walk.breadth}].push_back(&walk);
  }
  std::map<uint32_t, std::vector<Seen>> by_k;
  for (const auto& [key, group] : by_setting) {
    Setting setting{key.first, key.second, 0, {}, {}};
    double found = 0, wanted = 0;
    std::array<double, kTraits> sums{}, squares{};
    for (const Walk* walk : group) {
      found += walk->found;
      wanted += walk->wanted;
      for (size_t i = 0; i < kTraits; ++i) sums[i] += walk->traits.values[i];
    }
    const auto count = static_cast<double>(group.size());
    for (const Walk* walk : group) {
      for (size_t i = 0; i < kTraits; ++i) {
        const double apart = walk->traits.values[i] - sums[i] / count;
        squares[i] += apart * apart;
      }
    }
    setting.recall = static_cast<float>(found / wanted);
    for (size_t i = 0; i < kTraits; ++i) {
      setting.means[i] = static_cast<float>(sums[i] / count);
      setting.deviations[i] = static_cast<float>(std::sqrt(squares[i] / count));
    }
    settings_.push_back(setting);
    for (const Walk* walk : group) {
      by_k[key.first].push_back({features_of(setting, walk->traits, setting.recall), static_cast<double>(walk->found),
                                 static_cast<double>(walk->wanted)});
    }
  }
  for (const auto& [k, seen] : by_k) {
    const std::array<double, kWeights> weights = fit(seen);
    Weights& made = weights_.emplace_back();
    made.k = k;
    std::copy(weights.begin(), weights.end(), made.of.begin());
  }
}

RecallModel::RecallModel(std::vector<Setting> settings, std::vector<Weights> weights)
    : settings_(std::move(settings)), weights_(std::move(weights)) {}

double RecallModel::recall_of(size_t k, size_t breadth, const WalkTraits& traits, double recall) const {
  if (empty()) return recall;
  // Of the smallest measured k that is not below; else of the largest.
  const auto measured = std::find_if(weights_.begin(), weights_.end(), [&](const Weights& w) { return w.k >= k; });
  const Weights& chosen = measured == weights_.end() ? weights_.back() : *measured;
  const Setting* nearest = nullptr;
  auto apart = [&](const Setting& setting) {
    return std::abs(std::log(static_cast<double>(setting.breadth) / static_cast<double>(std::max<size_t>(1, breadth))));
  };
  for (const Setting& setting : settings_) {
    if (setting.k == chosen.k && (nearest == nullptr || apart(setting) < apart(*nearest))) nearest = &setting;
  }
  if (nearest == nullptr) return recall;
  std::array<double, kWeights> weights;
  std::copy(chosen.of.begin(), chosen.of.end(), weights.begin());
  return sigmoid_of(features_of(*nearest, traits, recall), weights);
}

}  // namespace sextant::index
