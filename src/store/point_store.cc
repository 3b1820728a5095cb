#include "store/point_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "base/files.h"
#include "base/hash.h"
#include "sextant/error.h"
#include "store/filter_rows.h"
#include "store/payload/order_values.h"
#include "store/vector_bytes.h"

namespace sextant::store {

namespace {

constexpr size_t kPointsAtOnce = 1024;
constexpr auto kSyncEvery = std::chrono::seconds(1);
// So much is read from logs in a few milliseconds when a collection is opened again.
constexpr uint64_t kLogBytesKept = uint64_t{8} << 20;

// Whether the next LIMIT of POINTS, of which MATCHING may match a filter, are better looked for among these than by
// going through all in the order of ids.
bool is_page_of_few(uint64_t matching, uint64_t points, size_t limit) {
  // Microseconds, about: an id in a heap, a point that is looked up, one that is read in turn.
  constexpr double kHeap = 0.05, kLookUp = 3, kInTurn = 1.5;
  const auto all = static_cast<double>(points), some = static_cast<double>(matching);
  const double page = std::min(static_cast<double>(limit) + 1, some);
  return some * kHeap + page * kLookUp <= all * kInTurn * (some > page ? page / some : 1);
}

void raise(std::atomic<uint64_t>& number, uint64_t to) {
  for (uint64_t now = number; now < to && !number.compare_exchange_weak(now, to);) {
  }
}

}  // namespace

void PointStore::create(const std::filesystem::path& folder, const StoreConfig& config,
                        const TruthResources& resources) {
  base::make_folders(folder);
  Truth::create(folder / "truth", config, resources);
  // This syncs the folder, with the truth in it.
  base::make_folders(folder / "segments");
}

PointStore::PointStore(const std::filesystem::path& folder, const TruthResources& resources,
                       const StoreOptions& options)
    : folder_(folder), resources_(resources), options_(options), high_mark_(folder / "acknowledged") {
  recover();
  if (options_.read_only) return;
  if (options_.background) keeper_ = std::thread([this] { keep(); });
  syncer_ = std::thread([this] { keep_synced(); });
}

PointStore::~PointStore() {
  {
    std::lock_guard lock(keep_mutex_);
    stopping_ = true;
    stop_builds_ = true;
    give_way_ = no_room_ = stop_tidying_ = true;
  }
  keep_changed_.notify_all();
  if (keeper_.joinable()) keeper_.join();
  if (syncer_.joinable()) syncer_.join();
  try {
    if (failed_ || options_.read_only) return;
    note_synced();
    view()->truth->flush(kLogBytesKept);
  } catch (const Error&) {
    // It was acknowledged as written to the system, which has it still; and what is in the logs is read again.
  }
}

// Once a second what was written goes to the disk, where the collection is content with that; and where the disk failed
// it is tried again.
void PointStore::keep_synced() {
  std::unique_lock lock(keep_mutex_);
  while (!keep_changed_.wait_for(lock, kSyncEvery, [this] { return stopping_; })) {
    lock.unlock();
    std::string error;
    try {
      std::lock_guard write_lock(write_mutex_);
      if (must_reopen()) {
        reopen_after_failure();
      } else {
        note_synced();
      }
    } catch (const std::exception& caught) {
      error = caught.what();
    }
    lock.lock();
    if (!error.empty()) last_error_ = error;
  }
}

// REQUIRES: write_mutex_ is held, failed_ is false.
void PointStore::note_synced() {
  const ViewPointer now = view();
  if (now->config->durability != Durability::periodic || high_mark_.version() == now->state.version) return;
  failed_ = true;
  now->truth->sync();
  failed_ = false;
  high_mark_.raise(now->state.version);
}

bool PointStore::has_damage() const {
  const ViewPointer view = this->view();
  return std::any_of(view->segments.begin(), view->segments.end(),
                     [](const SegmentPart& part) { return !part.damage.empty(); });
}

SnapshotReport PointStore::snapshot(const std::filesystem::path& path) const {
  check_writable();
  return write_snapshot(*read_view()->truth, path);
}

void PointStore::check_writable() const {
  if (options_.read_only) throw Error(ErrorCode::unsupported, fmt::format("{}: opened for reading", folder_.string()));
}

uint64_t PointStore::now_ms() const {
  if (options_.now_ms) return options_.now_ms();
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

std::filesystem::path PointStore::segment_folder(uint64_t number) const {
  return folder_ / "segments" / fmt::format("{:08}", number);
}

ViewPointer PointStore::view() const {
  std::unique_lock lock(view_mutex_);
  view_changed_.wait(lock, [&] { return view_ != nullptr || !no_view_.empty(); });
  if (view_ == nullptr) {
    throw Error(ErrorCode::unavailable,
                fmt::format("{}: a write failed and it could not be opened again: {}", folder_.string(), no_view_));
  }
  return view_;
}

void PointStore::publish(std::shared_ptr<View> next) const {
  next->moment = std::make_shared<const Truth::Moment>(*next->truth);
  ViewPointer before;  // goes after the lock does: it may be the last that looks at a segment
  std::unique_lock lock(view_mutex_);
  before = std::exchange(view_, std::move(next));
  no_view_.clear();
  lock.unlock();
  view_changed_.notify_all();
}

std::shared_ptr<Truth> PointStore::open_truth() {
  auto open = std::make_shared<std::atomic<bool>>(true);
  std::shared_ptr<Truth> truth(new Truth(folder_ / "truth", resources_, options_.read_only), [open](Truth* last) {
    delete last;
    *open = false;
  });
  truth_open_ = open;
  return truth;
}

// Reads where the collection stands from the truth, and makes the first view of it.
void PointStore::recover() {
  auto next = std::make_shared<View>();
  next->truth = open_truth();
  const Truth& truth = *next->truth;
  next->config = std::make_shared<const StoreConfig>(truth.config());
  next->state = truth.state();
  if (next->state.version < high_mark_.version()) {
    throw Error(
        ErrorCode::corrupted,
        fmt::format("{}: its logs end with write {}, and write {} was on the disk: the end of a log or of "
                    "MANIFEST is damaged; without {} it opens as it is",
                    truth.where(), next->state.version, high_mark_.version(), (folder_ / "acknowledged").string()));
  }
  uint64_t covered = 0;
  for (const SegmentInfo& info : read_segments(truth.segments(), truth.where())) {
    SegmentPart part;
    part.info = info;
    covered = info.row_end;
    raise(next_segment_, info.number + 1);
    if (info.rows > 0) try {
        part.segment = std::make_shared<const Segment>(segment_folder(info.number), info, *next->config);
        part.payload = part.segment->payload_index(next->config->payload_schema, next->state.version);
        if (!options_.read_only) {
          // What was left when the configuration changed.
          part.segment->remove_leftovers(*next->config);
          part.segment->remove_payload_indexes_but(next->config->payload_schema);
        }
      } catch (const Error& error) {
        // Its rows are read from the truth until it is made again.
        part.damage = error.what();
      }
    next->segments.push_back(std::move(part));
  }
  truth.for_marks(0, covered, [&](const Truth::Mark& mark) {
    SegmentPart* part = next->segment_of(mark.row);
    if (part == nullptr || (!mark.dead && mark.version <= part->payload_version())) return;
    const std::optional<uint32_t> flag = part->flag_of(mark.row);
    if (!flag) return;  // it died before the segment was made
    (mark.dead ? part->dead : part->changed).add(*flag);
  });
  // What no list names is left from a build that was cut off.
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "segments", error)) {
    if (options_.read_only) break;
    const std::string name = entry.path().filename().string();
    const bool listed = std::any_of(next->segments.begin(), next->segments.end(), [&](const SegmentPart& part) {
      return segment_folder(part.info.number).filename() == name;
    });
    const bool in_work = segment_folder(building_).filename() == name || segment_folder(spilling_).filename() == name;
    if (listed || in_work) continue;
    base::remove_all(entry.path());
    // It may have stayed.
    uint64_t number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    if (number < UINT64_MAX) raise(next_segment_, number + 1);
  }
  auto begin_tail = [&](uint64_t row_begin) {
    if (!next->tails.empty()) next->tails.back().row_end = row_begin;
    TailPart part;
    part.tail = std::make_shared<Tail>(*next->config, next->config->tail_rows_max);
    part.row_begin = row_begin;
    next->tails.push_back(std::move(part));
  };
  begin_tail(covered);
  truth.for_rows(covered, UINT64_MAX, nullptr, [&](const Truth::RowVectors& row) {
    std::vector<Tail::Value> values;
    for (const auto& vector : row.vectors) values.push_back({vector.slot, vector.bytes});
    if (!next->tails.back().tail->append(row.row, row.id, values)) {
      begin_tail(row.row);
      if (!next->tails.back().tail->append(row.row, row.id, values)) {
        throw Error(ErrorCode::exhausted, fmt::format("{}: point {} is too large", folder_.string(), row.id.text()));
      }
    }
    next->tails.back().count = next->tails.back().tail->size();
    return true;
  });
  const auto expiring = truth.expiring(UINT64_MAX, 1, nullptr);
  next_expiry_ms_ = expiring.empty() ? UINT64_MAX : expiring.front().first;
  const TruthState found = next->state;
  publish(std::move(next));
  // Numbers that a failed write took are not used again.
  state_ = {std::max(state_.version, found.version), std::max(state_.next_row, found.next_row), found.points};
  ++openings_;
  failed_ = false;
}

