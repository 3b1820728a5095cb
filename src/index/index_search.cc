// IndexImpl: how it is searched.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "index/index_impl.h"
#include "index/search_plan.h"
#include "index/smallest.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "simd/top_k.h"

namespace sextant::index {
namespace {

// Rows that are compared between two looks at who is best.
constexpr size_t kScanRows = 256;
// All codes of a flat index are compared where this part of the vectors or more is allowed, and less is wanted.
constexpr size_t kBoundedPart = 8;
// Codes that are asked for before those that are being compared.
constexpr size_t kCodesAhead = 32;
// Rows that are compared with the query itself before what is left is judged again.
constexpr size_t kRerankAtOnce = 8;
// Rows of a file that memory has no room for are asked for so many before those that are compared.
constexpr size_t kRerankAhead = 8;
// Where so little of what chance would allow is near a query, what is allowed lies elsewhere, and far apart: a walk to
// it is twice as broad.
constexpr double kElsewhere = 0.25;
// Deviations of a code's estimate that a row may have been misjudged by.
constexpr float kErrorDeviations = 3;

float as_distance(Metric metric, float score) {
  if (higher_is_nearer(metric)) return -score;
  return metric == Metric::l2 ? score * score : score;
}

simd::Nearer nearer(Metric metric) { return higher_is_nearer(metric) ? simd::Nearer::higher : simd::Nearer::lower; }

}  // namespace

void IndexImpl::check_query(std::span<const float> query, const IndexSearchOptions& options) const {
  if (query.size() != options_.dim) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a query of {} components, the index has {}", query.size(), options_.dim));
  }
  const size_t bad = first_not_finite(query.data(), query.size());
  if (bad < query.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("component {} of the query is {}, expected a finite number", bad, query[bad]));
  }
  const size_t other = options_.type == ElementType::bit ? first_not_bit(query.data(), query.size()) : query.size();
  if (other < query.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("component {} of the query is {}, expected 0 or 1 for type bit", other, query[other]));
  }
  const float squared = simd::kernels().dot_f32(query.data(), query.data(), query.size());
  if (!(squared <= kSquaredLengthMax)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the query's squared length is {}, expected at most {}", squared, kSquaredLengthMax));
  }
  if (!(options.target_recall > 0 && options.target_recall <= 1)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("target_recall is {}, expected above 0 and at most 1", options.target_recall));
  }
}

IndexSearchResult IndexImpl::search(std::span<const float> query, const IndexSearchOptions& options) const {
  check_query(query, options);
  const size_t k = std::min(options.k, size());
  if (k == 0) return {};
  if (is_exact(options) || !has_graph()) return scan(query, k, options.allowed);
  const PlanAnswer plan = plan_for(k, options);
  if (plan.plan == SearchPlan::scan) return scan(query, k, options.allowed);
  if (plan.plan == SearchPlan::code_scan) return scan_codes(query, k, options.allowed);
  const bool judge = options.estimate_recall && plan.plan == SearchPlan::graph;
  WalkReport report;
  std::optional<IndexSearchResult> result =
      walk_for(query, k, plan, options.allowed, kNoNode, judge ? &report : nullptr);
  // Whoever asks for k gets k where there are k, whatever stands in the way of a walk.
  if (!result) return codes_ ? scan_codes(query, k, options.allowed) : scan(query, k, options.allowed);
  result->expected_recall = plan.expected_recall;
  if (judge) {
    result->expected_recall = calibration()->model().recall_of(k, plan.breadth, report.traits(k), plan.expected_recall);
  }
  return *std::move(result);
}

PlanAnswer IndexImpl::plan_for(size_t k, const IndexSearchOptions& options) const {
  const std::shared_ptr<const Calibration> measured = calibration();
  // More candidates than there are rows would only take memory.
  const size_t most = std::max(k, row_count_.load(std::memory_order_acquire));
  const size_t breadth =
      std::clamp(options.breadth > 0 ? options.breadth : measured->breadth_for(k, options.target_recall), k, most);
  const double recall = options.breadth > 0 ? measured->recall_of(k, breadth) : options.target_recall;
  const size_t there = size(), allowed = count_allowed(options.allowed);
  const double part = std::min(1.0, static_cast<double>(allowed) / static_cast<double>(std::max<size_t>(1, there)));
  const double rank = part > 0 ? std::min(rank_of(k, part, 0), static_cast<double>(most)) : 0;
  const PlanQuestion question{.rows = there,
                              .allowed = allowed,
                              .k = k,
                              .breadth = breadth,
                              .wide_breadth = measured->breadth_for(static_cast<size_t>(std::ceil(rank)), recall),
                              .degree = options_.degree,
                              .row_bytes = rows_.row_bytes(),
                              .code_bytes = codes_ ? codes_->row_bytes() : 0};
  PlanAnswer plan = options.allowed == nullptr ? PlanAnswer{SearchPlan::graph, breadth, walk_cost(question, breadth)}
                                               : choose_plan(question);
  plan.breadth = std::min(plan.breadth, most);
  plan.expected_recall = measured->recall_of(k, breadth);
  return plan;
}

