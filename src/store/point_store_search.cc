// Searching a view: each part in its own way, the best of all in the end.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "sextant/error.h"
#include "store/best_rows.h"
#include "store/filter_rows.h"
#include "store/point_store.h"
#include "store/row_scorer.h"
#include "store/vector_bytes.h"

namespace sextant::store {
namespace {

struct Candidate {
  PointId id;
  uint64_t row;
  float score;
};

// Thrown where a segment says what cannot be.
struct FoundDamage {
  std::shared_ptr<const Segment> segment;
  std::string what;
};

// Fewer payloads are looked at before anything is compared.
constexpr size_t kLookedAtMin = 256;

// A search of one view for one query.
class Search {
 public:
  Search(const View& view, const VectorConfig& config, const SearchRequest& request)
      : view_(view), config_(config), request_(request), scorer_(config, request.query) {
    if (request.filter && !request.filter->is_empty()) filter_.emplace(view, *request.filter);
  }

  void run(SearchAnswer& answer) {
    for (const SegmentPart& part : view_.segments) {
      if (part.info.rows == 0) continue;
      PartPlan plan;
      if (part.segment) {
        plan.part = fmt::format("segment {}", part.info.number);
        plan.rows = part.rows_alive();
        search_segment(part, plan);
      } else {
        plan.part = fmt::format("segment {} (damaged)", part.info.number);
        plan.rows = part.rows_alive();
        search_truth(part, plan);
      }
      answer.exact = answer.exact && plan.exact;
      answer.parts.push_back(std::move(plan));
    }
    PartPlan plan;
    plan.part = "newest rows";
    plan.plan = name(SearchPlan::scan);
    for (const TailPart& part : view_.tails) {
      plan.rows += part.count - part.dead.count();
      search_tail(part);
    }
    plan.compared = plan.rows;
    answer.parts.push_back(std::move(plan));
  }

  const std::optional<FilterRows>& filter() const { return filter_; }

  // Best first.
  std::vector<Candidate> take() {
    const bool higher = higher_is_nearer(config_.metric);
    auto before = [&](const Candidate& a, const Candidate& b) {
      if (a.score != b.score) return higher ? a.score > b.score : a.score < b.score;
      return a.id < b.id;
    };
    std::sort(found_.begin(), found_.end(), before);
    if (found_.size() > request_.limit) found_.resize(request_.limit);
    if (request_.score_threshold) {
      const float bound = *request_.score_threshold;
      const auto worse = [&](const Candidate& c) { return higher ? c.score < bound : c.score > bound; };
      found_.erase(std::find_if(found_.begin(), found_.end(), worse), found_.end());
    }
    return std::move(found_);
  }

 private:
  // Places that may be found, as numbers of the column's index; nullptr: all.
  const AllowedIds* alive(const SegmentPart& part, const Segment::Column& column) {
    if (part.dead.empty()) return nullptr;
    auto alive = [&] { return numbers(column, alive_places(part.segment->size(), part.dead)); };
    if (!column.places.empty()) return &owned_.emplace_back(alive());
    std::call_once(part.alive->once, [&] { part.alive->places.emplace(alive()); });
    return &*part.alive->places;
  }

  static AllowedIds numbers(const Segment::Column& column, std::vector<uint64_t> places) {
    if (column.places.empty()) return AllowedIds(std::move(places));
    std::vector<uint64_t> words((column.size + 63) / 64);
    for (size_t i = 0; i < column.places.size(); ++i) {
      const uint32_t place = column.places[i];
      words[i / 64] |= (places[place / 64] >> (place % 64) & 1) << (i % 64);
    }
    return AllowedIds(std::move(words));
  }

