// Searching a view: each part in its own way, the best of all in the end.
#include <fmt/format.h>

#include <algorithm>

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
  const AllowedIds* allowed(const SegmentPart& part, const Segment::Column& column) {
    if (filter_) return &owned_.emplace_back(numbers(column, filter_->places(part)));
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
  void add(const SegmentPart& part, const Segment::Column& column, uint64_t number, float score) {
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
    found_.push_back({segment.id(place), row, score});
  }
  void add(const SegmentPart& part, const Segment::Column& column, const std::vector<IndexHit>& hits) {
    for (const IndexHit& hit : hits) add(part, column, hit.id, hit.score);
  }

  void search_segment(const SegmentPart& part, PartPlan& plan) {
    const Segment& segment = *part.segment;
    const Segment::Column* column = segment.column(config_);
    plan.plan = name(SearchPlan::scan);
    if (column == nullptr) return;
    const AllowedIds* allowed = this->allowed(part, *column);
    if (allowed != nullptr && allowed->count() == 0) return;
    if (column->dense) {
      IndexSearchOptions options;
      options.k = request_.limit;
      options.target_recall = request_.target_recall;
      options.breadth = request_.breadth;
      options.exact = request_.exact;
      options.allowed = allowed;
      const IndexSearchResult result = column->dense->search(request_.query.values, options);
      plan.plan = name(result.plan);
      plan.exact = result.exact;
      plan.compared = result.compared;
      plan.expected_recall = result.expected_recall;
      add(part, *column, result.hits);
    } else if (column->multi) {
      MultiSearchOptions options;
      options.k = request_.limit;
      options.target_recall = request_.target_recall;
      options.exact = request_.exact;
      options.allowed = allowed;
      const MultiSearchResult result = column->multi->search(request_.query.values, options);
      plan.plan = name(result.plan);
      plan.exact = result.exact;
      plan.compared = result.compared;
      plan.expected_recall = result.expected_recall;
      add(part, *column, result.hits);
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
    const std::vector<uint64_t> words = filter_ ? filter_->places(part) : alive_places(part.count, part.dead);
    const std::vector<uint32_t> places =
        part.tail->candidates(config_, request_.query, request_.limit, part.count, words);
    BestRows best(request_.limit, higher_is_nearer(config_.metric),
                  [&](uint64_t a, uint64_t b) { return part.tail->id(a) < part.tail->id(b); });
    part.tail->score(config_, scorer_, places, [&](uint32_t at, float score) { best.push(at, score); });
    for (const ScoredRow& hit : best.take()) {
      found_.push_back({part.tail->id(hit.row), part.tail->row(hit.row), hit.score});
    }
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
