#include "store/filter_rows.h"

#include <bit>

namespace sextant::store {
namespace {

constexpr size_t kPointsAtOnce = 1024;

}  // namespace

std::vector<uint64_t> alive_places(size_t count, const RowFlags& dead) {
  std::vector<uint64_t> words((count + 63) / 64, ~uint64_t{0});
  if (count % 64 != 0) words.back() >>= 64 - count % 64;
  dead.remove_from(words);
  return words;
}

FilterRows::FilterRows(const View& view, const Filter& filter)
    : view_(view), matcher_(filter, view.config->payload_schema) {}

bool FilterRows::matches(const PointId& id, const PointRecord& record) {
  vectors_.clear();
  for (uint16_t slot : record.slots) {
    for (const VectorConfig& config : view_.config->vectors) {
      if (config.slot == slot) vectors_.push_back(config.name);
    }
  }
  ++payloads_read_;
  return matcher_.matches({id, reader_.read(record.payload), vectors_});
}

void FilterRows::look(std::vector<uint64_t>& words, const std::function<PointId(uint32_t)>& id_of) {
  std::vector<uint32_t> places;
  std::vector<PointId> ids;
  auto flush = [&] {
    const auto records = view_.truth->find(ids, view_.moment.get());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!records[i] || !matches(ids[i], *records[i])) words[places[i] / 64] &= ~(uint64_t{1} << (places[i] % 64));
    }
    places.clear();
    ids.clear();
  };
  for (size_t w = 0; w < words.size(); ++w) {
    for (uint64_t bits = words[w]; bits != 0; bits &= bits - 1) {
      places.push_back(static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits))));
      ids.push_back(id_of(places.back()));
      if (ids.size() == kPointsAtOnce) flush();
    }
  }
  flush();
}

std::vector<uint64_t> FilterRows::places(const SegmentPart& part) {
  std::vector<uint64_t> words = alive_places(part.segment->size(), part.dead);
  look(words, [&](uint32_t place) { return part.segment->id(place); });
  return words;
}

std::vector<uint64_t> FilterRows::places(const TailPart& part) {
  std::vector<uint64_t> words = alive_places(part.count, part.dead);
  look(words, [&](uint32_t place) { return part.tail->id(place); });
  return words;
}

}  // namespace sextant::store