  // What is mapped was not read when it was opened, so anything may stand in it.
  Candidate checked(const SegmentPart& part, const Segment::Column& column, uint64_t number, float score) {
    const Segment& segment = *part.segment;
    if (number >= column.size) {
      throw FoundDamage{part.segment, fmt::format("an index of {} rows finds row {}", column.size, number)};
    }
    const uint32_t place = column.place(number);
    const uint64_t row = segment.row(place);
    if (row < part.info.row_begin || row >= part.info.row_end) {
      throw FoundDamage{part.segment, fmt::format("place {} is row {}, expected {} to {}", place, row,
                                                  part.info.row_begin, part.info.row_end)};
    }
    return {segment.id(place), row, score};
  }
  void add(const SegmentPart& part, const Segment::Column& column, uint64_t number, float score) {
    found_.push_back(checked(part, column, number, score));
  }
  void add(const SegmentPart& part, const Segment::Column& column, const std::vector<IndexHit>& hits) {
    for (const IndexHit& hit : hits) add(part, column, hit.id, hit.score);
  }

  IndexSearchResult search_dense(const Segment::Column& column, size_t k, const AllowedIds* allowed, PartPlan& plan) {
    IndexSearchOptions options;
    options.k = k;
    options.target_recall = request_.target_recall;
    options.breadth = request_.breadth == 0 ? 0 : std::max(k, request_.breadth);
    options.exact = request_.exact;
    options.allowed = allowed;
    IndexSearchResult result = column.dense->search(request_.query.values, options);
    plan.plan = name(result.plan);
    plan.exact = result.exact;
    plan.compared += result.compared;
    plan.expected_recall = result.expected_recall;
    return result;
  }

  // The nearest of ROWS, and where the search is exact all that are as near as the last of them: their ids decide. FIND
  // gives the k nearest.
  template <class Find>
  std::vector<IndexHit> nearest(size_t rows, const Find& find) {
    const size_t limit = request_.limit;
    if (!request_.exact) return find(limit);
    constexpr size_t kMore = 8;
    for (size_t k = std::min(limit, rows) + 1;; k = std::min(kMore * k, rows + 1)) {
      std::vector<IndexHit> hits = find(k);
      if (hits.size() <= limit) return hits;
      const float last = hits[limit - 1].score;
      if (hits.size() == k && hits.back().score == last) continue;
      while (hits.size() > limit && hits.back().score != last) hits.pop_back();
      return hits;
    }
  }

  // Where payloads must be looked at: those of the nearest, until enough of them match. NEAREST gives the k nearest of
  // ROWS rows, best first; is_sure, whether a row matches without a look. False, and nothing is found, where so few
  // match that all had better be looked at.
  template <class Nearest, class IsSure>
  bool filter_afterwards(size_t rows, const Nearest& nearest, const IsSure& is_sure) {
    constexpr size_t kFirst = 64, kMost = 4096, kPart = 16;
    std::unordered_map<uint64_t, bool> matches;  // by row
    for (size_t k = std::min(std::max(kFirst, 4 * request_.limit), rows);; k = std::min(4 * k, rows)) {
      const std::vector<Candidate> hits = nearest(k);
      std::vector<PointId> ids;
      std::vector<uint64_t> asked;
      for (const Candidate& hit : hits) {
        if (!matches.emplace(hit.row, true).second || is_sure(hit.row)) continue;
        ids.push_back(hit.id);
        asked.push_back(hit.row);
      }
      const std::vector<bool> looked_at = filter_->look(ids);
      for (size_t i = 0; i < ids.size(); ++i) matches[asked[i]] = looked_at[i];
      std::vector<Candidate> matching;
      for (const Candidate& hit : hits) {
        if (matching.size() < request_.limit && matches[hit.row]) matching.push_back(hit);
      }
      // Of those that are as near as the last there may be others, of smaller ids.
      const bool enough = matching.size() == request_.limit && matching.back().score != hits.back().score;
      if (enough || hits.size() < k || k == rows) {
        found_.insert(found_.end(), matching.begin(), matching.end());
        return true;
      }
      if (k >= std::max(kMost, rows / kPart)) return false;
    }
  }

