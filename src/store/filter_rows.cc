#include "store/filter_rows.h"

#include <algorithm>
#include <bit>

namespace sextant::store {
namespace {

constexpr size_t kPointsAtOnce = 1024;

template <class Take>
void for_bits(std::span<const uint64_t> words, const Take& take) {
  for (size_t w = 0; w < words.size(); ++w) {
    for (uint64_t bits = words[w]; bits != 0; bits &= bits - 1) {
      take(static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits))));
    }
  }
}

uint64_t count_bits(std::span<const uint64_t> words) {
  uint64_t count = 0;
  for (const uint64_t word : words) count += static_cast<uint64_t>(std::popcount(word));
  return count;
}

class Points : public SegmentPoints {
 public:
  Points(const View& view, const SegmentPart& part) : view_(view), part_(part) {}
  std::optional<uint32_t> row_of(const PointId& id) const override {
    const auto record = view_.truth->find({&id, 1}, view_.moment.get());
    return record[0] ? part_.segment->find(record[0]->row) : std::nullopt;
  }
  PointId id_of(uint32_t row) const override { return part_.segment->id(row); }
  RowSet with_vector(std::string_view name) const override {
    const VectorConfig* config = view_.config->find(name);
    const Segment::Column* column = config == nullptr ? nullptr : part_.segment->column(*config);
    if (column == nullptr) return {};
    if (!column->places.empty()) return RowSet::of_sorted(column->places);
    return RowSet::range(0, static_cast<uint32_t>(part_.segment->size()));
  }

 private:
  const View& view_;
  const SegmentPart& part_;
};

}  // namespace

std::vector<uint64_t> alive_places(size_t count, const RowFlags& dead) {
  std::vector<uint64_t> words((count + 63) / 64, ~uint64_t{0});
  if (count % 64 != 0) words.back() >>= 64 - count % 64;
  dead.remove_from(words);
  return words;
}

FilterRows::FilterRows(const View& view, const Filter& filter)
    : view_(view), filter_(filter), matcher_(filter, view.config->payload_schema) {}

bool FilterRows::matches(const PointId& id, const PointRecord& record) {
  vectors_.clear();
  for (uint16_t slot : record.slots) {
    for (const VectorConfig& config : view_.config->vectors) {
      if (config.slot == slot) vectors_.push_back(config.name);
    }
  }
  ++payloads_read_;
  return matcher_.matches({id, reader_.read(record.payload), vectors_});
}

bool FilterRows::finds(const SegmentPart& part, const Truth::RowVectors& row) {
  if (part.is_dead(row.row)) return false;
  const auto record = view_.truth->find({&row.id, 1}, view_.moment.get());
  return record[0] && matches(row.id, *record[0]);
}

void FilterRows::look(std::vector<uint64_t>& words, const std::function<PointId(uint32_t)>& id_of) {
  std::vector<uint32_t> places;
  std::vector<PointId> ids;
  auto flush = [&] {
    const auto records = view_.truth->find(ids, view_.moment.get());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!records[i] || !matches(ids[i], *records[i])) words[places[i] / 64] &= ~(uint64_t{1} << (places[i] % 64));
    }
    places.clear();
    ids.clear();
  };
  // Bits that a flush takes away are behind.
  for_bits(words, [&](uint32_t place) {
    places.push_back(place);
    ids.push_back(id_of(place));
    if (ids.size() == kPointsAtOnce) flush();
  });
  flush();
}

std::vector<bool> FilterRows::look(std::span<const PointId> ids) {
  std::vector<bool> out;
  for (size_t first = 0; first < ids.size(); first += kPointsAtOnce) {
    const auto some = ids.subspan(first, std::min(kPointsAtOnce, ids.size() - first));
    const auto records = view_.truth->find(some, view_.moment.get());
    for (size_t i = 0; i < some.size(); ++i) out.push_back(records[i] && matches(some[i], *records[i]));
  }
  return out;
}

void FilterRows::for_damaged(const SegmentPart& part, const std::function<void(const PointId&)>& take) {
  view_.truth->for_rows(part.info.row_begin, part.info.row_end, view_.moment.get(), [&](const Truth::RowVectors& row) {
    if (finds(part, row)) take(row.id);
    return true;
  });
}

void FilterRows::look(const SegmentPart& part, std::vector<uint64_t>& maybe) {
  look(maybe, [&](uint32_t place) { return part.segment->id(place); });
}

std::vector<uint64_t> FilterRows::places(const SegmentPart& part) {
  Bounds bounds = this->bounds(part);
  look(part, bounds.maybe);
  for (size_t w = 0; w < bounds.sure.size(); ++w) bounds.sure[w] |= bounds.maybe[w];
  return std::move(bounds.sure);
}