StoredPoint PointStore::fill(const View& view, const PointId& id, PointRecord&& record, const Fields& fields) const {
  StoredPoint point;
  point.id = id;
  point.version = record.version;
  point.expires_ms = record.expires_ms;
  if (fields.payload) point.payload = record.payload.empty() ? "{}" : std::move(record.payload);
  for (const VectorConfig& config : view.config->vectors) {
    const bool wanted = fields.all_vectors ||
                        std::find(fields.vectors.begin(), fields.vectors.end(), config.name) != fields.vectors.end();
    if (!wanted || !std::binary_search(record.slots.begin(), record.slots.end(), config.slot)) continue;
    const std::optional<std::string> bytes = view.truth->vector(record.row, config.slot, view.moment.get());
    std::optional<VectorValue> value;
    if (bytes) value = read_vector(config, *bytes);
    if (!value) {
      throw Error(ErrorCode::corrupted,
                  fmt::format("{}: point {}: vector '{}' is {}", view.truth->where(), id.text(), config.name,
                              bytes ? fmt::format("{} bytes, which is none", bytes->size()) : "missing"));
    }
    point.vectors.emplace_back(config.name, std::move(*value));
  }
  point.slots = std::move(record.slots);
  return point;
}

std::vector<std::optional<StoredPoint>> PointStore::get(std::span<const PointId> ids, const Fields& fields) const {
  const ViewPointer view = read_view();
  for (const std::string& name : fields.vectors) view->config->at(name);
  std::vector<std::optional<StoredPoint>> out(ids.size());
  for (size_t first = 0; first < ids.size(); first += kPointsAtOnce) {
    const size_t count = std::min(kPointsAtOnce, ids.size() - first);
    auto records = view->truth->find(ids.subspan(first, count), view->moment.get());
    for (size_t i = 0; i < count; ++i) {
      if (!records[i] || !view->has(*records[i])) continue;
      out[first + i] = fill(*view, ids[first + i], std::move(*records[i]), fields);
    }
  }
  return out;
}

