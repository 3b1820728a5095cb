// Filters to JSON, each in one spelling.
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "store/payload/datetime.h"
#include "store/payload/filter.h"

namespace sextant::store {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Filter& filter);

Json json_of(const GeoPoint& point) { return {{"lon", point.lon}, {"lat", point.lat}}; }

Json json_of(const GeoRing& ring) {
  Json points = Json::array();
  for (const GeoPoint& point : ring) points.push_back(json_of(point));
  return {{"points", std::move(points)}};
}

template <class T, class Written>
Json bounds(const Range<T>& range, Written written) {
  Json out = Json::object();
  if (range.gt) out["gt"] = written(*range.gt);
  if (range.gte) out["gte"] = written(*range.gte);
  if (range.lt) out["lt"] = written(*range.lt);
  if (range.lte) out["lte"] = written(*range.lte);
  return out;
}

// The field of a condition that holds the test, and what it holds.
struct Test {
  const char* field;
  Json json;
};

struct TestWriter {
  static Test match(const char* field, Json json) {
    Json out = Json::object();
    out[field] = std::move(json);
    return {"match", std::move(out)};
  }

  Test operator()(const MatchValue& test) const {
    return match("value", std::visit([](const auto& value) { return Json(value); }, test.value));
  }
  Test operator()(const MatchList& test) const {
    return match(test.except ? "except" : "any",
                 std::visit([](const auto& values) { return Json(values); }, test.values));
  }
  Test operator()(const MatchText& test) const {
    constexpr const char* kFields[] = {"text", "text_any", "phrase"};
    return match(kFields[static_cast<size_t>(test.mode)], test.text);
  }
  Test operator()(const MatchPrefix& test) const { return match("prefix", test.prefix); }
  Test operator()(const NumberRange& test) const {
    return {"range", bounds(test, [](double value) { return value; })};
  }
  Test operator()(const DatetimeRange& test) const { return {"range", bounds(test, datetime_text)}; }
  Test operator()(const ValuesCount& test) const {
    return {"values_count", bounds(test, [](uint64_t value) { return value; })};
  }
  Test operator()(const GeoBox& test) const {
    return {"geo_bounding_box", {{"top_left", json_of(test.top_left)}, {"bottom_right", json_of(test.bottom_right)}}};
  }
  Test operator()(const GeoCircle& test) const {
    return {"geo_radius", {{"center", json_of(test.centre)}, {"radius", test.radius_m}}};
  }
  Test operator()(const GeoPolygon& test) const {
    Json out = {{"exterior", json_of(test.exterior)}};
    if (!test.interiors.empty()) {
      Json rings = Json::array();
      for (const GeoRing& ring : test.interiors) rings.push_back(json_of(ring));
      out["interiors"] = std::move(rings);
    }
    return {"geo_polygon", std::move(out)};
  }
  Test operator()(const IsEmpty& test) const { return {"is_empty", test.expected}; }
  Test operator()(const IsNull& test) const { return {"is_null", test.expected}; }
};

struct ConditionWriter {
  Json operator()(const FieldCondition& condition) const {
    Test test = std::visit(TestWriter(), condition.test);
    Json out = {{"key", condition.key.text()}};
    out[test.field] = std::move(test.json);
    return out;
  }
  Json operator()(const HasId& condition) const {
    Json ids = Json::array();
    for (const PointId& id : condition.ids) {
      if (id.is_uuid()) {
        ids.push_back(id.text());
      } else {
        ids.push_back(id.number());
      }
    }
    return {{"has_id", std::move(ids)}};
  }
  Json operator()(const HasVector& condition) const { return {{"has_vector", condition.name}}; }
  Json operator()(const IdSlice& condition) const {
    return {{"slice", {{"index", condition.index}, {"total", condition.total}}}};
  }
  Json operator()(const Nested& condition) const {
    return {{"nested", {{"key", condition.key.text()}, {"filter", json_of(condition.filter)}}}};
  }
  Json operator()(const Filter& condition) const { return json_of(condition); }
};

Json json_of(const std::vector<Condition>& conditions) {
  Json out = Json::array();
  for (const Condition& condition : conditions) out.push_back(std::visit(ConditionWriter(), condition));
  return out;
}

Json json_of(const Filter& filter) {
  const FilterNode& node = filter.node();
  Json out = Json::object();
  if (!node.must.empty()) out["must"] = json_of(node.must);
  if (!node.should.empty()) out["should"] = json_of(node.should);
  if (!node.must_not.empty()) out["must_not"] = json_of(node.must_not);
  if (node.min_should) {
    out["min_should"] = {{"conditions", json_of(node.min_should->conditions)},
                         {"min_count", node.min_should->min_count}};
  }
  return out;
}

}  // namespace

std::string filter_json(const Filter& filter) { return base::json_text(json_of(filter)); }

}  // namespace sextant::store
