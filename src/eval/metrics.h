// eval/metrics.h: how good an answer is, as numbers. Pure functions; nothing here knows a model or a file.
//
// Definitions follow the reference tools: scipy for correlations (average ranks), trec_eval for rankings (linear gain,
// ties broken by document id, highest first), scikit-learn for classification.
// Errors: invalid_argument for empty input, lengths that differ, NaN or infinity, and where a value is undefined (the
// correlation of a constant). Never a NaN as a result.
// Threads: all functions may be called from many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::eval {

// --- correlation ---

// Ranks from 1; equal values share the mean of the ranks they cover.
std::vector<double> average_ranks(std::span<const double> values);
// Both need two items or more, and values that are not all equal.
double pearson(std::span<const double> x, std::span<const double> y);
double spearman(std::span<const double> x, std::span<const double> y);

// --- rankings ---

struct ScoredDocument {
  std::string_view id;
  float score;  // single precision, as trec_eval keeps it: what differs beyond it is a tie
};

// Score descending, then id descending as bytes. Whatever order they came in is forgotten.
void sort_as_trec_eval(std::vector<ScoredDocument>& documents);

// Below, ranked_gains[i] is the judged gain of the document at rank i + 1 and 0 where nobody judged it. A gain of 0 or
// less means not relevant. relevant_count counts every relevant document, found or not; when it is 0 the result is 0.

// judged_gains: the gains of every judged document of the query, in any order; the ideal ranking is made from them.
double ndcg(std::span<const double> ranked_gains, std::span<const double> judged_gains, size_t depth);
double average_precision(std::span<const double> ranked_gains, size_t relevant_count);
double reciprocal_rank(std::span<const double> ranked_gains, size_t depth);
double recall(std::span<const double> ranked_gains, size_t relevant_count, size_t depth);
// Divides by depth even when fewer documents were ranked. REQUIRES: depth > 0, or invalid_argument.
double precision(std::span<const double> ranked_gains, size_t depth);

// --- classification ---

double accuracy(std::span<const uint32_t> expected, std::span<const uint32_t> predicted);
// Mean of F1 over the labels that occur on either side; a label without a single hit counts as 0.
double macro_f1(std::span<const uint32_t> expected, std::span<const uint32_t> predicted);

// --- is the difference real? ---

double mean(std::span<const double> values);

struct BootstrapOptions {
  uint64_t seed = 42;
  size_t resample_count = 10'000;
  double confidence = 0.95;
};

struct BootstrapResult {
  double difference;  // on the items as they are
  double low;         // percentile interval
  double high;
  double p_value;  // two-sided: how often a resample contradicts the sign of the difference
};

// The items are drawn with replacement, item_count at a time; difference(items) is the statistic of A minus that of B
// over these items, which both systems share: that is what makes it paired.
BootstrapResult paired_bootstrap(size_t item_count, const std::function<double(std::span<const uint32_t>)>& difference,
                                 const BootstrapOptions& options = {});
// mean(a) - mean(b), item by item.
BootstrapResult paired_bootstrap(std::span<const double> a, std::span<const double> b,
                                 const BootstrapOptions& options = {});

}  // namespace sextant::eval