// Ids that are not there must not change how the others are searched.
size_t IndexImpl::count_allowed(const AllowedIds* allowed) const {
  if (allowed == nullptr) return size();
  return ids_are_rows() ? allowed->count_below(row_count_.load(std::memory_order_acquire))
                        : std::min(size(), allowed->count());
}

IndexSearchResult IndexImpl::scan(std::span<const float> query, size_t k, const AllowedIds* allowed) const {
  Readers::Lease reader = readers_.lease(vectors_);
  IndexSearchResult result;
  simd::TopK best(k, nearer(options_.metric));
  std::vector<uint32_t>& rows = reader->rows;
  std::vector<float>& scores = reader->scores;
  std::vector<uint64_t> ids;
  auto compare = [&] {
    scores.resize(rows.size());
    if (rows_.are_far()) rows_.read_soon(rows);
    rows_.score(options_.metric, query.data(), rows.data(), rows.size(), scores.data());
    tell_read(rows.size(), false);
    ids.clear();
    for (uint32_t row : rows) ids.push_back(id_of(row));
    best.push_block(ids, scores);
    result.compared += rows.size();
    rows.clear();
  };
  rows.clear();
  const size_t row_count = row_count_.load(std::memory_order_acquire);
  if (bounded_ && count_allowed(allowed) >= row_count / kBoundedPart && k <= row_count / kBoundedPart) {
    // Those that may be among the nearest, then these themselves.
    std::vector<uint64_t> there;
    if (allowed != nullptr || any_gone_.load(std::memory_order_acquire)) {
      there.resize((row_count + 63) / 64);
      for_rows(allowed, [&](uint32_t row) {
        if (row < row_count) there[row / 64] |= uint64_t{1} << (row % 64);
      });
    }
    bounded_->candidates(query.data(), k, row_count, there, rows);
    result.compared = row_count;
  } else {
    for_rows(allowed, [&](uint32_t row) {
      rows.push_back(row);
      if (rows.size() == kScanRows) compare();
    });
  }
  compare();
  for (const simd::Scored& scored : best.take()) result.hits.push_back({scored.id, scored.score});
  return result;
}

IndexSearchResult IndexImpl::scan_codes(std::span<const float> query, size_t k, const AllowedIds* allowed) const {
  Readers::Lease reader = readers_.lease(vectors_);
  IndexSearchResult result;
  result.plan = SearchPlan::code_scan;
  result.exact = false;
  // What lies farther off than kErrorDeviations is lost: a few in a thousand at the worst.
  result.expected_recall = 0.999;
  reader->scorer.set_query(query.data());
  const float deviation = estimate_deviation(*reader);
  const Prefetch prefetch = reader->scorer.prefetch();
  std::vector<uint32_t>& rows = reader->rows;
  std::vector<float>& distances = reader->scores;
  std::vector<Candidate>& found = reader->found;
  // Whoever may be nearer than the k-th nearest may be, judged by what each may be off.
  Smallest upper(k);
  found.clear();
  rows.clear();
  auto compare = [&] {
    distances.resize(rows.size());
    for (size_t begin = 0; begin < rows.size(); begin += kCodesAhead) {
      const size_t end = std::min(rows.size(), begin + kCodesAhead);
      for (size_t i = end; i < std::min(rows.size(), end + kCodesAhead); ++i) prefetch(rows[i]);
      reader->scorer.distances(rows.data() + begin, end - begin, distances.data() + begin);
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const float error = deviation * std::sqrt(codes_->length(rows[i]));
      if (distances[i] - error > upper.last()) continue;
      upper.add(distances[i] + error);
      found.push_back({distances[i], rows[i]});
    }
    result.compared += rows.size();
    rows.clear();
  };
  for_rows(allowed, [&](uint32_t row) {
    rows.push_back(row);
    if (rows.size() == kScanRows) compare();
  });
  compare();
  std::sort(found.begin(), found.end(), is_nearer);
  rerank(query.data(), k, *reader, result);
  return result;
}