FilterRows::Bounds FilterRows::bounds(const SegmentPart& part) {
  std::vector<uint64_t> words = alive_places(part.segment->size(), part.dead);
  Bounds out;
  out.sure.resize(words.size());
  if (!part.payload) {
    out.maybe = std::move(words);
    return out;
  }
  // What the index says of a payload that changed since is out of date.
  std::vector<uint64_t> changed = words;
  part.changed.remove_from(words);
  for (size_t w = 0; w < words.size(); ++w) changed[w] &= ~words[w];
  const Points points(view_, part);
  const RowBounds bounds = part.payload->evaluate(filter_, RowSet::of_words(words), points);
  bounds.maybe.or_into(changed);
  bounds.sure.or_into(out.sure);
  for (const std::string& path : bounds.without_index) {
    const auto at = std::lower_bound(without_index_.begin(), without_index_.end(), path);
    if (at == without_index_.end() || *at != path) without_index_.insert(at, path);
  }
  out.maybe = std::move(changed);
  return out;
}

std::vector<uint64_t> FilterRows::places(const TailPart& part) {
  std::vector<uint64_t> words = alive_places(part.count, part.dead);
  look(words, [&](uint32_t place) { return part.tail->id(place); });
  return words;
}

void FilterRows::for_each(const std::function<void(const PointId&)>& take) {
  for (const SegmentPart& part : view_.segments) {
    if (part.info.rows == 0) continue;
    if (part.segment) {
      for_bits(places(part), [&](uint32_t place) { take(part.segment->id(place)); });
      continue;
    }
    for_damaged(part, take);
  }
  for (const TailPart& part : view_.tails) {
    for_bits(places(part), [&](uint32_t place) { take(part.tail->id(place)); });
  }
}

void FilterRows::for_each_part(const std::function<void(const SegmentPart&, const RowSet&)>& take_index,
                               const std::string& path, const std::function<void(const PointView&)>& take_point) {
  std::vector<PointId> ids;
  auto flush = [&] {
    const auto records = view_.truth->find(ids, view_.moment.get());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (records[i]) take_point({ids[i], reader_.read(records[i]->payload), {}});
    }
    ids.clear();
  };
  auto take_id = [&](const PointId& id) {
    ids.push_back(id);
    if (ids.size() == kPointsAtOnce) flush();
  };
  auto take_places = [&](const RowSet& set, const auto& id_of) {
    set.for_each([&](uint32_t place) { take_id(id_of(place)); });
  };
  for (const SegmentPart& part : view_.segments) {
    if (part.info.rows == 0) continue;
    if (!part.segment) {
      for_damaged(part, take_id);
      continue;
    }
    const auto id_of = [&](uint32_t place) { return part.segment->id(place); };
    RowSet set = RowSet::of_words(places(part));
    if (part.payload == nullptr || part.payload->field(path) == nullptr) {
      take_places(set, id_of);
      continue;
    }
    std::vector<uint32_t> changed;
    part.changed.for_each([&](uint32_t place) { changed.push_back(place); });
    const RowSet stale = set & RowSet::of_sorted(changed);
    take_places(stale, id_of);
    take_index(part, set - stale);
  }
  for (const TailPart& part : view_.tails) {
    take_places(RowSet::of_words(places(part)), [&](uint32_t place) { return part.tail->id(place); });
  }
  flush();
}

uint64_t FilterRows::count() {
  uint64_t count = 0;
  for (const SegmentPart& part : view_.segments) {
    if (part.info.rows == 0) continue;
    if (part.segment) {
      count += count_bits(places(part));
      continue;
    }
    for_damaged(part, [&](const PointId&) { ++count; });
  }
  for (const TailPart& part : view_.tails) count += count_bits(places(part));
  return count;
}

const std::vector<FilterRows::Bounds>& FilterRows::all_bounds() {
  if (all_bounds_) return *all_bounds_;
  all_bounds_.emplace();
  for (const SegmentPart& part : view_.segments) {
    all_bounds_->push_back(part.segment && part.info.rows > 0 ? bounds(part) : Bounds{});
  }
  return *all_bounds_;
}

uint64_t FilterRows::count_at_most() {
  uint64_t count = 0;
  for (const Bounds& bounds : all_bounds()) count += count_bits(bounds.sure) + count_bits(bounds.maybe);
  for (const SegmentPart& part : view_.segments) {
    if (!part.segment && part.info.rows > 0) count += part.rows_alive();
  }
  for (const TailPart& part : view_.tails) count += part.count - part.dead.count();
  return count;
}

std::vector<FilterRows::MaybePoint> FilterRows::maybe_points(const std::optional<PointId>& from) {
  std::vector<MaybePoint> out;
  auto add = [&](const PointId& id, bool sure) {
    if (!from || id >= *from) out.push_back({id, sure});
  };
  const std::vector<Bounds>& found = all_bounds();
  for (size_t i = 0; i < found.size(); ++i) {
    const SegmentPart& part = view_.segments[i];
    for_bits(found[i].sure, [&](uint32_t place) { add(part.segment->id(place), true); });
    for_bits(found[i].maybe, [&](uint32_t place) { add(part.segment->id(place), false); });
    if (part.segment || part.info.rows == 0) continue;
    view_.truth->for_rows(part.info.row_begin, part.info.row_end, view_.moment.get(),
                          [&](const Truth::RowVectors& row) {
                            if (!part.is_dead(row.row)) add(row.id, false);
                            return true;
                          });
  }
  for (const TailPart& part : view_.tails) {
    for_bits(alive_places(part.count, part.dead), [&](uint32_t place) { add(part.tail->id(place), false); });
  }
  return out;
}

}  // namespace sextant::store
