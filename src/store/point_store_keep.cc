// What happens in the background: segments are made of the newest rows, merged, and made again where they are damaged.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/files.h"
#include "base/threads.h"
#include "sextant/error.h"
#include "store/point_store.h"

namespace sextant::store {
namespace {

// So many newest rows are worth a segment although there is room for more.
constexpr size_t kRowsOfASegment = 1000;
// Tails that wait for a graph; more are written to the disk first. So are these, where rows come far too fast for
// graphs.
constexpr size_t kTailsInMemory = 8;
constexpr size_t kTailsInFlood = 2;
// Tails at which writers wait for the disk.
constexpr size_t kTailsMax = 64;
// Segments are made in haste while rows come at more than this part of the speed at which they are linked.
constexpr double kHastyPart = 0.25;
// Beyond this one none are made at all before the flood is over.
constexpr double kFloodPart = 1.5;
constexpr auto kHasteLasts = std::chrono::milliseconds(250);
constexpr auto kRoomEvery = std::chrono::milliseconds(20);
// How fast graphs are made is believed so much less with each segment that is made without one.
constexpr double kBelief = 0.95;
// After so long what failed is tried again.
constexpr auto kRetryAfter = std::chrono::seconds(5);

// Whether this thread works in the background.
thread_local bool is_keeper = false;

std::vector<PartSize> sizes_of(const View& view) {
  std::vector<PartSize> parts;
  for (const SegmentPart& part : view.segments) {
    parts.push_back({{part.info.row_begin, part.info.row_end},
                     part.info.rows,
                     part.dead.count(),
                     part.info.kind != SegmentKind::flat,
                     !part.segment && part.info.rows > 0,
                     part.info.kind == SegmentKind::hasty});
  }
  for (const TailPart& part : view.tails) {
    if (part.is_frozen())
      parts.push_back({{part.row_begin, part.row_end}, part.count, part.dead.count(), false, false, false});
  }
  return parts;
}

// Whether there is something left to do that was put off.
bool has_unfinished(const View& view) {
  return view.tails.size() > 1 || std::any_of(view.segments.begin(), view.segments.end(), [](const SegmentPart& part) {
           return part.info.kind != SegmentKind::complete;
         });
}

// What the rows take that wait for a graph.
size_t frozen_bytes(const View& view) {
  size_t bytes = 0;
  for (const TailPart& part : view.tails) bytes += part.is_frozen() ? part.tail->memory_bytes() : 0;
  return bytes;
}

// Whether more rows may come. One tail that is written and one that goes to the disk there must be, however large.
bool has_room(const View& view, size_t memory_bytes) {
  return view.tails.size() <= 2 || (view.tails.size() <= kTailsMax && frozen_bytes(view) <= memory_bytes);
}

}  // namespace

// A segment that is to be made.
struct PointStore::Build {
  RowRange range;
  uint64_t opening;  // that RANGE was chosen in
  SegmentKind kind;
  const std::atomic<bool>& stop;
};

void PointStore::wake() const {
  std::lock_guard lock(keep_mutex_);
  stop_tidying_ = true;
  ++wakes_;
  keep_changed_.notify_all();
}

void PointStore::keep() {
  base::lower_thread_priority();
  is_keeper = true;
  std::unique_lock lock(keep_mutex_);
  bool rest = false, failed = false, tidied = false;
  while (!stopping_) {
    const uint64_t wakes = wakes_;
    busy_ = true;
    lock.unlock();
    std::string error;
    bool worked = false, put_off = false;
    try {
      std::lock_guard build_lock(build_mutex_);
      worked = build_next(rest);
      if (!worked) index_payloads();
      if (!worked) sweep_vectors();
      if (!worked && rest && view()->tails.back().count >= kRowsOfASegment) {
        // Nothing more comes, so what there is gets indexes, too.
        freeze_tail();
        worked = true;
      }
      if (!worked && rest && !tidied) {
        view()->truth->compact_deleted(stop_tidying_);
        tidied = true;
      }
      put_off = has_unfinished(*view());
    } catch (const std::exception& caught) {
      error = caught.what();
    }
    lock.lock();
    busy_ = false;
    rest = rest && wakes_ == wakes;
    failed = !error.empty();
    if (!stop_builds_) last_error_ = error;
    if (worked && !failed) continue;
    if (!failed && put_off) {
      // There is still haste.
      keep_changed_.wait_for(lock, kHasteLasts, [&] { return stopping_; });
      rest = false;
      continue;
    }
    looked_at_ = wakes;
    keep_changed_.notify_all();
    const auto woken = [&] { return stopping_ || wakes_ != wakes; };
    if (failed) {
      keep_changed_.wait_for(lock, kRetryAfter, [&] { return stopping_; });
      rest = false;
    } else {
      rest = !keep_changed_.wait_for(lock, options_.rest_after, woken);
      if (rest && !stop_builds_) stop_tidying_ = false;
      tidied = tidied && rest;
    }
  }
}

// So that memory is bounded whatever the disk does. Where segments cannot be made, writing goes on: what it needs is
// there as long as the memory is.
void PointStore::wait_for_room() {
  std::unique_lock lock(keep_mutex_);
  while (options_.background && !stopping_ && last_error_.empty()) {
    lock.unlock();
    if (has_room(*view(), resources_.memory_bytes) || spill()) return;
    lock.lock();
    keep_changed_.wait_for(lock, kRoomEvery);
  }
}

// Writes the rows that wait for an index to the disk without one, beside whatever else is done, which may take minutes.
// False where that is not to be had now: a segment is made of some of them (and the list of segments has no holes), in
// the background without a graph from now on, or another thread is at it. REQUIRES: no lock of the store is held, nor a
// view.
bool PointStore::spill() {
  std::unique_lock choice(choice_mutex_, std::try_to_lock);
  if (!choice.owns_lock()) return false;
  try {
    const uint64_t opening = openings_;
    RowRange range;
    {
      const ViewPointer view = this->view();
      range = {view->tails.front().row_begin, view->tails.back().row_begin};
    }
    if (range.begin == range.end) return false;
    if (range.begin < building_end_) {
      no_room_ = true;
      return false;
    }
    make_segment({range, opening, SegmentKind::flat, stop_builds_}, spilling_);
  } catch (const Error&) {
    // The write that waits meets what is wrong itself.
    return !stop_builds_;
  }
  return true;
}

// Makes the segment that is wanted most. REQUIRES: build_mutex_ is held.
bool PointStore::build_next(bool rest) {
  std::unique_lock choice(choice_mutex_);
  // Before the ranges are looked at.
  const uint64_t opening = openings_;
  std::optional<Merge> merge;
  SegmentKind kind = SegmentKind::complete;
  const Pace pace = is_keeper ? this->pace(rest) : Pace::work;
  {
    const ViewPointer view = this->view();
    const size_t frozen = view->tails.size() - 1;
    const bool many = frozen > kTailsInMemory || frozen_bytes(*view) > resources_.memory_bytes / 2;
    if (frozen > 0 && (many || (pace == Pace::flood && frozen >= kTailsInFlood))) {
      // Rows come faster than graphs are made of them. They go to the disk as they are, before they fill the memory.
      merge = Merge{{view->tails.front().row_begin, view->tails[frozen - 1].row_end}};
      kind = SegmentKind::flat;
    } else {
      merge = next_merge(sizes_of(*view), pace);
      if (pace == Pace::haste) kind = SegmentKind::hasty;
    }
  }
  if (!merge) return false;
  // Those who stop builds set one after the other.
  give_way_ = no_room_ = false;
  if (stop_builds_) give_way_ = no_room_ = true;
  const bool gives_room = is_keeper && kind != SegmentKind::flat;
  const std::atomic<bool>& stop = merge->can_wait ? give_way_ : gives_room ? no_room_ : stop_builds_;
  const auto begin = std::chrono::steady_clock::now();
  try {
    build(std::move(choice), {merge->range, opening, kind, stop});
  } catch (const Error&) {
    // It is begun anew when there is time.
    if (!stop || stop_builds_) throw;
    if (!merge->can_wait) {
      // Not half of it was done, say.
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      const auto rows = static_cast<double>(merge->range.end - merge->range.begin);
      build_seconds_per_row_ = std::max(build_seconds_per_row_, 2 * seconds / rows);
    }
  }
  if (kind == SegmentKind::flat) build_seconds_per_row_ *= kBelief;
  return true;
}

// How fast rows come, measured by how fast they can be linked. REQUIRES: build_mutex_ is held.
Pace PointStore::pace(bool rest) const {
  const std::shared_ptr<const StoreConfig> config = view()->config;
  const bool has_graphs = std::any_of(config->vectors.begin(), config->vectors.end(), [](const VectorConfig& vector) {
    return vector.kind != VectorKind::sparse && vector.index == IndexKind::graph;
  });
  // What is not linked is made as well as it can be at once.
  if (!has_graphs) return rest ? Pace::rest : Pace::work;
  std::lock_guard lock(write_mutex_);
  const double part = write_pace_.rows_per_second() * build_seconds_per_row_;
  if (part > kFloodPart) return Pace::flood;
  if (part > kHastyPart) return Pace::haste;
  return rest ? Pace::rest : Pace::work;
}

// CHOICE: of choice_mutex_, under which the rows were chosen. REQUIRES: build_mutex_ is held.
void PointStore::build(std::unique_lock<std::mutex> choice, const Build& wanted) {
  building_end_ = wanted.range.end;
  choice.unlock();
  const auto end = [&] {
    choice.lock();
    building_end_ = 0;
  };
  try {
    make_segment(wanted, building_);
  } catch (...) {
    end();
    throw;
  }
  end();
}

// NUMBER: where that of the segment is to be found meanwhile.
void PointStore::make_segment(const Build& wanted, std::atomic<uint64_t>& number) {
  SegmentInfo info;
  info.number = next_segment_++;
  info.row_begin = wanted.range.begin;
  info.row_end = wanted.range.end;
  const std::filesystem::path folder = segment_folder(info.number);
  // The background leaves half of the processors to those who wait for an answer.
  const size_t all = options_.threads == 0 ? base::default_thread_count() : options_.threads;
  const size_t threads = is_keeper ? std::max<size_t>(1, all / 2) : all;
  number = info.number;
  const auto begin = std::chrono::steady_clock::now();
  try {
    ViewPointer view = this->view();
    const std::shared_ptr<const StoreConfig> config = view->config;
    info.version = view->state.version;
    // An index takes minutes, and the truth cannot be opened again while anybody looks at it.
    info = Segment::build(
        folder, info, *config, *view->moment,
        {.threads = threads, .kind = wanted.kind, .stop = &wanted.stop, .gathered = [&] { view.reset(); }});
  } catch (...) {
    base::remove_all(folder);
    number = 0;
    throw;
  }
  if (wanted.kind != SegmentKind::flat && info.rows >= kRowsOfASegment) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    build_seconds_per_row_ = (wanted.kind == SegmentKind::hasty ? 2 : 1) * seconds / static_cast<double>(info.rows);
  }
  take_segment(info, wanted.opening, number);
}

