#include "eval/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/random.h"
#include "sextant/error.h"

namespace sextant::eval {
namespace {

void require_finite(std::span<const double> values, const char* what) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: item {} is {}, expected a finite number", what, i, values[i]));
    }
  }
}

void require_same_length(size_t a, size_t b, const char* what) {
  if (a != b) throw Error(ErrorCode::invalid_argument, fmt::format("{}: {} values against {}", what, a, b));
  if (a == 0) throw Error(ErrorCode::invalid_argument, fmt::format("{}: no items", what));
}

// Two passes: subtracting the mean first keeps the digits that sums of squares would lose.
double correlation(std::span<const double> x, std::span<const double> y, const char* what) {
  double mean_x = mean(x), mean_y = mean(y);
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  if (xx == 0 || yy == 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} is undefined: all {} values are equal", what, xx == 0 ? "first" : "second"));
  }
  return std::clamp(xy / (std::sqrt(xx) * std::sqrt(yy)), -1.0, 1.0);
}

void require_pairs(std::span<const double> x, std::span<const double> y, const char* what) {
  require_same_length(x.size(), y.size(), what);
  require_finite(x, what);
  require_finite(y, what);
  if (x.size() < 2) throw Error(ErrorCode::invalid_argument, fmt::format("{}: one item, expected at least two", what));
}

double discounted_gain(std::span<const double> gains, size_t depth) {
  double sum = 0;
  for (size_t i = 0; i < std::min(depth, gains.size()); ++i) {
    if (gains[i] > 0) sum += gains[i] / std::log2(static_cast<double>(i) + 2);
  }
  return sum;
}

size_t count_relevant(std::span<const double> ranked_gains, size_t depth) {
  auto top = ranked_gains.first(std::min(depth, ranked_gains.size()));
  return static_cast<size_t>(std::count_if(top.begin(), top.end(), [](double gain) { return gain > 0; }));
}

// Between the order statistics, linearly. sorted is not empty.
double quantile(std::span<const double> sorted, double share) {
  double position = share * static_cast<double>(sorted.size() - 1);
  size_t below = static_cast<size_t>(position);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (position - static_cast<double>(below));
}

}  // namespace

std::vector<double> average_ranks(std::span<const double> values) {
  require_finite(values, "ranks");
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    // Places begin + 1 .. end share their mean.
    double rank = static_cast<double>(begin + 1 + end) / 2;
    for (; begin < end; ++begin) ranks[order[begin]] = rank;
  }
  return ranks;
}

double pearson(std::span<const double> x, std::span<const double> y) {
  require_pairs(x, y, "Pearson correlation");
  return correlation(x, y, "Pearson correlation");
}

double spearman(std::span<const double> x, std::span<const double> y) {
  require_pairs(x, y, "Spearman correlation");
  return correlation(average_ranks(x), average_ranks(y), "Spearman correlation");
}

void sort_as_trec_eval(std::vector<ScoredDocument>& documents) {
  for (const ScoredDocument& document : documents) {
    if (std::isnan(document.score)) {
      throw Error(ErrorCode::invalid_argument, fmt::format("ranking: the score of document {} is NaN", document.id));
    }
  }
  std::sort(documents.begin(), documents.end(), [](const ScoredDocument& a, const ScoredDocument& b) {
    return a.score != b.score ? a.score > b.score : a.id > b.id;
  });
}

double ndcg(std::span<const double> ranked_gains, std::span<const double> judged_gains, size_t depth) {
  require_finite(ranked_gains, "nDCG");
  require_finite(judged_gains, "nDCG");
  std::vector<double> ideal(judged_gains.begin(), judged_gains.end());
  std::sort(ideal.begin(), ideal.end(), std::greater<>());
  double best = discounted_gain(ideal, depth);
  return best > 0 ? discounted_gain(ranked_gains, depth) / best : 0;
}

double average_precision(std::span<const double> ranked_gains, size_t relevant_count) {
  require_finite(ranked_gains, "average precision");
  double sum = 0;
  size_t found = 0;
  for (size_t i = 0; i < ranked_gains.size(); ++i) {
    if (ranked_gains[i] <= 0) continue;
    ++found;
    sum += static_cast<double>(found) / static_cast<double>(i + 1);
  }
  return relevant_count == 0 ? 0 : sum / static_cast<double>(relevant_count);
}

double reciprocal_rank(std::span<const double> ranked_gains, size_t depth) {
  require_finite(ranked_gains, "reciprocal rank");
  for (size_t i = 0; i < std::min(depth, ranked_gains.size()); ++i) {
    if (ranked_gains[i] > 0) return 1.0 / static_cast<double>(i + 1);
  }
  return 0;
}

