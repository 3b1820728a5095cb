// The writers' line, and what a group of operations does to the truth and to the view.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "sextant/error.h"
#include "store/filter_rows.h"
#include "store/payload/payload_reader.h"
#include "store/payload_edit.h"
#include "store/point_store.h"
#include "store/vector_bytes.h"

namespace sextant::store {
namespace {

constexpr size_t kOperationBytesMax = size_t{1} << 30;
constexpr size_t kGroupBytesMax = size_t{16} << 20;

struct PreparedVector {
  uint16_t slot;
  std::string bytes;
};

struct PreparedPoint {
  PointId id;
  std::vector<PreparedVector> vectors;  // ascending slots
  std::string_view payload;
  uint64_t expires_ms = 0;
};

}  // namespace

// An operation as its own thread makes it ready: checked, its vectors in the truth's form.
struct PointStore::Prepared {
  const Operation* operation = nullptr;
  std::shared_ptr<const StoreConfig> config;  // that it was checked by

  // Whether the vectors that it was checked by are as they were.
  bool fits(const StoreConfig& now) const {
    if (config.get() == &now || (points.empty() && slots.empty())) return true;
    return std::all_of(config->vectors.begin(), config->vectors.end(), [&](const VectorConfig& vector) {
      const VectorConfig* same = now.find(vector.name);
      return same != nullptr && *same == vector;
    });
  }
  std::vector<PreparedPoint> points;
  std::vector<uint16_t> slots;  // of DeleteVectors
  size_t size_bytes = 0;
};

struct PointStore::Pending {
  Prepared prepared;
  std::optional<Filter> filter;  // such a one is a group of its own
  Operation found;               // what the filter made of its operation
  Written written;
  std::exception_ptr error;
  bool done = false;
};

PointStore::Prepared PointStore::prepare(const Operation& operation) const {
  const ViewPointer view = this->view();
  Prepared out;
  out.operation = &operation;
  out.config = view->config;
  auto prepare_points = [&](const std::vector<Point>& points) {
    for (const Point& point : points) {
      PreparedPoint ready;
      ready.id = point.id;
      ready.payload = point.payload;
      ready.expires_ms = point.expires_ms;
      try {
        for (const auto& [name, value] : point.vectors) {
          const VectorConfig& config = view->config->at(name);
          check_vector(config, value);
          ready.vectors.push_back({config.slot, write_vector(config, value)});
          out.size_bytes += ready.vectors.back().bytes.size();
        }
        if (!point.payload.empty()) check_payload(point.payload);
      } catch (const Error& error) {
        throw Error(error.code(), fmt::format("point {}: {}", point.id.text(), error.what()));
      }
      std::sort(ready.vectors.begin(), ready.vectors.end(),
                [](const PreparedVector& a, const PreparedVector& b) { return a.slot < b.slot; });
      for (size_t i = 1; i < ready.vectors.size(); ++i) {
        if (ready.vectors[i].slot != ready.vectors[i - 1].slot) continue;
        throw Error(ErrorCode::invalid_argument, fmt::format("point {}: a vector is there twice", point.id.text()));
      }
      out.size_bytes += point.payload.size() + 64;
      out.points.push_back(std::move(ready));
    }
  };
  if (const auto* upsert = std::get_if<UpsertPoints>(&operation)) {
    if (upsert->expected_slot) check_slot(view->config->at(""), *upsert->expected_slot);
    prepare_points(upsert->points);
  }
  if (const auto* update = std::get_if<UpdateVectors>(&operation)) {
    if (!update->expected_versions.empty() && update->expected_versions.size() != update->points.size()) {
      throw Error(ErrorCode::invalid_argument, fmt::format("{} expected versions of {} points, expected one of each",
                                                           update->expected_versions.size(), update->points.size()));
    }
    prepare_points(update->points);
  }
  if (const auto* remove = std::get_if<DeleteVectors>(&operation)) {
    for (const std::string& name : remove->names) out.slots.push_back(view->config->at(name).slot);
  }
  if (const auto* change = std::get_if<ChangePayload>(&operation)) {
    if (!change->payload.empty()) check_payload(change->payload);
    if (!change->key.empty()) check_path(change->key);
    for (const std::string& key : change->keys) check_path(key);
    out.size_bytes += change->payload.size();
  }
  if (out.size_bytes > kOperationBytesMax) {
    throw Error(ErrorCode::exhausted,
                fmt::format("an operation of {} bytes, expected at most {}: send fewer points at once", out.size_bytes,
                            kOperationBytesMax));
  }
  return out;
}

Written PointStore::write(const Operation& operation) {
  check_writable();
  heal();
  Pending pending;
  pending.prepared = prepare(operation);
  return stand_in_line(pending);
}

Written PointStore::write_where(const Filter& filter, Operation operation) {
  check_writable();
  heal();
  Pending pending;
  pending.filter = filter;
  pending.found = std::move(operation);
  pending.prepared = prepare(pending.found);
  return stand_in_line(pending);
}

Written PointStore::stand_in_line(Pending& pending) {
  wait_for_room();
  std::unique_lock lock(line_mutex_);
  line_.push_back(&pending);
  while (!pending.done) {
    if (leading_) {
      line_moved_.wait(lock);
      continue;
    }
    leading_ = true;
    std::vector<Pending*> group;
    size_t bytes = 0;
    while (!line_.empty() && (group.empty() || (bytes + line_.front()->prepared.size_bytes <= kGroupBytesMax &&
                                                !line_.front()->filter && !group.back()->filter))) {
      bytes += line_.front()->prepared.size_bytes;
      group.push_back(line_.front());
      line_.pop_front();
    }
    lock.unlock();
    try {
      write_group(group);
    } catch (const Error& error) {
      // To each its own: they are thrown in several threads.
      for (Pending* member : group) {
        if (!member->error) member->error = std::make_exception_ptr(Error(error.code(), error.what()));
      }
    } catch (...) {
      for (Pending* member : group) {
        if (!member->error) member->error = std::current_exception();
      }
    }
    lock.lock();
    leading_ = false;
    for (Pending* member : group) member->done = true;
    line_moved_.notify_all();
  }
  lock.unlock();
  if (pending.error) std::rethrow_exception(pending.error);
  return pending.written;
}

// What a group of operations makes of the points that it names: a batch for the truth, and what follows for the view.
class PointStore::Group {
 public:
  Group(const View& view, TruthState& state, uint64_t now_ms)
      : view_(view), state_(state), now_ms_(now_ms), batch(*view.truth) {}