  // A filter that indexes of payloads cannot answer alone.
  bool search_dense_then_filter(const SegmentPart& part, const Segment::Column& column,
                                const FilterRows::Bounds& bounds, PartPlan& plan) {
    std::vector<uint64_t> either = bounds.sure;
    for (size_t w = 0; w < either.size(); ++w) either[w] |= bounds.maybe[w];
    const bool all = !part.payload && part.dead.empty();
    const AllowedIds* allowed = all ? nullptr : &owned_.emplace_back(numbers(column, std::move(either)));
    const bool found = filter_afterwards(
        allowed == nullptr ? column.size : std::min<size_t>(column.size, allowed->count()),
        [&](size_t k) {
          std::vector<Candidate> hits;
          for (const IndexHit& hit : search_dense(column, k, allowed, plan).hits) {
            hits.push_back(checked(part, column, hit.id, hit.score));
          }
          return hits;
        },
        [&](uint64_t row) {
          const std::optional<uint32_t> place = part.segment->find(row);
          return place && (bounds.sure[*place / 64] >> (*place % 64) & 1) != 0;
        });
    if (found) plan.plan += ", filtered afterwards";
    return found;
  }

  void search_segment(const SegmentPart& part, PartPlan& plan) {
    const Segment& segment = *part.segment;
    const Segment::Column* column = segment.column(config_);
    plan.plan = name(SearchPlan::scan);
    if (column == nullptr || request_.limit == 0) return;
    const AllowedIds* allowed = nullptr;
    if (filter_) {
      FilterRows::Bounds bounds = filter_->bounds(part);
      size_t unsure = 0;
      for (const uint64_t word : bounds.maybe) unsure += static_cast<size_t>(std::popcount(word));
      if (column->dense && unsure > kLookedAtMin && search_dense_then_filter(part, *column, bounds, plan)) return;
      filter_->look(part, bounds.maybe);
      for (size_t w = 0; w < bounds.sure.size(); ++w) bounds.sure[w] |= bounds.maybe[w];
      allowed = &owned_.emplace_back(numbers(*column, std::move(bounds.sure)));
    } else {
      allowed = alive(part, *column);
    }
    if (allowed != nullptr && allowed->count() == 0) return;
    if (column->dense) {
      add(part, *column, nearest(column->size, [&](size_t k) { return search_dense(*column, k, allowed, plan).hits; }));
    } else if (column->multi) {
      MultiSearchOptions options;
      options.target_recall = request_.target_recall;
      options.exact = request_.exact;
      options.allowed = allowed;
      add(part, *column, nearest(column->size, [&](size_t k) {
            options.k = k;
            MultiSearchResult result = column->multi->search(request_.query.values, options);
            plan.plan = name(result.plan);
            plan.exact = result.exact;
            plan.compared += result.compared;
            plan.expected_recall = result.expected_recall;
            return std::move(result.hits);
          }));
    } else {
      const auto id_of = [&](uint64_t number) { return segment.id(column->place(number)); };
      BestRows best(request_.limit, true, [&](uint64_t a, uint64_t b) { return id_of(a) < id_of(b); });
      plan.plan = "inverted lists";
      try {
        column->sparse->score(request_.query, allowed, [&](uint32_t number, float score) {
          best.push(number, score);
          ++plan.compared;
        });
      } catch (const Error& error) {
        if (error.code() != ErrorCode::corrupted) throw;
        throw FoundDamage{part.segment, error.what()};
      }
      for (const ScoredRow& hit : best.take()) add(part, *column, hit.row, hit.score);
    }
  }

  void search_tail(const TailPart& part) {
    if (request_.limit == 0) return;
    std::vector<uint64_t> words = alive_places(part.count, part.dead);
    const auto nearest = [&](size_t k) {
      const std::vector<uint32_t> places = part.tail->candidates(config_, request_.query, k, part.count, words);
      BestRows best(k, higher_is_nearer(config_.metric),
                    [&](uint64_t a, uint64_t b) { return part.tail->id(a) < part.tail->id(b); });
      part.tail->score(config_, scorer_, places, [&](uint32_t at, float score) { best.push(at, score); });
      std::vector<Candidate> hits;
      for (const ScoredRow& hit : best.take()) {
        hits.push_back({part.tail->id(hit.row), part.tail->row(hit.row), hit.score});
      }
      return hits;
    };
    if (filter_) {
      const auto is_sure = [](uint64_t) { return false; };
      if (part.count > kLookedAtMin && filter_afterwards(part.count, nearest, is_sure)) return;
      words = filter_->places(part);
    }
    const std::vector<Candidate> hits = nearest(request_.limit);
    found_.insert(found_.end(), hits.begin(), hits.end());
  }

