// MultiIndexImpl: how it is searched, and how it measures itself.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/random.h"
#include "index/max_sim.h"
#include "index/multi_index_impl.h"
#include "index/rows.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "simd/top_k.h"

namespace sextant::index {
namespace {

// A walk that keeps more than it is asked for finds more of the nearest.
constexpr size_t breadth_for(size_t candidates) { return candidates + candidates / 2; }
// Rows whose scores are computed: as many as a query vector has candidates.
constexpr size_t rescored_for(size_t k, size_t candidates) { return 4 * std::max(k, candidates); }
// What comparing with a code on a walk costs, in comparisons with a vector that lies at hand.
constexpr double kStepCost = 4;
// After so many fruitless attempts to find k rows all are compared.
constexpr size_t kWiden = 4;

// What an index that was never measured is taken to be like.
const std::vector<Calibration::Point> kUnmeasured = {{10, 16, 0.80},   {10, 32, 0.90},   {10, 64, 0.95},
                                                     {10, 128, 0.98},  {10, 256, 0.99},  {10, 1024, 0.999},
                                                     {100, 100, 0.90}, {100, 200, 0.95}, {100, 800, 0.99}};

}  // namespace

void MultiIndexImpl::check_query(std::span<const float> queries, const MultiSearchOptions& options) const {
  auto refuse = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, what); };
  const size_t dim = this->options().dim;
  if (queries.size() % dim != 0) {
    refuse(fmt::format("a query of {} numbers, expected a multiple of dim {}", queries.size(), dim));
  }
  if (queries.empty() || queries.size() / dim > kMultiVectorsMax) {
    refuse(fmt::format("a query of {} vectors, expected 1 to {}", queries.size() / dim, kMultiVectorsMax));
  }
  const size_t bad = first_not_finite(queries.data(), queries.size());
  if (bad < queries.size()) {
    refuse(fmt::format("vector {} of the query: component {} is {}, expected a finite number", bad / dim, bad % dim,
                       queries[bad]));
  }
  for (size_t first = 0; first < queries.size(); first += dim) {
    const float squared = simd::kernels().dot_f32(queries.data() + first, queries.data() + first, dim);
    if (squared <= kSquaredLengthMax) continue;
    refuse(fmt::format("vector {} of the query: its squared length is {}, expected at most {}", first / dim, squared,
                       kSquaredLengthMax));
  }
  if (!(options.target_recall > 0 && options.target_recall <= 1)) {
    refuse(fmt::format("target_recall is {}, expected above 0 and at most 1", options.target_recall));
  }
}

bool MultiIndexImpl::is_seen(const View& view, uint32_t slot) const {
  if (slot >= view.slots || slot == view.except) return false;
  if (lives_.capacity() == 0) {
    if (slots_[slot].count == 0) return false;
  } else {
    // Died first: who uses the slot again says never of born before he says never of died.
    const uint64_t died = __atomic_load_n(&lives_[slot].died, __ATOMIC_ACQUIRE);
    const uint64_t born = __atomic_load_n(&lives_[slot].born, __ATOMIC_ACQUIRE);
    if (born > view.version || died <= view.version) return false;
  }
  return view.allowed == nullptr || view.allowed->contains(slots_[slot].id);
}

// Nothing in a file is trusted: a chain ends where it leads nowhere.
void MultiIndexImpl::places_of(uint32_t slot, std::vector<uint32_t>& places) const {
  places.clear();
  const size_t bound = inner_->row_count();
  const size_t count = std::min<size_t>(slots_[slot].count, kMultiVectorsMax);
  for (uint32_t place = slots_[slot].first; place < bound && places.size() < count; place = next_[place]) {
    places.push_back(place);
  }
}

MultiSearchResult MultiIndexImpl::search(std::span<const float> queries, const MultiSearchOptions& options) const {
  check_query(queries, options);
  if (options.k == 0) return {};
  const Readers::Lease hold = inner_->hold();
  const uint64_t version = version_.load();
  const View view{version, slot_count_.load(std::memory_order_acquire), options.allowed, kNoNode};
  return search_view(queries, options, view, *calibration());
}

