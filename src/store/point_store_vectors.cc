// Named vectors that come and go while the collection is in use.
#include <fmt/format.h>

#include <algorithm>

#include "sextant/error.h"
#include "store/point_store.h"

namespace sextant::store {
namespace {

// Points that are looked at between two writes of a sweep.
constexpr size_t kSweepPoints = 4096;

std::vector<PointId> lacking_in(const View& view, const VectorConfig& config, uint64_t row_begin,
                                const Truth::Moment* moment, size_t limit) {
  std::vector<PointId> ids;
  view.truth->for_rows(row_begin, UINT64_MAX, moment, [&](const Truth::RowVectors& row) {
    const bool has = std::any_of(row.vectors.begin(), row.vectors.end(),
                                 [&](const auto& vector) { return vector.slot == config.slot; });
    if (!has) ids.push_back(row.id);
    return ids.size() < limit;
  });
  return ids;
}

}  // namespace

PointStore::Lacking PointStore::lacking(std::string_view name, uint64_t row_begin) const {
  const ViewPointer view = this->view();
  Lacking found;
  found.ids = lacking_in(*view, view->config->at(name), row_begin, view->moment.get(), SIZE_MAX);
  found.next_row = view->state.next_row;
  return found;
}

bool PointStore::change_vectors(const VectorsChange& change) {
  check_writable();
  {
    std::lock_guard lock(write_mutex_);
    if (must_reopen()) reopen_after_failure();
    const ViewPointer now = view();
    if (change.complete) {
      const VectorConfig& config = now->config->at(change.complete->name);
      if (!lacking_in(*now, config, change.complete->row_begin, nullptr, 1).empty()) return false;
    }
    const auto config = std::make_shared<const StoreConfig>(changed(*now->config, change));
    auto next = std::make_shared<View>(*now);
    next->config = config;
    // A tail has room for the vectors that there were when it was made.
    if (!change.add.empty()) {
      TailPart fresh;
      fresh.tail = std::make_shared<Tail>(*config, config->tail_rows_max);
      fresh.row_begin = next->tails.back().row_begin;
      if (next->tails.back().count == 0) {
        next->tails.pop_back();
      } else {
        fresh.row_begin = next->tails.back().row_end = state_.next_row;
      }
      next->tails.push_back(std::move(fresh));
    }
    std::vector<std::shared_ptr<const Segment>> reduced;
    for (SegmentPart& part : next->segments) {
      if (!part.segment || !part.segment->has_other_vectors(*config)) continue;
      try {
        auto without = std::make_shared<const Segment>(part.segment->folder(), part.info, *config);
        reduced.push_back(std::exchange(part.segment, std::move(without)));
      } catch (const Error&) {
        // It serves as it is: nobody asks for what it has too much, which goes when it is merged.
      }
    }
    Truth::Batch batch(*now->truth);
    batch.put_config(*config);
    failed_ = true;
    now->truth->write(batch, true);
    publish(std::move(next));
    failed_ = false;
    for (const auto& segment : reduced) segment->remove_other_vectors(*config);
  }
  wake();
  return true;
}

// Takes the vectors that the collection does not have any more out of the truth. Rows that are written meanwhile have
// none of them. REQUIRES: build_mutex_ is held.
void PointStore::sweep_vectors() {
  const std::vector<uint16_t> dropped = view()->config->dropped_slots;
  if (dropped.empty()) return;
  auto is_dropped = [&](uint16_t slot) { return std::find(dropped.begin(), dropped.end(), slot) != dropped.end(); };
  std::optional<PointId> from;
  do {
    if (stop_builds_) throw Error(ErrorCode::unavailable, "stopped");
    std::vector<std::pair<uint64_t, uint16_t>> gone;  // row, slot
    std::optional<PointId> next_from;
    {
      const ViewPointer view = this->view();
      size_t seen = 0;
      view->truth->for_points(from, view->moment.get(), [&](const PointId& id, PointRecord&& record) {
        if (seen++ == kSweepPoints) {
          next_from = id;
          return false;
        }
        for (uint16_t slot : record.slots) {
          if (is_dropped(slot)) gone.emplace_back(record.row, slot);
        }
        return true;
      });
    }
    from = next_from;
    if (from && gone.empty()) continue;
    std::lock_guard lock(write_mutex_);
    if (must_reopen()) reopen_after_failure();
    const ViewPointer now = view();
    Truth::Batch batch(*now->truth);
    for (const auto& [row, slot] : gone) batch.remove_vector(row, slot);
    auto next = std::make_shared<View>(*now);
    if (!from) {
      StoreConfig config = *now->config;
      std::erase_if(config.dropped_slots, is_dropped);
      batch.put_config(config);
      next->config = std::make_shared<const StoreConfig>(std::move(config));
    }
    failed_ = true;
    now->truth->write(batch, !from);
    if (!from) publish(std::move(next));
    failed_ = false;
  } while (from);
}

}  // namespace sextant::store