// Puts a segment in the place of the parts that have its rows.
void PointStore::take_segment(const SegmentInfo& info, uint64_t opening, std::atomic<uint64_t>& number) {
  const std::filesystem::path folder = segment_folder(info.number);
  std::shared_ptr<const Segment> segment;
  try {
    if (info.rows > 0) segment = std::make_shared<const Segment>(folder, info, *view()->config);
  } catch (...) {
    base::remove_all(folder);
    number = 0;
    throw;
  }
  std::lock_guard lock(write_mutex_);
  number = 0;
  if (failed_ || opening != openings_) {
    base::remove_all(folder);
    throw Error(ErrorCode::unavailable,
                fmt::format("{}: a write failed while a segment was made; it is made again", folder_.string()));
  }
  const ViewPointer now = view();
  auto next = std::make_shared<View>(*now);
  SegmentPart part;
  part.info = info;
  part.segment = segment;
  if (segment) part.payload = segment->payload_index(now->config->payload_schema, now->state.version);
  Truth::Batch batch(*now->truth);
  // What died or changed while it was made.
  now->truth->for_marks(info.row_begin, info.row_end, [&](const Truth::Mark& mark) {
    const std::optional<uint32_t> place = segment ? segment->find(mark.row) : std::nullopt;
    if (mark.dead && place) {
      part.dead.add(*place);
    } else if (mark.dead) {
      batch.unmark_dead(mark.row);
    } else if (place && mark.version > part.payload_version()) {
      part.changed.add(*place);
    } else {
      batch.unmark_changed(mark.row);
    }
  });
  auto inside = [&](uint64_t begin, uint64_t end) { return begin >= info.row_begin && end <= info.row_end; };
  std::vector<std::shared_ptr<const Segment>> replaced;
  std::erase_if(next->segments, [&](const SegmentPart& old) {
    if (!inside(old.info.row_begin, old.info.row_end)) return false;
    if (old.segment) replaced.push_back(old.segment);
    return true;
  });
  std::erase_if(next->tails, [&](const TailPart& old) { return inside(old.row_begin, old.row_end); });
  const auto at = std::find_if(next->segments.begin(), next->segments.end(),
                               [&](const SegmentPart& other) { return other.info.row_begin >= info.row_end; });
  next->segments.insert(at, std::move(part));
  std::vector<SegmentInfo> infos;
  for (const SegmentPart& listed : next->segments) infos.push_back(listed.info);
  batch.put_segments(write_segments(infos));
  // Where this fails it is not known which list the disk has. Both are good, and the folders of the other are removed
  // when that is known.
  failed_ = true;
  now->truth->write(batch, true);
  publish(std::move(next));
  failed_ = false;
  for (const auto& old : replaced) old->make_obsolete();
}