// REQUIRES: somebody holds the inner index.
MultiSearchResult MultiIndexImpl::search_view(std::span<const float> queries, const MultiSearchOptions& options,
                                              const View& view, const Calibration& measured) const {
  const bool exact = options.exact || (options.candidates == 0 && options.target_recall >= 1);
  const size_t places = inner_->size();
  if (exact || !inner_->has_graph() || places == 0) return scan(queries, options.k, view);
  const size_t k = std::min(options.k, view.slots);
  size_t candidates = options.candidates > 0 ? options.candidates : measured.breadth_for(k, options.target_recall);
  candidates = std::min(candidates, places);

  std::optional<AllowedIds> allowed_places;
  size_t allowed_count = places, allowed_rows = std::max<size_t>(1, size());
  if (view.allowed != nullptr) {
    std::vector<uint64_t> words((inner_->row_count() + 63) / 64);
    std::vector<uint32_t> row;
    allowed_rows = 0;
    for (uint32_t slot = 0; slot < view.slots; ++slot) {
      if (!is_seen(view, slot)) continue;
      ++allowed_rows;
      places_of(slot, row);
      for (uint32_t place : row) words[place / 64] |= uint64_t{1} << (place % 64);
    }
    allowed_places.emplace(std::move(words));
    allowed_count = allowed_places->count();
  }
  const size_t wanted = std::min(k, allowed_rows);
  for (size_t attempt = 0; attempt < kWiden; ++attempt, candidates *= 4) {
    // Comparing everything costs so many comparisons for each of the query's vectors, and walking so many.
    const double rescored = static_cast<double>(rescored_for(k, candidates)) * static_cast<double>(allowed_count) /
                            static_cast<double>(std::max<size_t>(1, allowed_rows));
    const double walked = kStepCost * static_cast<double>(breadth_for(candidates) * this->options().degree) / 2;
    if (static_cast<double>(allowed_count) <= rescored + walked) break;

    MultiSearchResult result;
    result.exact = false;
    result.candidates = candidates;
    result.expected_recall = measured.recall_of(k, candidates);
    const std::vector<Candidate> found =
        find_candidates(queries, candidates, view, allowed_places ? &*allowed_places : nullptr, result);
    // Whoever asks for k gets k where there are k.
    if (found.size() < wanted) continue;
    MaxSim similarity(inner_->rows(), this->options().metric, queries);
    simd::TopK best(k, simd::Nearer::higher);
    std::vector<uint32_t> row;
    const size_t most = rescored_for(k, candidates);
    for (const Candidate& candidate : found) {
      if (result.rescored == most) break;
      // As far as the walks found what is nearest, nobody from here on is better than his estimate.
      if (best.size() == k && candidate.estimate < static_cast<double>(best.threshold())) break;
      places_of(candidate.slot, row);
      best.push(slots_[candidate.slot].id, similarity.score(row));
      result.compared += row.size() * similarity.query_count();
      ++result.rescored;
    }
    for (const simd::Scored& scored : best.take()) result.hits.push_back({scored.id, scored.score});
    return result;
  }
  return scan(queries, k, view);
}

MultiSearchResult MultiIndexImpl::scan(std::span<const float> queries, size_t k, const View& view) const {
  MultiSearchResult result;
  MaxSim similarity(inner_->rows(), options().metric, queries);
  simd::TopK best(k, simd::Nearer::higher);
  std::vector<uint32_t> row;
  for (uint32_t slot = 0; slot < view.slots; ++slot) {
    if (!is_seen(view, slot)) continue;
    places_of(slot, row);
    best.push(slots_[slot].id, similarity.score(row));
    result.compared += row.size() * similarity.query_count();
    ++result.rescored;
  }
  for (const simd::Scored& scored : best.take()) result.hits.push_back({scored.id, scored.score});
  return result;
}

std::vector<MultiIndexImpl::Candidate> MultiIndexImpl::find_candidates(std::span<const float> queries,
                                                                       size_t candidates, const View& view,
                                                                       const AllowedIds* allowed_places,
                                                                       MultiSearchResult& result) const {
  // What a row has more, for one of the query's vectors, than what it is sure to have no more than.
  struct Gain {
    uint32_t slot, query;
    float gain;
  };
  std::vector<Gain> gains;
  const size_t dim = options().dim, places = inner_->row_count();
  double sure = 0;
  for (size_t q = 0; q < queries.size() / dim; ++q) {
    const IndexSearchResult found =
        inner_->search(queries.subspan(q * dim, dim),
                       {.k = candidates, .breadth = breadth_for(candidates), .allowed = allowed_places});
    result.compared += found.compared;
    result.plan = found.plan;
    if (found.hits.empty()) continue;
    const float worst = found.hits.back().score;
    sure += worst;
    for (const IndexHit& hit : found.hits) {
      // Nothing in a file is trusted; is_seen looks at the slot's number.
      if (hit.id >= places) continue;
      gains.push_back({slot_of_[hit.id], static_cast<uint32_t>(q), hit.score - worst});
    }
  }
  std::sort(gains.begin(), gains.end(), [](const Gain& a, const Gain& b) {
    if (a.slot != b.slot) return a.slot < b.slot;
    return a.query != b.query ? a.query < b.query : a.gain > b.gain;
  });
  std::vector<Candidate> rows;
  for (size_t i = 0; i < gains.size(); ++i) {
    const bool same_row = i > 0 && gains[i].slot == gains[i - 1].slot;
    if (same_row && gains[i].query == gains[i - 1].query) continue;
    if (!same_row) rows.push_back({sure, gains[i].slot});
    rows.back().estimate += gains[i].gain;
  }
  std::erase_if(rows, [&](const Candidate& row) { return !is_seen(view, row.slot); });
  std::sort(rows.begin(), rows.end(), [](const Candidate& a, const Candidate& b) {
    return a.estimate != b.estimate ? a.estimate > b.estimate : a.slot < b.slot;
  });
  return rows;
}

