// store/filter_rows.h: which rows of a view satisfy a filter. Where no index can say so, payloads are looked at.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/payload/filter.h"
#include "store/payload/payload_match.h"
#include "store/payload/payload_reader.h"
#include "store/payload/row_set.h"
#include "store/view.h"

namespace sextant::store {

class FilterRows {
 public:
  // Both must outlive this.
  FilterRows(const View& view, const Filter& filter);

  // The places that may be found, place p being bit p % 64 of words[p / 64]; dead rows are left out.
  std::vector<uint64_t> places(const SegmentPart& part);
  std::vector<uint64_t> places(const TailPart& part);
  // Places of a segment that match, and those of which only their payloads tell.
  struct Bounds {
    std::vector<uint64_t> sure, maybe;
  };
  Bounds bounds(const SegmentPart& part);
  // Of the places of MAYBE, those whose points match stay.
  void look(const SegmentPart& part, std::vector<uint64_t>& maybe);
  // Whether each of the points, which are there, matches.
  std::vector<bool> look(std::span<const PointId> ids);
  // Points that may match, without a look at a payload; of those that are not sure, only their payloads tell.
  struct MaybePoint {
    PointId id;
    bool sure;
  };
  // How many match at most.
  uint64_t count_at_most();
  // Those with ids from FROM on, in no order.
  std::vector<MaybePoint> maybe_points(const std::optional<PointId>& from);
  // Calls take for every point of the view that matches, in no order.
  void for_each(const std::function<void(const PointId&)>& take);
  // Calls take_index for the matching places of each segment that has an index on PATH, and take_point for every other
  // point that matches.
  void for_each_part(const std::function<void(const SegmentPart&, const RowSet&)>& take_index, const std::string& path,
                     const std::function<void(const PointView&)>& take_point);
  // How many that are.
  uint64_t count();
  bool matches(const PointId& id, const PointRecord& record);
  // Whether a row that the truth has, of a segment that is damaged, may be found.
  bool finds(const SegmentPart& part, const Truth::RowVectors& row);

  // Payloads that were looked at.
  uint64_t payloads_read() const { return payloads_read_; }
  // Paths of the filter that no index helped with, sorted.
  const std::vector<std::string>& without_index() const { return without_index_; }

 private:
  // Of the places that are set in words, those whose points match stay.
  void look(std::vector<uint64_t>& words, const std::function<PointId(uint32_t)>& id_of);
  // Calls take for the matching points of a segment that is damaged.
  void for_damaged(const SegmentPart& part, const std::function<void(const PointId&)>& take);
  // Of each segment, none for one that is damaged; what was found is kept.
  const std::vector<Bounds>& all_bounds();

  const View& view_;
  const Filter& filter_;
  PayloadMatcher matcher_;
  PayloadReader reader_;
  std::vector<std::string_view> vectors_;
  uint64_t payloads_read_ = 0;
  std::vector<std::string> without_index_;
  std::optional<std::vector<Bounds>> all_bounds_;
};

// COUNT bits that are set, without those of DEAD.
std::vector<uint64_t> alive_places(size_t count, const RowFlags& dead);

}  // namespace sextant::store