void PointStore::freeze_tail() {
  check_writable();
  std::lock_guard lock(write_mutex_);
  if (must_reopen()) reopen_after_failure();
  const ViewPointer now = view();
  if (now->tails.back().count == 0) return;
  auto next = std::make_shared<View>(*now);
  next->tails.back().row_end = state_.next_row;
  TailPart fresh;
  fresh.tail = std::make_shared<Tail>(*next->config, next->config->tail_rows_max);
  fresh.row_begin = state_.next_row;
  next->tails.push_back(std::move(fresh));
  publish(std::move(next));
}

void PointStore::flush() {
  freeze_tail();
  std::lock_guard build_lock(build_mutex_);
  while (build_next(false)) {
  }
  index_payloads();
}

void PointStore::wait() {
  if (!options_.background || options_.read_only) return;
  std::unique_lock lock(keep_mutex_);
  keep_changed_.wait(lock, [&] { return stopping_ || (!busy_ && looked_at_ == wakes_); });
  if (!last_error_.empty()) throw Error(ErrorCode::unavailable, last_error_);
}

void PointStore::rebuild() {
  freeze_tail();
  std::lock_guard build_lock(build_mutex_);
  const uint64_t opening = openings_;
  std::vector<RowRange> ranges;
  {
    const ViewPointer view = this->view();
    for (const SegmentPart& part : view->segments) ranges.push_back({part.info.row_begin, part.info.row_end});
  }
  for (const RowRange& range : ranges) {
    build(std::unique_lock(choice_mutex_), {range, opening, SegmentKind::complete, stop_builds_});
  }
  while (build_next(false)) {
  }
}

