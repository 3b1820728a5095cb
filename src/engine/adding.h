// engine/adding.h: what all that adds to a collection shares: ids of what has none, texts into vectors, batches that
// are written while the next is made ready.
#pragma once

#include <functional>
#include <future>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "query/points.h"

namespace sextant::engine {

struct AddReport;

// The same parts, the same id.
store::PointId id_of_parts(std::initializer_list<std::string_view> parts);

// Writes one batch while the next is made ready.     Threads: one.
class BatchWriter {
 public:
  // SLOT: where the vectors are to go; a write fails where that is not the default vector's any more. ACKNOWLEDGED is
  // told how many points are safe so far.
  BatchWriter(query::Points& points, std::optional<uint16_t> slot, const std::function<void(uint64_t)>& acknowledged,
              AddReport& report)
      : points_(points), slot_(slot), acknowledged_(acknowledged), report_(report) {}
  ~BatchWriter() {
    if (running_.valid()) running_.wait();
  }

  void write(store::UpsertPoints&& upsert);
  // Throws what the last write threw.
  void wait();

 private:
  query::Points& points_;
  std::optional<uint16_t> slot_;
  const std::function<void(uint64_t)>& acknowledged_;
  AddReport& report_;
  std::future<store::Written> running_;
  size_t count_ = 0;
};

}  // namespace sextant::engine
