// query/points.h: a collection of points, whatever keeps it: what asks and writes goes through this, so that other
// stores can stand behind it. The embedded store does so as query/stored_points.h.
//
// What members promise, and what they throw, is what store/point_store.h says of those of the same name.
// Threads: all members from many.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/operation.h"
#include "store/payload/facet_counter.h"
#include "store/payload/filter.h"
#include "store/reading.h"
#include "store/store_config.h"

namespace sextant::query {

class Points {
 public:
  Points() = default;
  Points(const Points&) = delete;
  Points& operator=(const Points&) = delete;
  virtual ~Points() = default;

  // Where it is, to begin a message with.
  virtual std::string where() const = 0;
  virtual std::shared_ptr<const store::StoreConfig> config() const = 0;

  virtual store::Written write(const store::Operation& operation) = 0;
  virtual store::Written write_where(const store::Filter& filter, store::Operation operation) = 0;

  virtual store::SearchAnswer search(const store::SearchRequest& request) const = 0;
  virtual std::vector<std::optional<store::StoredPoint>> get(std::span<const store::PointId> ids,
                                                             const store::Fields& fields) const = 0;
  virtual store::ScrollAnswer scroll(const store::ScrollRequest& request) const = 0;
  virtual std::vector<store::OrderedPoint> ordered(const store::OrderRequest& request) const = 0;
  virtual std::vector<store::StoredPoint> sample(size_t limit, const std::optional<store::Filter>& filter,
                                                 uint64_t seed, const store::Fields& fields) const = 0;
  // FILTER: nothing: of all points.
  virtual uint64_t count(const std::optional<store::Filter>& filter) const = 0;
  virtual std::vector<store::FacetCount> facet(const store::KeyPath& path, const std::optional<store::Filter>& filter,
                                               size_t limit) const = 0;
};

}  // namespace sextant::query