  // Looks up what there is of all points that the operations name.
  void look_up(const std::vector<Pending*>& group) {
    std::vector<PointId> ids;
    auto want = [&](const PointId& id) {
      if (points_.try_emplace(id).second) ids.push_back(id);
    };
    for (const Pending* pending : group) {
      for (const PreparedPoint& point : pending->prepared.points) want(point.id);
      std::visit(
          [&](const auto& operation) {
            if constexpr (requires { operation.ids; }) std::for_each(operation.ids.begin(), operation.ids.end(), want);
            if constexpr (requires { operation.remove; }) {
              std::for_each(operation.remove.begin(), operation.remove.end(), want);
            }
          },
          *pending->prepared.operation);
    }
    auto records = view_.truth->find(ids, nullptr);
    for (size_t i = 0; i < ids.size(); ++i) {
      Record& record = points_[ids[i]] = std::move(records[i]);
      // A point whose time has come is not there, whether anybody looked since or not.
      if (!record || record->expires_ms == 0 || record->expires_ms > now_ms_) continue;
      drop(ids[i], *record);
      batch.remove_point(ids[i]);
      record.reset();
      --state_.points;
    }
  }

  Written apply(const Prepared& prepared) {
    prepared_ = &prepared;
    written_ = {};
    std::visit([&](const auto& operation) { check(operation); }, *prepared.operation);
    written_.version = ++state_.version;
    std::visit([&](const auto& operation) { apply_one(operation); }, *prepared.operation);
    return written_;
  }

