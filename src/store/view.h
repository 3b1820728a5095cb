// store/view.h: a collection at one moment: what segments and tails hold, which of their rows are dead, and the truth
// as it was then. Readers take one and see nothing change; the writer makes the next from a copy.
//
// The parts cover consecutive ranges of rows, oldest first; together they have every row there is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "sextant/index.h"
#include "store/row_flags.h"
#include "store/segment.h"
#include "store/store_config.h"
#include "store/tail.h"
#include "store/truth.h"

namespace sextant::store {

struct SegmentPart {
  SegmentInfo info;
  std::shared_ptr<const Segment> segment;  // nullptr: it is damaged, and its rows are read from the truth
  std::string damage;                      // what was wrong with it
  // By places; where there is no segment, by rows counted from info.row_begin.
  RowFlags dead;
  std::shared_ptr<const PayloadIndex> payload;  // nullptr: payloads are looked at
  RowFlags changed;                             // rows whose payload is not what that index says

  // What dead leaves, made when a search first needs it.
  struct Alive {
    std::once_flag once;
    std::optional<AllowedIds> places;
  };
  std::shared_ptr<Alive> alive = std::make_shared<Alive>();

  std::optional<uint32_t> flag_of(uint64_t row) const {
    if (segment) return segment->find(row);
    return static_cast<uint32_t>(row - info.row_begin);
  }
  // The version of the truth that its index of payloads, or the segment itself, was made from.
  uint64_t payload_version() const { return payload ? payload->version() : info.version; }
  void kill(uint64_t row) {
    const std::optional<uint32_t> flag = flag_of(row);
    if (flag && dead.add(*flag)) alive = std::make_shared<Alive>();
  }
  bool is_dead(uint64_t row) const {
    const std::optional<uint32_t> flag = flag_of(row);
    return !flag || dead.contains(*flag);
  }
  uint64_t rows_alive() const { return info.rows - std::min<uint64_t>(info.rows, dead.count()); }
};

struct TailPart {
  std::shared_ptr<Tail> tail;
  uint64_t row_begin = 0;
  uint64_t row_end = UINT64_MAX;  // known once the next tail has begun
  size_t count = 0;               // rows of this moment
  RowFlags dead;

  bool is_frozen() const { return row_end != UINT64_MAX; }
};

struct View {
  std::shared_ptr<Truth> truth;
  std::shared_ptr<const StoreConfig> config;
  TruthState state;
  std::vector<SegmentPart> segments;
  std::vector<TailPart> tails;  // never empty; the last is being written
  std::shared_ptr<const Truth::Moment> moment;
  // Points whose time came by then are not there, although the truth has them still: their rows are dead, and they are
  // not counted. 0: there are no such points.
  uint64_t expired_by_ms = 0;

  // Whether a record of the truth is a point of this view.
  bool has(const PointRecord& record) const { return record.expires_ms == 0 || record.expires_ms > expired_by_ms; }
  // What has a row's vectors and flags.
  SegmentPart* segment_of(uint64_t row) {
    if (segments.empty() || row >= segments.back().info.row_end) return nullptr;
    const auto part = std::upper_bound(segments.begin(), segments.end(), row,
                                       [](uint64_t r, const SegmentPart& p) { return r < p.info.row_end; });
    return row < part->info.row_begin ? nullptr : &*part;
  }
  void kill(uint64_t row) {
    if (SegmentPart* part = segment_of(row)) return part->kill(row);
    for (TailPart& part : tails) {
      const size_t at = part.tail->find(row, part.count);
      if (at < part.count) part.dead.add(static_cast<uint32_t>(at));
    }
  }
};

using ViewPointer = std::shared_ptr<const View>;

}  // namespace sextant::store
