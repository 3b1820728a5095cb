// store/filter_rows.h: which rows of a view satisfy a filter. Where no index can say so, payloads are looked at.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "store/payload/filter.h"
#include "store/payload/payload_match.h"
#include "store/payload/payload_reader.h"
#include "store/view.h"

namespace sextant::store {

class FilterRows {
 public:
  // Both must outlive this.
  FilterRows(const View& view, const Filter& filter);

  // The places that may be found, place p being bit p % 64 of words[p / 64]; dead rows are left out.
  std::vector<uint64_t> places(const SegmentPart& part);
  std::vector<uint64_t> places(const TailPart& part);
  bool matches(const PointId& id, const PointRecord& record);

  // Payloads that were looked at.
  uint64_t payloads_read() const { return payloads_read_; }

 private:
  // Of the places that are set in words, those whose points match stay.
  void look(std::vector<uint64_t>& words, const std::function<PointId(uint32_t)>& id_of);

  const View& view_;
  PayloadMatcher matcher_;
  PayloadReader reader_;
  std::vector<std::string_view> vectors_;
  uint64_t payloads_read_ = 0;
};

// COUNT bits that are set, without those of DEAD.
std::vector<uint64_t> alive_places(size_t count, const RowFlags& dead);

}  // namespace sextant::store