  struct Append {
    uint64_t row;
    PointId id;
    std::vector<Tail::Value> vectors;
  };
  std::vector<Append> appends;
  std::vector<uint64_t> deaths, changes;
  uint64_t earliest_expiry_ms = UINT64_MAX;

 private:
  using Record = std::optional<PointRecord>;

  // Whatever may be wrong with an operation is found before anything of it is done.
  void check(const UpsertPoints& operation) {
    if (!operation.expected_version) return;
    for (const PreparedPoint& point : prepared_->points) {
      const Record& record = points_.at(point.id);
      const uint64_t version = record ? record->version : 0;
      if (version == *operation.expected_version) continue;
      throw Error(ErrorCode::invalid_argument, fmt::format("point {}: its version is {}, expected {}", point.id.text(),
                                                           version, *operation.expected_version));
    }
  }
  void check(const ChangePayload& operation) {
    if (operation.change != PayloadChange::merge && operation.change != PayloadChange::remove) return;
    for (const PointId& id : operation.ids) {
      Record& record = points_.at(id);
      if (record) check_payload(changed_payload(operation, record->payload));
    }
  }
  template <class T>
  void check(const T&) {}

  void apply_one(const UpsertPoints& operation) {
    for (const PreparedPoint& point : prepared_->points) {
      Record& record = points_.at(point.id);
      if (record ? operation.mode == WriteMode::insert : operation.mode == WriteMode::update) {
        ++written_.missing;
        continue;
      }
      ++(record ? written_.updated : written_.inserted);
      if (!record) ++state_.points;
      PointRecord next;
      next.expires_ms = point.expires_ms;
      if (next.expires_ms == 0 && view_.config->ttl_seconds > 0) {
        next.expires_ms = now_ms_ + view_.config->ttl_seconds * 1000;
      }
      next.payload = point.payload;
      if (record) drop(point.id, *record);
      std::vector<Tail::Value> vectors;
      for (const PreparedVector& vector : point.vectors) vectors.push_back({vector.slot, vector.bytes});
      put(point.id, record, std::move(next), std::move(vectors));
    }
    for (const PointId& id : operation.remove) {
      if (points_.at(id)) remove(id);
    }
  }

  void apply_one(const UpdateVectors& operation) {
    for (size_t i = 0; i < prepared_->points.size(); ++i) {
      const PreparedPoint& point = prepared_->points[i];
      Record& record = points_.at(point.id);
      if (!record || (!operation.expected_versions.empty() && record->version != operation.expected_versions[i])) {
        ++written_.missing;
        continue;
      }
      std::vector<Tail::Value> vectors;
      for (const PreparedVector& vector : point.vectors) vectors.push_back({vector.slot, vector.bytes});
      for (uint16_t slot : live_slots(*record)) {
        if (std::none_of(vectors.begin(), vectors.end(), [&](const Tail::Value& v) { return v.slot == slot; })) {
          vectors.push_back({slot, kept_bytes(*record, slot)});
        }
      }
      replace_vectors(point.id, record, std::move(vectors));
    }
  }

  void apply_one(const DeleteVectors& operation) {
    for (const PointId& id : operation.ids) {
      Record& record = points_.at(id);
      if (!record) {
        ++written_.missing;
        continue;
      }
      std::vector<Tail::Value> vectors;
      const std::vector<uint16_t> slots = live_slots(*record);
      for (uint16_t slot : slots) {
        if (std::find(prepared_->slots.begin(), prepared_->slots.end(), slot) == prepared_->slots.end()) {
          vectors.push_back({slot, kept_bytes(*record, slot)});
        }
      }
      if (vectors.size() == slots.size()) continue;  // it has none of them
      replace_vectors(id, record, std::move(vectors));
    }
  }