ScrollAnswer PointStore::scroll(const ScrollRequest& request) const {
  const ViewPointer view = read_view();
  for (const std::string& name : request.fields.vectors) view->config->at(name);
  std::optional<FilterRows> filter;
  if (request.filter && !request.filter->is_empty()) filter.emplace(*view, *request.filter);
  ScrollAnswer answer;
  // False: the page is full.
  const auto take = [&](const PointId& id, PointRecord&& record) {
    if (answer.points.size() == request.limit) {
      answer.next = id;
      return false;
    }
    answer.points.push_back(fill(*view, id, std::move(record), request.fields));
    return true;
  };
  if (filter && !view->config->payload_schema.fields().empty()) {
    if (is_page_of_few(filter->count_at_most(), view->state.points, request.limit)) {
      std::vector<FilterRows::MaybePoint> found = filter->maybe_points(request.from);
      const auto is_later = [](const FilterRows::MaybePoint& a, const FilterRows::MaybePoint& b) {
        return b.id < a.id;
      };
      std::make_heap(found.begin(), found.end(), is_later);
      while (!found.empty()) {
        std::vector<PointId> ids;
        std::vector<bool> sure;
        for (const size_t most = std::min(found.size(), kPointsAtOnce); ids.size() < most;) {
          std::pop_heap(found.begin(), found.end(), is_later);
          ids.push_back(found.back().id);
          sure.push_back(found.back().sure);
          found.pop_back();
          if (answer.points.size() + ids.size() > request.limit) break;
        }
        auto records = view->truth->find(ids, view->moment.get());
        for (size_t i = 0; i < ids.size(); ++i) {
          if (!records[i] || !(sure[i] || filter->matches(ids[i], *records[i]))) continue;
          if (!take(ids[i], std::move(*records[i]))) return answer;
        }
      }
      return answer;
    }
  }
  view->truth->for_points(request.from, view->moment.get(), [&](const PointId& id, PointRecord&& record) {
    if (!view->has(record) || (filter && !filter->matches(id, record))) return true;
    return take(id, std::move(record));
  });
  return answer;
}

