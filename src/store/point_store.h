// store/point_store.h: the points of one collection: written durably, searched from indexes, never lost.
//
//   store::PointStore::create(folder, config, resources);
//   store::PointStore store(folder, resources, {});
//   store.write(store::UpsertPoints{{{PointId::of(1), {{"", {{0.1f, 0.2f}}}}, R"({"color": "red"})"}}});
//   auto answer = store.search({.query = {{0.1f, 0.2f}}, .limit = 10});
//
// A write is one batch of the truth (store/truth.h), acknowledged when it is on the disk; writers that come together
// share one. New rows are compared one by one (store/tail.h) until a thread in the background has made a segment of
// them (store/segment.h). Every read sees one moment (store/view.h).
// When the disk fails or is full, writes fail and reads go on; once it takes bytes again, the truth is opened again, by
// the next write or within a second, and all is as before.
//
//   truth/        RocksDB
//   segments/     NUMBER/: a Segment each
//   acknowledged  the HighMark
// Threads: all members from many.     One process at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "store/high_mark.h"
#include "store/merge_policy.h"
#include "store/operation.h"
#include "store/payload/facet_counter.h"
#include "store/payload/field_index.h"
#include "store/payload/filter.h"
#include "store/reading.h"
#include "store/snapshot.h"
#include "store/view.h"
#include "store/write_pace.h"

namespace sextant::store {

struct StoreOptions {
  size_t threads = 0;      // of builds; 0: all processors
  bool background = true;  // false: segments are made by flush() alone, for tests
  // Nothing on the disk is changed: writes, and whatever makes segments, throw unsupported.
  bool read_only = false;
  // After so long without a write the background tidies up: small segments are merged, the truth is compacted.
  std::chrono::milliseconds rest_after = std::chrono::seconds(5);
  // A segment's index of payloads is made again where more of its rows changed since, and more than a twentieth of
  // them.
  size_t changed_rows_max = 1000;
  // Milliseconds since 1970; the system's clock where empty.
  std::function<uint64_t()> now_ms = {};
};

struct StoreInfo {
  uint64_t points = 0;
  uint64_t version = 0;
  uint64_t indexed_points = 0;  // in segments
  struct SegmentState {
    SegmentInfo info;
    uint64_t dead = 0;
    uint64_t disk_bytes = 0;
    std::string damage;
  };
  std::vector<SegmentState> segments;
  uint64_t tail_rows = 0;
  uint64_t truth_bytes = 0;
  bool busy = false;       // something is being built
  std::string last_error;  // of the background, empty where there is none
};

class PointStore {
 public:
  // Throws already_exists, invalid_argument.
  static void create(const std::filesystem::path& folder, const StoreConfig& config, const TruthResources& resources);
  // Throws not_found, corrupted, unavailable (another process has it).
  PointStore(const std::filesystem::path& folder, const TruthResources& resources, const StoreOptions& options);
  PointStore(const PointStore&) = delete;
  PointStore& operator=(const PointStore&) = delete;
  // Waits for what is being written; what is being built is given up.
  ~PointStore();

  std::shared_ptr<const StoreConfig> config() const { return view()->config; }

  // Returns when it is as durable as the collection says. Throws invalid_argument (naming the point and the field; no
  // part of it was done), exhausted (the disk is full) or unavailable: then it is not acknowledged, and once writes
  // work again it is either there as a whole or not at all; to write it again is safe.
  Written write(const Operation& operation);
  // The same for the points that FILTER finds at that moment, instead of operation's ids, which must be empty.
  // REQUIRES: it is DeletePoints, ChangePayload or DeleteVectors.
  Written write_where(const Filter& filter, Operation operation);

  SearchAnswer search(const SearchRequest& request) const;
  // In the order of ids, nullopt where one is not there.
  std::vector<std::optional<StoredPoint>> get(std::span<const PointId> ids, const Fields& fields = {}) const;
  ScrollAnswer scroll(const ScrollRequest& request) const;
  // Of equal values the smaller id first. An index on the key makes it fast; without one all payloads are read, and
  // their numbers count.
  std::vector<OrderedPoint> ordered(const OrderRequest& request) const;
  // LIMIT points of those that FILTER finds, each as likely as another, in no order; the same seed and points, the same
  // answer.
  std::vector<StoredPoint> sample(size_t limit, const std::optional<Filter>& filter, uint64_t seed,
                                  const Fields& fields = {}) const;
  uint64_t count() const;
  uint64_t count(const Filter& filter) const;
  StoreInfo info() const;

  // Indexes a field of payloads, in another way than before or not any more (nullopt): returns when all segments have
  // it. Filters on it answer all the while. Throws not_found, exhausted (too many).
  void set_payload_field(const KeyPath& path, const std::optional<FieldSchema>& field);

  // Adds and removes named vectors: there whole or not at all, also after a crash. Points have none of an added vector
  // until they are written; a removed one's bytes in segments go at once, those in the truth by the background, and
  // never come back: slots are not used twice. Writes that were made ready for other vectors fail: unavailable. False,
  // and nothing is done, where change.complete does not hold.
  bool change_vectors(const VectorsChange& change);
  // The points in rows from ROW_BEGIN on that lack the vector NAME.
  struct Lacking {
    std::vector<PointId> ids;
    uint64_t next_row = 0;  // what is written from now on has this row or a later one
  };
  Lacking lacking(std::string_view name, uint64_t row_begin) const;

  // The values of a field, each with how many of FILTER's points have it, the most frequent first. Indexes are used
  // where there are some.
  std::vector<FacetCount> facet(const KeyPath& path, const std::optional<Filter>& filter, size_t limit) const;