  void apply_one(const ChangePayload& operation) {
    for (const PointId& id : operation.ids) {
      Record& record = points_.at(id);
      if (!record) {
        ++written_.missing;
        continue;
      }
      record->payload = changed_payload(operation, record->payload);
      record->version = written_.version;
      batch.put_point(id, *record);
      batch.mark_changed(record->row, record->version);
      changes.push_back(record->row);
      ++written_.updated;
    }
  }

  void apply_one(const DeletePoints& operation) {
    for (const PointId& id : operation.ids) {
      Record& record = points_.at(id);
      // It may have been given more time since its id was looked up.
      const bool has_time = record && operation.expired_by_ms &&
                            (record->expires_ms == 0 || record->expires_ms > *operation.expired_by_ms);
      if (!record || has_time) {
        ++written_.missing;
        continue;
      }
      remove(id);
    }
  }

  // REQUIRES: it is there.
  void remove(const PointId& id) {
    Record& record = points_.at(id);
    drop(id, *record);
    batch.remove_point(id);
    record.reset();
    --state_.points;
    ++written_.removed;
  }

  static std::string changed_payload(const ChangePayload& operation, const std::string& payload) {
    switch (operation.change) {
      case PayloadChange::merge:
        return merge_payload(payload, operation.key, operation.payload);
      case PayloadChange::overwrite:
        return operation.payload;
      case PayloadChange::remove:
        return remove_keys(payload, operation.keys);
      case PayloadChange::clear:
        return {};
    }
    return {};
  }

  // Of the vectors that the collection has; a record may name others that were removed.
  std::vector<uint16_t> live_slots(const PointRecord& record) const {
    std::vector<uint16_t> slots;
    for (const VectorConfig& vector : view_.config->vectors) {
      if (std::binary_search(record.slots.begin(), record.slots.end(), vector.slot)) slots.push_back(vector.slot);
    }
    return slots;
  }

  // A vector that a point keeps although its row changes.
  std::string_view kept_bytes(const PointRecord& record, uint16_t slot) {
    // It may have been written by this very group, whose rows follow one another.
    if (!appends.empty() && record.row >= appends.front().row) {
      for (const Tail::Value& value : appends[record.row - appends.front().row].vectors) {
        if (value.slot == slot) return value.bytes;
      }
    }
    std::optional<std::string> bytes = view_.truth->vector(record.row, slot, nullptr);
    if (!bytes) {
      throw Error(ErrorCode::corrupted,
                  fmt::format("{}: row {} has no vector in slot {}", view_.truth->where(), record.row, slot));
    }
    return kept_.emplace_back(std::move(*bytes));
  }

  void replace_vectors(const PointId& id, Record& record, std::vector<Tail::Value> vectors) {
    std::sort(vectors.begin(), vectors.end(),
              [](const Tail::Value& a, const Tail::Value& b) { return a.slot < b.slot; });
    ++written_.updated;
    PointRecord next;
    next.expires_ms = record->expires_ms;
    next.payload = record->payload;
    drop(id, *record);
    put(id, record, std::move(next), std::move(vectors));
  }

  // What a point had before it gets a new row or goes.
  void drop(const PointId& id, const PointRecord& record) {
    batch.kill_row(record.row, record.slots);
    if (record.expires_ms != 0) batch.remove_expiry(record.expires_ms, id);
    deaths.push_back(record.row);
  }

  void put(const PointId& id, Record& record, PointRecord&& next, std::vector<Tail::Value> vectors) {
    next.row = state_.next_row++;
    next.version = written_.version;
    for (const Tail::Value& vector : vectors) {
      next.slots.push_back(vector.slot);
      batch.put_vector(next.row, vector.slot, vector.bytes);
    }
    batch.put_row_id(next.row, id);
    batch.put_point(id, next);
    if (next.expires_ms != 0) {
      batch.put_expiry(next.expires_ms, id);
      earliest_expiry_ms = std::min(earliest_expiry_ms, next.expires_ms);
    }
    appends.push_back({next.row, id, std::move(vectors)});
    record = std::move(next);
  }