std::optional<IndexSearchResult> IndexImpl::walk_for(std::span<const float> query, size_t k, const PlanAnswer& plan,
                                                     const AllowedIds* allowed, uint32_t except,
                                                     WalkReport* report) const {
  Readers::Lease reader = readers_.lease(vectors_);
  IndexSearchResult result;
  result.plan = plan.plan;
  result.exact = false;
  result.breadth = plan.breadth;
  reader->scorer.set_query(query.data());
  std::vector<Candidate>& found = reader->found;
  Gone gone = this->gone();
  gone.except = except;
  const size_t wanted = std::min(k, count_allowed(allowed));
  graph_->search(reader->scorer, plan.breadth, gone, reader->memory, found, result.compared);
  if (plan.plan == SearchPlan::graph_then_filter) {
    size_t rank = 0, there = 0;
    for (; rank < found.size() && there < wanted; ++rank) {
      if (allowed->contains(id_of(found[rank].node))) ++there;
    }
    if (there < wanted || rank > plan.rank_max) {
      // Without codes nothing would tell whether the walk found what is nearest.
      if (!codes_) return std::nullopt;
      result.plan = SearchPlan::filtered_graph;
    }
  }
  if (result.plan == SearchPlan::filtered_graph) {
    std::vector<uint64_t> rows_allowed;
    Allowed rows{allowed->words().data(), allowed->words().size() * 64};
    if (!ids_are_rows() || !allowed->has_bits()) {
      const size_t count = row_count_.load(std::memory_order_acquire);
      rows_allowed.resize((count + 63) / 64);
      for_rows(allowed, [&](uint32_t row) {
        if (row < count) rows_allowed[row / 64] |= uint64_t{1} << (row % 64);
      });
      rows = {rows_allowed.data(), count};
    }
    size_t breadth = plan.allowed_breadth;
    if (plan.plan == SearchPlan::filtered_graph) {
      const auto near =
          std::count_if(found.begin(), found.end(), [&](const Candidate& c) { return rows.contains(c.node); });
      if (static_cast<double>(near) < kElsewhere * plan.part * static_cast<double>(found.size())) breadth *= 2;
    }
    found.resize(std::min(found.size(), plan.starts));
    if (!graph_->search_allowed(reader->scorer, breadth, gone, rows, reader->memory, found, result.compared)) {
      return std::nullopt;
    }
  }
  std::erase_if(found, [&](const Candidate& c) {
    return gone.contains(c.node) || (allowed != nullptr && !allowed->contains(id_of(c.node)));
  });
  if (found.size() < wanted) return std::nullopt;
  // Far from a query everything is about as far: where the last may be as near as those wanted, those left out may be.
  if (result.plan == SearchPlan::filtered_graph && codes_ &&
      found.back().distance - estimate_deviation(*reader) * std::sqrt(codes_->length(found.back().node)) <=
          found[wanted - 1].distance) {
    return std::nullopt;
  }
  if (report != nullptr) {
    report->compared = result.compared;
    for (const Candidate& candidate : found) report->distances.push_back(candidate.distance);
  }
  rerank(query.data(), k, *reader, result);
  return result;
}

// How far an estimated distance may be off for a row of length 1: an estimated product with x misses the true one by a
// normal variable whose deviation is |q| |x| sqrt(error / dim).
float IndexImpl::estimate_deviation(const Reader& reader) const {
  const auto error = static_cast<float>(code_error_ / static_cast<double>(space_->padded_dim()));
  const float product = kErrorDeviations * std::sqrt(reader.scorer.squared_length() * error);
  return options_.metric == Metric::l2 ? 2 * product : product;
}

void IndexImpl::rerank(const float* query, size_t k, Reader& reader, IndexSearchResult& result) const {
  const std::vector<Candidate>& found = reader.found;
  const Metric metric = options_.metric;
  simd::TopK best(k, nearer(metric));
  // Estimates miss what all rows have in common with the query.
  float common = 0;
  const float deviation = codes_ ? estimate_deviation(reader) : 0;
  if (codes_ && metric == Metric::cosine) {
    const float length = std::sqrt(simd::kernels().dot_f32(query, query, options_.dim));
    if (length > 0) common = -simd::kernels().dot_f32(query, space_->centre().data(), options_.dim) / length;
  }
  Smallest kept(k);
  uint32_t rows[kRerankAtOnce];
  uint64_t ids[kRerankAtOnce];
  float scores[kRerankAtOnce];
  const size_t at_once = pages_ == nullptr ? kRerankAtOnce : kScatteredAtOnce;
  auto may_be_kept = [&](const Candidate& candidate) {
    if (!codes_) return true;
    const float error = deviation * std::sqrt(codes_->length(candidate.node));
    return candidate.distance + common - error <= kept.last();
  };
  size_t asked = rows_.are_far() ? 0 : found.size();
  for (size_t next = 0; next < found.size();) {
    for (; asked < std::min(found.size(), next + at_once + kRerankAhead); ++asked) {
      if (may_be_kept(found[asked])) rows_.read_soon({&found[asked].node, 1});
    }
    size_t n = 0;
    for (; next < found.size() && n < at_once; ++next) {
      if (may_be_kept(found[next])) rows[n++] = found[next].node;
    }
    if (n == 0) break;
    rows_.score(metric, query, rows, n, scores);
    tell_read(n, true);
    for (size_t i = 0; i < n; ++i) {
      ids[i] = id_of(rows[i]);
      kept.add(as_distance(metric, scores[i]));
    }
    best.push_block({ids, n}, {scores, n});
    result.compared += n;
  }
  for (const simd::Scored& scored : best.take()) result.hits.push_back({scored.id, scored.score});
}

}  // namespace sextant::index