std::vector<OrderedPoint> PointStore::ordered(const OrderRequest& request) const {
  const ViewPointer view = read_view();
  for (const std::string& name : request.fields.vectors) view->config->at(name);
  const std::string path = request.key.text();
  const FieldSchema* known = view->config->payload_schema.find(path);
  FieldSchema number;
  number.kind = FieldKind::floating;
  const FieldSchema& schema = known != nullptr ? *known : number;
  check_order(request.key, &schema);
  struct Found {
    OrderValue value;
    PointId id;
  };
  const auto before = [&](const Found& a, const Found& b) {
    if (a.value != b.value) return request.descending ? b.value < a.value : a.value < b.value;
    return a.id < b.id;
  };
  std::vector<Found> found;
  const Filter all;
  FilterRows rows(*view, request.filter ? *request.filter : all);
  const std::optional<OrderValue>& start = request.start_from;
  const OrderOptions options{request.descending, start};
  rows.for_each_part(
      [&](const SegmentPart& part, const RowSet& within) {
        std::vector<bool> seen(part.segment->size());
        size_t taken = 0;
        std::optional<OrderValue> last;
        part.payload->order_by(request.key, options, within, [&](const OrderValue& value, uint32_t place) {
          // Of equal values the ids decide, which are not in the order of places.
          if (taken >= request.limit && last != value) return false;
          if (seen[place]) return true;
          seen[place] = true;
          found.push_back({value, part.segment->id(place)});
          last = value;
          ++taken;
          return true;
        });
      },
      known != nullptr ? path : "",
      [&](const PointView& point) {
        const std::vector<OrderValue> values = order_values(request.key, schema, point);
        std::optional<OrderValue> best;
        for (const OrderValue& value : values) {
          if (start && (request.descending ? is_less(*start, value) : is_less(value, *start))) continue;
          if (!best || (request.descending && *best < value)) best = value;
        }
        if (best) found.push_back({*best, point.id});
      });
  std::sort(found.begin(), found.end(), before);
  if (found.size() > request.limit) found.resize(request.limit);
  std::vector<PointId> ids;
  for (const Found& one : found) ids.push_back(one.id);
  auto records = view->truth->find(ids, view->moment.get());
  std::vector<OrderedPoint> out;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (records[i]) out.push_back({fill(*view, ids[i], std::move(*records[i]), request.fields), found[i].value});
  }
  return out;
}