  const View& view_;
  TruthState& state_;
  uint64_t now_ms_;
  const Prepared* prepared_ = nullptr;
  Written written_;
  std::unordered_map<PointId, Record, PointIdHash> points_;
  std::deque<std::string> kept_;  // what appends point into

 public:
  Truth::Batch batch;
};

void PointStore::write_group(std::vector<Pending*>& group) {
  std::lock_guard lock(write_mutex_);
  if (must_reopen()) reopen_after_failure();
  const ViewPointer now = view();
  const uint64_t now_ms = this->now_ms();
  if (group.front()->filter) {
    std::vector<PointId> ids;
    const ViewPointer found = without_expired(now, now_ms);
    FilterRows rows(*found, *group.front()->filter);
    rows.for_each([&](const PointId& id) { ids.push_back(id); });
    std::visit(
        [&](auto& operation) {
          if constexpr (requires { operation.ids; }) operation.ids = std::move(ids);
        },
        group.front()->found);
  }
  Group changes(*now, state_, now_ms);
  std::vector<std::pair<Pending*, Written>> done;
  try {
    changes.look_up(group);
    for (Pending* pending : group) {
      if (!pending->prepared.fits(*now->config)) {
        pending->error = std::make_exception_ptr(Error(
            ErrorCode::unavailable, "the collection's vectors changed while this was written; it was not, try again"));
        continue;
      }
      try {
        done.emplace_back(pending, changes.apply(pending->prepared));
      } catch (const Error& error) {
        // check() refused it before it did anything; what goes wrong later concerns them all.
        if (error.code() != ErrorCode::invalid_argument) throw;
        pending->error = std::current_exception();
      }
    }
  } catch (...) {
    state_.points = now->state.points;
    throw;
  }
  if (done.empty()) {
    state_.points = now->state.points;
    return;
  }
  changes.batch.put_state(state_);
  const bool sync = now->config->durability == Durability::sync;
  // Until the view has it, too: where this ends before, whether the disk has it is not known. The numbers that it took
  // are not used again, and what there is is read again before the next write.
  failed_ = true;
  now->truth->write(changes.batch, sync);
  if (sync) high_mark_.raise(state_.version);
  auto next = std::make_shared<View>(*now);
  next->state = state_;
  for (const Group::Append& append : changes.appends) {
    TailPart* part = &next->tails.back();
    if (!part->tail->append(append.row, append.id, append.vectors)) {
      part->row_end = append.row;
      TailPart fresh;
      fresh.tail = std::make_shared<Tail>(*next->config, next->config->tail_rows_max);
      fresh.row_begin = append.row;
      next->tails.push_back(std::move(fresh));
      part = &next->tails.back();
      if (!part->tail->append(append.row, append.id, append.vectors)) {
        throw Error(ErrorCode::internal, fmt::format("point {} finds no room", append.id.text()));
      }
    }
    part->count = part->tail->size();
  }
  write_pace_.add(changes.appends.size());
  for (uint64_t row : changes.deaths) next->kill(row);
  bool work = next->tails.size() > now->tails.size() || !changes.deaths.empty();
  for (uint64_t row : changes.changes) {
    SegmentPart* part = next->segment_of(row);
    if (part == nullptr) continue;
    const std::optional<uint32_t> flag = part->flag_of(row);
    if (flag && part->changed.add(*flag)) work = work || wants_payload_index(*next, *part);
  }
  if (next->tails.size() > kTailsThatWait) give_way_ = true;
  publish(std::move(next));
  failed_ = false;
  note_expiry(changes.earliest_expiry_ms);
  for (auto& [pending, written] : done) pending->written = written;
  if (work) wake();
}

}  // namespace sextant::store