void MultiIndexImpl::calibrate(size_t count, size_t threads) {
  static constexpr size_t kKs[] = {10, 100};
  static constexpr size_t kCandidates[] = {10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024};
  // A query's vectors, as many as models of late interaction give a question.
  constexpr size_t kQueryVectors = 16;
  constexpr size_t kRowsLeast = 8;
  // Comparisons that the true nearest of all rows may cost.
  constexpr size_t kComparisons = 600'000'000;
  constexpr double kGoodEnough = 0.998;
  std::lock_guard lock(writer_);
  if (!inner_->has_graph() || size() == 0) return;
  const Readers::Lease hold = inner_->hold();
  const View all{version_, slot_count_, nullptr, kNoNode};
  const size_t dim = options().dim;
  count = std::min(count, std::max(kRowsLeast, kComparisons / (kQueryVectors * vector_count())));
  // Rows are queries that must find their neighbours without themselves: whoever asks will not be in the index.
  struct Query {
    uint32_t slot;
    std::vector<float> vectors;
    std::vector<uint64_t> nearest;
  };
  std::vector<Query> queries;
  base::Random random(options().seed + 2);
  std::vector<uint32_t> places;
  for (size_t tries = 0; tries < 4 * count && queries.size() < count; ++tries) {
    const auto slot = static_cast<uint32_t>(random.below(all.slots));
    if (!is_seen(all, slot)) continue;
    places_of(slot, places);
    if (places.empty()) continue;
    Query query{slot, {}, {}};
    const size_t vectors = std::min(kQueryVectors, places.size());
    query.vectors.resize(vectors * dim);
    for (size_t i = 0; i < vectors; ++i) {
      inner_->rows().read(places[i * places.size() / vectors], query.vectors.data() + i * dim);
    }
    queries.push_back(std::move(query));
  }
  base::ThreadPool& pool = base::ThreadPool::shared(threads);
  auto view_of = [&](const Query& query) { return View{all.version, all.slots, nullptr, query.slot}; };
  pool.parallel_for(queries.size(), [&](size_t i, size_t) {
    for (const IndexHit& hit : scan(queries[i].vectors, kKs[1], view_of(queries[i])).hits) {
      queries[i].nearest.push_back(hit.id);
    }
  });
  std::vector<Calibration::Point> points;
  for (size_t k : kKs) {
    for (size_t candidates : kCandidates) {
      if (candidates < k) continue;
      std::vector<double> recalls(queries.size());
      pool.parallel_for(queries.size(), [&](size_t i, size_t) {
        const Query& query = queries[i];
        const size_t wanted = std::min(k, query.nearest.size());
        if (wanted == 0) return;
        const auto end = query.nearest.begin() + static_cast<ptrdiff_t>(wanted);
        const MultiSearchResult result =
            search_view(query.vectors, {.k = k, .candidates = candidates}, view_of(query), Calibration());
        size_t found = 0;
        for (const IndexHit& hit : result.hits) found += std::find(query.nearest.begin(), end, hit.id) != end ? 1 : 0;
        recalls[i] = static_cast<double>(found) / static_cast<double>(wanted);
      });
      const double recall = std::accumulate(recalls.begin(), recalls.end(), 0.0) /
                            static_cast<double>(std::max<size_t>(1, recalls.size()));
      points.push_back({static_cast<uint32_t>(k), static_cast<uint32_t>(candidates), recall});
      if (recall >= kGoodEnough) break;
    }
  }
  if (points.empty()) return;
  auto made = std::make_shared<const Calibration>(std::move(points), size());
  std::lock_guard calibration_lock(calibration_mutex_);
  calibration_ = std::move(made);
}

std::shared_ptr<const Calibration> MultiIndexImpl::unmeasured() {
  return std::make_shared<const Calibration>(kUnmeasured, 0);
}

}  // namespace sextant::index