std::vector<StoredPoint> PointStore::sample(size_t limit, const std::optional<Filter>& filter, uint64_t seed,
                                            const Fields& fields) const {
  const ViewPointer view = read_view();
  for (const std::string& name : fields.vectors) view->config->at(name);
  // A point's place in the sample follows from its id and the seed alone, not from how the points lie.
  std::vector<std::pair<uint64_t, PointId>> best;
  const Filter all;
  FilterRows(*view, filter ? *filter : all).for_each([&](const PointId& id) {
    const std::string key = id.key();
    const std::pair<uint64_t, PointId> one{base::hash64(key, seed), id};
    if (best.size() == limit) {
      if (best.empty() || !(one < best.front())) return;
      std::pop_heap(best.begin(), best.end());
      best.pop_back();
    }
    best.push_back(one);
    std::push_heap(best.begin(), best.end());
  });
  std::sort(best.begin(), best.end());
  std::vector<PointId> ids;
  for (const auto& [hash, id] : best) ids.push_back(id);
  auto records = view->truth->find(ids, view->moment.get());
  std::vector<StoredPoint> out;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (records[i]) out.push_back(fill(*view, ids[i], std::move(*records[i]), fields));
  }
  return out;
}

uint64_t PointStore::count() const { return read_view()->state.points; }

uint64_t PointStore::count(const Filter& filter) const {
  if (filter.is_empty()) return count();
  const ViewPointer view = read_view();
  return FilterRows(*view, filter).count();
}

std::vector<FacetCount> PointStore::facet(const KeyPath& path, const std::optional<Filter>& filter,
                                          size_t limit) const {
  const ViewPointer view = read_view();
  const FieldSchema* schema = view->config->payload_schema.find(path.text());
  std::vector<FacetCounter> counters;
  if (schema != nullptr) {
    counters.emplace_back(path, *schema);
  } else {
    // Nobody said what the field is, so its values are taken for what they are.
    for (const FieldKind kind : {FieldKind::boolean, FieldKind::integer, FieldKind::keyword}) {
      counters.emplace_back(path, FieldSchema{.kind = kind});
    }
  }
  const Filter all;
  FilterRows rows(*view, filter ? *filter : all);
  rows.for_each_part(
      [&](const SegmentPart& part, const RowSet& within) { counters.front().add(*part.payload, within); },
      schema != nullptr ? path.text() : "",
      [&](const PointView& point) {
        for (FacetCounter& counter : counters) counter.add(point);
      });
  std::vector<FacetCount> out;
  for (const FacetCounter& counter : counters) {
    for (FacetCount& count : counter.top(limit)) out.push_back(std::move(count));
  }
  std::stable_sort(out.begin(), out.end(), [](const FacetCount& a, const FacetCount& b) { return a.count > b.count; });
  if (out.size() > limit) out.resize(limit);
  return out;
}

StoreInfo PointStore::info() const {
  const ViewPointer view = read_view();
  StoreInfo info;
  info.points = view->state.points;
  info.version = view->state.version;
  for (const SegmentPart& part : view->segments) {
    if (part.segment) info.indexed_points += part.rows_alive();
    info.segments.push_back({part.info, part.dead.count(), part.segment ? part.segment->disk_bytes() : 0, part.damage});
  }
  for (const TailPart& part : view->tails) info.tail_rows += part.count - part.dead.count();
  info.truth_bytes = view->truth->disk_bytes();
  std::lock_guard lock(keep_mutex_);
  info.busy = busy_ || looked_at_ != wakes_;
  info.last_error = last_error_;
  return info;
}

}  // namespace sextant::store