  void search_truth(const SegmentPart& part, PartPlan& plan) {
    plan.plan = "truth";
    std::vector<std::pair<uint64_t, PointId>> ids;
    BestRows best(request_.limit, higher_is_nearer(config_.metric),
                  [&](uint64_t a, uint64_t b) { return ids[a].second < ids[b].second; });
    view_.truth->for_rows(
        part.info.row_begin, part.info.row_end, view_.moment.get(), [&](const Truth::RowVectors& row) {
          if (filter_ ? !filter_->finds(part, row) : part.is_dead(row.row)) return true;
          for (const auto& vector : row.vectors) {
            if (vector.slot != config_.slot) continue;
            const std::optional<float> score = scorer_.score_bytes(vector.bytes);
            if (!score) {
              throw Error(ErrorCode::corrupted,
                          fmt::format("{}: point {}: vector '{}' is {} bytes, which is none", view_.truth->where(),
                                      row.id.text(), config_.name, vector.bytes.size()));
            }
            ids.emplace_back(row.row, row.id);
            best.push(ids.size() - 1, *score);
            ++plan.compared;
          }
          return true;
        });
    for (const ScoredRow& hit : best.take()) found_.push_back({ids[hit.row].second, ids[hit.row].first, hit.score});
  }

  const View& view_;
  const VectorConfig& config_;
  const SearchRequest& request_;
  RowScorer scorer_;
  std::optional<FilterRows> filter_;
  std::vector<Candidate> found_;
  std::deque<AllowedIds> owned_;
};

}  // namespace

SearchAnswer PointStore::search(const SearchRequest& request) const {
  ViewPointer view = read_view();
  const VectorConfig& config = view->config->at(request.vector);
  if (request.expected_slot) check_slot(config, *request.expected_slot);
  check_vector(config, request.query);
  for (const std::string& name : request.fields.vectors) view->config->at(name);
  SearchAnswer answer;
  Search search(*view, config, request);
  try {
    search.run(answer);
  } catch (const FoundDamage& damage) {
    view.reset();  // whoever waits for a write lets go of what it looks at
    mark_damaged(damage.segment, damage.what);
    return this->search(request);
  }
  if (search.filter()) {
    answer.payloads_read = search.filter()->payloads_read();
    answer.without_index = search.filter()->without_index();
  }
  const std::vector<Candidate> found = search.take();
  std::vector<PointId> ids;
  for (const Candidate& candidate : found) ids.push_back(candidate.id);
  auto records = view->truth->find(ids, view->moment.get());
  for (size_t i = 0; i < found.size(); ++i) {
    if (!records[i] || records[i]->row != found[i].row) {
      // The view is of one moment, so the segment is wrong. Its rows come from the truth from now on.
      const std::string what =
          fmt::format("it has point {} in row {}, the truth has it {}", ids[i].text(), found[i].row,
                      records[i] ? fmt::format("in row {}", records[i]->row) : "nowhere");
      for (const SegmentPart& part : view->segments) {
        if (!part.segment || found[i].row < part.info.row_begin || found[i].row >= part.info.row_end) continue;
        const std::shared_ptr<const Segment> segment = part.segment;
        view.reset();  // whoever waits for a write lets go of what it looks at
        mark_damaged(segment, what);
        return this->search(request);
      }
      throw Error(ErrorCode::internal, fmt::format("{}: the newest rows: {}", folder_.string(), what));
    }
    answer.points.push_back({fill(*view, ids[i], std::move(*records[i]), request.fields), found[i].score});
  }
  return answer;
}

}  // namespace sextant::store
