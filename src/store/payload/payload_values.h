// store/payload/payload_values.h: the values at a path of a payload.
//
// Pulls in simdjson; only what looks into payloads includes it.
#pragma once

#include <simdjson.h>

#include <optional>
#include <span>

#include "store/payload/geo.h"
#include "store/payload/key_path.h"

namespace sextant::store {

// Calls VISIT with each value at STEPS, seen from ELEMENT; a list at the end of the path is one value. VISIT returns
// whether to stop; so does this.
template <class Visit>
bool visit_values(simdjson::dom::element element, std::span<const PathStep> steps, const Visit& visit) {
  while (!steps.empty()) {
    const PathStep& step = steps.front();
    steps = steps.subspan(1);
    if (step.kind == PathStep::Kind::key) {
      simdjson::dom::object object;
      if (element.get(object) != simdjson::SUCCESS) return false;
      if (object.at_key(step.key).get(element) != simdjson::SUCCESS) return false;
      continue;
    }
    simdjson::dom::array array;
    if (element.get(array) != simdjson::SUCCESS) return false;
    if (step.kind == PathStep::Kind::element) {
      if (array.at(step.index).get(element) != simdjson::SUCCESS) return false;
      continue;
    }
    for (const simdjson::dom::element one : array) {
      if (visit_values(one, steps, visit)) return true;
    }
    return false;
  }
  return visit(element);
}

// Calls VISIT with the elements of a list, or with what is none; as visit_values().
template <class Visit>
bool visit_elements(simdjson::dom::element value, const Visit& visit) {
  simdjson::dom::array array;
  if (value.get(array) != simdjson::SUCCESS) return visit(value);
  for (const simdjson::dom::element one : array) {
    if (visit(one)) return true;
  }
  return false;
}

// null and lists without elements.
inline bool is_empty_value(simdjson::dom::element value) {
  simdjson::dom::array array;
  return value.is_null() || (value.get(array) == simdjson::SUCCESS && array.begin() == array.end());
}

// null and lists with a null.
inline bool is_null_value(simdjson::dom::element value) {
  return visit_elements(value, [](simdjson::dom::element one) { return one.is_null(); });
}

// How many values: none for null, a list's elements, else one.
inline uint64_t count_values(simdjson::dom::element value) {
  simdjson::dom::array array;
  if (value.get(array) != simdjson::SUCCESS) return value.is_null() ? 0 : 1;
  // simdjson stops counting at 2^24 - 1.
  if (array.size() < 0xFFFFFF) return array.size();
  uint64_t count = 0;
  for ([[maybe_unused]] const auto one : array) ++count;
  return count;
}

// {lon, lat} on the globe.
inline std::optional<GeoPoint> geo_value(simdjson::dom::element value) {
  simdjson::dom::object object;
  GeoPoint out;
  if (value.get(object) != simdjson::SUCCESS || object.at_key("lon").get(out.lon) != simdjson::SUCCESS ||
      object.at_key("lat").get(out.lat) != simdjson::SUCCESS || !is_valid(out)) {
    return std::nullopt;
  }
  return out;
}

}  // namespace sextant::store
