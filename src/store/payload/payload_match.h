// store/payload/payload_match.h: whether one point satisfies a filter, by looking at its payload: what every index must
// agree with, and how the newest points are matched, which no index has yet.
//
// The schema says how the words of a text are found (text_words.h); without one all fields are as a text index without
// parameters has it. A condition within a nested one sees the object alone: has_id, has_vector and slice are false
// there. Threads: a PayloadMatcher belongs to one thread.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "store/payload/filter.h"
#include "store/payload/payload_schema.h"
#include "store/point_id.h"

namespace simdjson::dom {
class element;
}

namespace sextant::store {

struct PointView {
  PointId id;
  const simdjson::dom::element* payload = nullptr;  // an object, as PayloadReader reads it
  std::span<const std::string_view> vectors = {};   // the names of those that the point has
};

class PayloadMatcher {
 public:
  explicit PayloadMatcher(Filter filter, const PayloadSchema& schema = {});
  PayloadMatcher(PayloadMatcher&&) noexcept;
  PayloadMatcher& operator=(PayloadMatcher&&) noexcept;
  ~PayloadMatcher();

  bool matches(const PointView& point);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant::store