double recall(std::span<const double> ranked_gains, size_t relevant_count, size_t depth) {
  require_finite(ranked_gains, "recall");
  if (relevant_count == 0) return 0;
  return static_cast<double>(count_relevant(ranked_gains, depth)) / static_cast<double>(relevant_count);
}

double precision(std::span<const double> ranked_gains, size_t depth) {
  require_finite(ranked_gains, "precision");
  if (depth == 0) throw Error(ErrorCode::invalid_argument, "precision: depth is 0, expected at least 1");
  return static_cast<double>(count_relevant(ranked_gains, depth)) / static_cast<double>(depth);
}

double accuracy(std::span<const uint32_t> expected, std::span<const uint32_t> predicted) {
  require_same_length(expected.size(), predicted.size(), "accuracy");
  size_t right = 0;
  for (size_t i = 0; i < expected.size(); ++i) right += expected[i] == predicted[i];
  return static_cast<double>(right) / static_cast<double>(expected.size());
}

double macro_f1(std::span<const uint32_t> expected, std::span<const uint32_t> predicted) {
  require_same_length(expected.size(), predicted.size(), "macro F1");
  struct Counts {
    size_t hits = 0;
    size_t occurrences = 0;  // expected and predicted together: the denominator of 2 * hits
  };
  // By label, in order, so that the sum is always taken the same way.
  std::map<uint32_t, Counts> labels;
  for (size_t i = 0; i < expected.size(); ++i) {
    ++labels[expected[i]].occurrences;
    ++labels[predicted[i]].occurrences;
    if (expected[i] == predicted[i]) ++labels[expected[i]].hits;
  }
  double sum = 0;
  for (const auto& [label, counts] : labels) {
    sum += 2.0 * static_cast<double>(counts.hits) / static_cast<double>(counts.occurrences);
  }
  return sum / static_cast<double>(labels.size());
}

double mean(std::span<const double> values) {
  if (values.empty()) throw Error(ErrorCode::invalid_argument, "mean: no items");
  require_finite(values, "mean");
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

BootstrapResult paired_bootstrap(size_t item_count, const std::function<double(std::span<const uint32_t>)>& difference,
                                 const BootstrapOptions& options) {
  if (item_count == 0) throw Error(ErrorCode::invalid_argument, "bootstrap: no items");
  if (options.resample_count == 0) {
    throw Error(ErrorCode::invalid_argument, "bootstrap: resample_count is 0, expected at least 1");
  }
  if (!(options.confidence > 0 && options.confidence < 1)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("bootstrap: confidence is {}, expected a share between 0 and 1", options.confidence));
  }
  std::vector<uint32_t> items(item_count);
  std::iota(items.begin(), items.end(), uint32_t{0});
  BootstrapResult result{.difference = difference(items)};

  base::Random random(options.seed);
  std::vector<double> resampled(options.resample_count);
  for (double& value : resampled) {
    for (uint32_t& item : items) item = static_cast<uint32_t>(random.below(item_count));
    value = difference(items);
  }
  require_finite(resampled, "bootstrap");
  std::sort(resampled.begin(), resampled.end());
  double tail = (1 - options.confidence) / 2;
  result.low = quantile(resampled, tail);
  result.high = quantile(resampled, 1 - tail);
  auto at_most_0 = std::upper_bound(resampled.begin(), resampled.end(), 0.0) - resampled.begin();
  auto at_least_0 = resampled.end() - std::lower_bound(resampled.begin(), resampled.end(), 0.0);
  // The observed sample is one of its own resamples, so p is never 0: nothing is proven by a thousand draws.
  double contradicting = static_cast<double>(std::min<ptrdiff_t>(at_most_0, at_least_0)) + 1;
  result.p_value = std::min(1.0, 2 * contradicting / (static_cast<double>(options.resample_count) + 1));
  return result;
}

BootstrapResult paired_bootstrap(std::span<const double> a, std::span<const double> b,
                                 const BootstrapOptions& options) {
  require_same_length(a.size(), b.size(), "bootstrap");
  require_finite(a, "bootstrap");
  require_finite(b, "bootstrap");
  auto difference = [&](std::span<const uint32_t> items) {
    double sum = 0;
    for (uint32_t item : items) sum += a[item] - b[item];
    return sum / static_cast<double>(items.size());
  };
  return paired_bootstrap(a.size(), difference, options);
}

}  // namespace sextant::eval
