#include "engine/adding.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "engine/collection.h"

namespace sextant::engine {

store::PointId id_of_parts(std::initializer_list<std::string_view> parts) {
  std::string bytes;
  for (std::string_view part : parts) {
    bytes += fmt::format("{}:", part.size());
    bytes += part;
  }
  return *store::PointId::read_uuid(base::hash128_hex(bytes));
}

void BatchWriter::write(store::UpsertPoints&& upsert) {
  wait();
  count_ = upsert.points.size();
  if (upsert.points.empty() && upsert.remove.empty()) return;
  upsert.expected_slot = slot_;
  running_ = std::async(std::launch::async, [this, upsert = std::move(upsert)] { return points_.write(upsert); });
}

void BatchWriter::wait() {
  if (!running_.valid()) return;
  report_.removed += running_.get().removed;
  report_.points += count_;
  if (acknowledged_) acknowledged_(report_.points);
}

}  // namespace sextant::engine