void PointStore::compact() {
  freeze_tail();
  std::lock_guard build_lock(build_mutex_);
  {
    std::unique_lock choice(choice_mutex_);
    const uint64_t opening = openings_;
    uint64_t covered = 0, end = 0;
    bool single = false;
    {
      const ViewPointer view = this->view();
      covered = view->tails.front().row_begin;
      end = view->tails.back().row_begin;
      single = view->segments.size() == 1 && view->tails.size() == 1 && view->segments[0].dead.empty() &&
               view->segments[0].segment && view->segments[0].info.kind == SegmentKind::complete;
    }
    // To the disk with what waits, so that those that come meanwhile can follow.
    if (covered < end) make_segment({{covered, end}, opening, SegmentKind::flat, stop_builds_}, spilling_);
    if (end > 0 && !single) build(std::move(choice), {{0, end}, opening, SegmentKind::complete, stop_builds_});
  }
  sweep_vectors();
  view()->truth->compact();
}

void PointStore::mark_damaged(const std::shared_ptr<const Segment>& segment, const std::string& what) const {
  {
    std::lock_guard lock(write_mutex_);
    const ViewPointer now = view();
    auto next = std::make_shared<View>(*now);
    for (SegmentPart& part : next->segments) {
      if (part.segment != segment) continue;
      part.damage = what;
      part.payload = nullptr;
      part.dead = part.changed = {};
      part.segment = nullptr;
      now->truth->for_marks(part.info.row_begin, part.info.row_end, [&](const Truth::Mark& mark) {
        if (mark.dead) part.dead.add(*part.flag_of(mark.row));
      });
    }
    publish(std::move(next));
  }
  wake();
}

std::vector<std::string> PointStore::verify() {
  std::vector<std::string> found;
  std::vector<std::shared_ptr<const Segment>> segments;
  try {
    const ViewPointer view = this->view();
    for (const SegmentPart& part : view->segments) {
      if (part.segment) {
        segments.push_back(part.segment);
      } else if (part.info.rows > 0) {
        found.push_back(part.damage);
      }
    }
    view->truth->verify();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupted) throw;
    found.push_back(error.what());
  }
  for (const std::shared_ptr<const Segment>& segment : segments) {
    try {
      segment->verify();
    } catch (const Error& error) {
      found.push_back(error.what());
      mark_damaged(segment, error.what());
    }
  }
  return found;
}

}  // namespace sextant::store
