// IndexImpl: how good its walks are, measured on its own rows.
#include <algorithm>
#include <iterator>

#include "base/random.h"
#include "index/index_impl.h"

namespace sextant::index {
namespace {

constexpr size_t kKs[] = {1, 10, 100};
constexpr size_t kMost = 100;
constexpr size_t kBreadths[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640};
// Where walks find this part of the nearest, broader ones have nothing to tell.
constexpr double kAllFound = 0.9995;

// One walk, as one of the kKs judges it.
struct Judged {
  size_t found = 0, wanted = 0;
  WalkTraits traits;
};

}  // namespace

// Each row of the sample is a query that must find its neighbours without treading on itself: whoever asks will not be
// in the index.
void IndexImpl::calibrate(size_t count, size_t threads) {
  if (!has_graph()) return;
  std::lock_guard lock(writer_);
  base::ThreadPool& pool = base::ThreadPool::shared(threads);
  const size_t rows = row_count_;
  std::vector<uint32_t> sample;
  base::Random random(options_.seed + 1);
  for (size_t tries = 0; tries < 4 * count && sample.size() < count; ++tries) {
    const auto row = static_cast<uint32_t>(random.below(rows));
    if (!gone().contains(row)) sample.push_back(row);
  }
  if (sample.empty()) return;
  const bool higher = higher_is_nearer(options_.metric);
  // [sample, breadths, ks]
  std::vector<Judged> judged(sample.size() * std::size(kBreadths) * std::size(kKs));
  const auto at = [&](size_t s, size_t b, size_t i) -> Judged& {
    return judged[(s * std::size(kBreadths) + b) * std::size(kKs) + i];
  };
  std::vector<float> queries(sample.size() * options_.dim);
  for (size_t s = 0; s < sample.size(); ++s) rows_.read(sample[s], queries.data() + s * options_.dim);
  const std::vector<IndexSearchResult> truths =
      search_batch(queries, {.k = std::min(size(), kMost + 1), .exact = true}, threads);
  // Scores of each one's nearest: of those that are equally near, any is as good.
  std::vector<std::vector<float>> nearest(sample.size());
  for (size_t s = 0; s < sample.size(); ++s) {
    for (const IndexHit& hit : truths[s].hits) {
      if (hit.id != id_of(sample[s])) nearest[s].push_back(hit.score);
    }
  }
  const auto judge = [&](size_t s, size_t b) {
    const std::span<const float> query(queries.data() + s * options_.dim, options_.dim);
    // One walk does for every k: the best k of its finds are the first of its best hundred.
    const size_t most = std::min({kBreadths[b], kMost, nearest[s].size()});
    WalkReport report;
    const auto result = walk_for(query, most, {SearchPlan::graph, kBreadths[b], 0}, nullptr, sample[s], &report);
    for (size_t i = 0; i < std::size(kKs); ++i) {
      const size_t k = std::min(kKs[i], nearest[s].size());
      if (kBreadths[b] < kKs[i] || k == 0) continue;
      Judged& entry = at(s, b, i);
      entry.wanted = k;
      if (!result) continue;
      entry.traits = report.traits(k);
      const float last = nearest[s][k - 1];
      entry.found = static_cast<size_t>(
          std::count_if(result->hits.begin(), result->hits.begin() + static_cast<ptrdiff_t>(k),
                        [&](const IndexHit& hit) { return higher ? hit.score >= last : hit.score <= last; }));
    }
  };
  const auto all_found = [&](size_t b, size_t i) {
    size_t found = 0, wanted = 0;
    for (size_t s = 0; s < sample.size(); ++s) {
      found += at(s, b, i).found;
      wanted += at(s, b, i).wanted;
    }
    return wanted > 0 && static_cast<double>(found) >= kAllFound * static_cast<double>(wanted);
  };
  for (size_t b = 0; b < std::size(kBreadths); ++b) {
    pool.parallel_for(sample.size(), [&](size_t s, size_t) { judge(s, b); });
    bool enough = true;
    for (size_t i = 0; i < std::size(kKs); ++i) enough = enough && all_found(b, i);
    if (enough) break;
  }
  std::vector<Calibration::Point> points;
  std::vector<RecallModel::Walk> walks;
  for (size_t i = 0; i < std::size(kKs); ++i) {
    const auto k = static_cast<uint32_t>(kKs[i]);
    for (size_t b = 0; b < std::size(kBreadths); ++b) {
      const auto breadth = static_cast<uint32_t>(kBreadths[b]);
      size_t found = 0, wanted = 0;
      for (size_t s = 0; s < sample.size(); ++s) {
        const Judged& entry = at(s, b, i);
        if (entry.wanted == 0) continue;
        found += entry.found;
        wanted += entry.wanted;
        walks.push_back(
            {k, breadth, static_cast<uint32_t>(entry.found), static_cast<uint32_t>(entry.wanted), entry.traits});
      }
      if (wanted == 0) continue;
      points.push_back({k, breadth, static_cast<double>(found) / static_cast<double>(wanted)});
    }
  }
  auto made = std::make_shared<const Calibration>(std::move(points), size(), RecallModel(walks));
  std::lock_guard calibration_lock(calibration_mutex_);
  calibration_ = std::move(made);
}

}  // namespace sextant::index