  // What there is now, in one file. Not by who only reads: files are linked in the collection's folder meanwhile.
  SnapshotReport snapshot(const std::filesystem::path& path) const;

  // Makes segments of all rows there are now, and the indexes of payloads that are wanted, and waits for them.
  void flush();
  // Waits until the background has nothing left to do.
  void wait();
  // Throws all segments away and makes them again from the truth.
  void rebuild();
  // Merges what there is into one segment and gives the disk space of what was deleted back.
  void compact();
  // Reads the truth and every segment and compares the checksums; damaged segments are taken out of use, and made again
  // in the background. Returns what was wrong.
  std::vector<std::string> verify();

  // Whether a segment's rows come from the truth, because it cannot be read.
  bool has_damage() const;

  ViewPointer view() const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  struct Prepared;
  struct Pending;
  class Group;

  std::filesystem::path segment_folder(uint64_t number) const;
  std::shared_ptr<Truth> open_truth();
  void recover();
  void publish(std::shared_ptr<View> next) const;
  uint64_t now_ms() const;

  Prepared prepare(const Operation& operation) const;
  void check_writable() const;
  Written stand_in_line(Pending& pending);
  void write_group(std::vector<Pending*>& group);
  void heal();
  bool must_reopen() const;
  void reopen_after_failure();
  void note_synced();
  // What reads see now: nothing whose time has come. Such points are removed, and where that fails (the disk is full,
  // say), the view is one without them.
  ViewPointer read_view() const;
  // VIEW, or one like it without the points whose time came by NOW_MS. REQUIRES: those of before have been noted.
  ViewPointer without_expired(ViewPointer view, uint64_t now_ms) const;
  void note_expiry(uint64_t expires_ms) const;

  StoredPoint fill(const View& view, const PointId& id, PointRecord&& record, const Fields& fields) const;

  void keep();
  void keep_synced();
  bool build_next(bool rest);
  struct Build;
  void build(std::unique_lock<std::mutex> choice, const Build& wanted);
  void make_segment(const Build& wanted, std::atomic<uint64_t>& number);
  bool spill();
  Pace pace(bool rest) const;
  void wait_for_room();
  bool wants_payload_index(const View& view, const SegmentPart& part) const;
  void index_payloads();
  void sweep_vectors();
  void index_payloads(const std::shared_ptr<const Segment>& segment, uint64_t opening);
  void freeze_tail();
  void take_segment(const SegmentInfo& info, uint64_t opening, std::atomic<uint64_t>& number);
  void wake() const;
  // What finds damage is mostly a read.
  void mark_damaged(const std::shared_ptr<const Segment>& segment, const std::string& what) const;

  std::filesystem::path folder_;
  const TruthResources& resources_;
  StoreOptions options_;

  mutable std::mutex view_mutex_;  // for moments
  mutable std::condition_variable view_changed_;
  mutable ViewPointer view_;     // guarded by view_mutex_; nullptr while the truth is opened again
  mutable std::string no_view_;  // likewise: why that failed

  // The writers' line: the first in it writes for all.
  mutable std::mutex line_mutex_;
  std::condition_variable line_moved_;
  std::deque<Pending*> line_;
  bool leading_ = false;

  // Held by whoever makes the next view.
  mutable std::mutex write_mutex_;
  TruthState state_;      // guarded by write_mutex_; numbers that a failed write took are not used again
  bool failed_ = false;   // likewise: the truth must be opened again before the next write
  HighMark high_mark_;    // likewise
  WritePace write_pace_;  // likewise
  // How often the truth was opened: ranges of rows that were chosen before the last time mean nothing. Changed under
  // write_mutex_.
  std::atomic<uint64_t> openings_ = 0;
  std::shared_ptr<std::atomic<bool>> truth_open_;  // false once the last truth is closed, when all views of it are gone
  std::atomic<uint64_t> next_segment_ = 1;
  std::atomic<uint64_t> building_ = 0;  // the segment whose folder is being filled; 0: none
  std::atomic<uint64_t> spilling_ = 0;  // likewise, of one that is made beside it
  mutable std::mutex expiry_mutex_;     // held while expired points are removed, before write_mutex_
  mutable std::atomic<uint64_t> next_expiry_ms_ = UINT64_MAX;

  mutable std::mutex keep_mutex_;
  mutable std::condition_variable keep_changed_;  // work, or an end of it
  bool stopping_ = false;                         // guarded by keep_mutex_, as are those below
  bool busy_ = false;
  mutable uint64_t wakes_ = 0;
  uint64_t looked_at_ = 0;  // wakes that the keeper has answered
  std::string last_error_;
  std::mutex build_mutex_;                 // held while a segment is made: one at a time
  double build_seconds_per_row_ = 150e-6;  // guarded by build_mutex_: of a complete one, as the last ones tell
  // Held, after build_mutex_ and before write_mutex_, while the rows of a segment are chosen, and while one is spilled.
  std::mutex choice_mutex_;
  uint64_t building_end_ = 0;  // guarded by choice_mutex_: the end of the rows of the segment that is made; 0: none is
  std::atomic<bool> stop_builds_ = false;
  std::atomic<bool> give_way_ = false;              // builds that can wait end, too
  std::atomic<bool> no_room_ = false;               // and those of rows whose memory writers wait for
  static constexpr size_t kTailsThatWait = 2;       // so many are more urgent than those
  mutable std::atomic<bool> stop_tidying_ = false;  // there is something better to do
  std::thread keeper_;
  std::thread syncer_;
};

}  // namespace sextant::store
