// Filters out of JSON.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/utf8.h"
#include "sextant/error.h"
#include "store/payload/datetime.h"
#include "store/payload/filter.h"
#include "store/payload/json_shown.h"

namespace sextant::store {
namespace {

using Element = simdjson::dom::element;

enum Field : size_t {
  kKey,
  kMatch,
  kRange,
  kGeoBox,
  kGeoRadius,
  kGeoPolygon,
  kValuesCount,
  kIsEmpty,
  kIsNull,
  kHasId,
  kHasVector,
  kSlice,
  kNested,
  kMust,
  kShould,
  kMustNot,
  kMinShould,
};
constexpr std::array<std::string_view, 17> kConditionFields = {
    "key",          "match",    "range",   "geo_bounding_box", "geo_radius", "geo_polygon",
    "values_count", "is_empty", "is_null", "has_id",           "has_vector", "slice",
    "nested",       "must",     "should",  "must_not",         "min_should"};
constexpr std::array<std::string_view, 4> kFilterFields = {"must", "should", "must_not", "min_should"};
constexpr std::array<std::string_view, 7> kMatchFields = {"value",    "any",    "except", "text",
                                                          "text_any", "phrase", "prefix"};
constexpr std::array<std::string_view, 4> kBounds = {"gt", "gte", "lt", "lte"};

template <size_t N>
using Fields = std::array<std::optional<Element>, N>;

class FilterParser {
 public:
  explicit FilterParser(std::string_view name) : path_(name) {}

  Filter filter(const Element& element) {
    const auto fields = object(element, kFilterFields);
    FilterNode node;
    clause(kFilterFields[0], fields[0], node.must);
    clause(kFilterFields[1], fields[1], node.should);
    clause(kFilterFields[2], fields[2], node.must_not);
    if (fields[3]) at("min_should", [&] { node.min_should = min_should(*fields[3]); });
    return Filter(std::move(node));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: {}", path_, what));
  }

 private:
  // WORK, whose errors are at .NAME within this place.
  template <class Work>
  void at(std::string_view name, Work work) {
    const size_t size = path_.size();
    path_ += '.';
    path_ += name;
    work();
    path_.resize(size);
  }
  template <class Work>
  void at(size_t index, Work work) {
    const size_t size = path_.size();
    path_ += fmt::format("[{}]", index);
    work();
    path_.resize(size);
  }
  [[noreturn]] void expected(std::string_view what, const Element& found) const {
    fail(fmt::format("expected {}, found {}", what, json_shown(found)));
  }

  // The fields by their names' places in NAMES, without those that are null.
  template <size_t N>
  Fields<N> object(const Element& element, const std::array<std::string_view, N>& names) {
    simdjson::dom::object members;
    if (element.get(members) != simdjson::SUCCESS) expected("an object", element);
    Fields<N> out;
    std::array<bool, N> seen{};
    for (const auto member : members) {
      const auto name = std::find(names.begin(), names.end(), member.key);
      if (name == names.end()) {
        fail(fmt::format("there is no field {}, expected {}", shown_string(member.key), fmt::join(names, ", ")));
      }
      const auto place = static_cast<size_t>(name - names.begin());
      if (seen[place]) fail(fmt::format("field '{}' is there twice", *name));
      seen[place] = true;
      if (!member.value.is_null()) out[place] = member.value;
    }
    return out;
  }

  simdjson::dom::array array(const Element& element, std::string_view of, size_t most) {
    simdjson::dom::array out;
    if (element.get(out) != simdjson::SUCCESS) expected(fmt::format("a list of {}", of), element);
    // Up to 2^24 elements are counted by simdjson; longer ones have at least as many.
    if (out.size() > most) fail(fmt::format("a list of more than {}", most));
    return out;
  }

  std::string string(const Element& element) {
    std::string_view out;
    if (element.get(out) != simdjson::SUCCESS) expected("a string", element);
    return std::string(out);
  }
  double number(const Element& element) {
    double out = 0;
    if (element.get(out) != simdjson::SUCCESS || !std::isfinite(out)) expected("a number", element);
    return out;
  }
  bool boolean(const Element& element) {
    bool out = false;
    if (element.get(out) != simdjson::SUCCESS) expected("true or false", element);
    return out;
  }
  uint64_t count(const Element& element, uint64_t first, uint64_t last) {
    uint64_t out = 0;
    if (element.get(out) != simdjson::SUCCESS || out < first || out > last) {
      expected(last == UINT64_MAX ? fmt::format("an integer of at least {}", first)
                                  : fmt::format("an integer from {} to {}", first, last),
               element);
    }
    return out;
  }
  KeyPath key(const std::optional<Element>& element) {
    if (!element) fail("field 'key' is missing");
    KeyPath out;
    at("key", [&] {
      std::string_view text;
      if (element->get(text) != simdjson::SUCCESS) expected("a string", *element);
      const std::optional<KeyPath> path = KeyPath::read(text);
      if (!path) expected("a path as in a.b, a[].b, a[0] or \"two words\".b", *element);
      out = *path;
    });
    return out;
  }

  // One condition or a list of them.
  void clause(std::string_view name, const std::optional<Element>& element, std::vector<Condition>& out) {
    if (!element) return;
    at(name, [&] {
      if (element->is_array()) {
        conditions(*element, out);
      } else {
        out.push_back(condition(*element));
      }
    });
  }
  void conditions(const Element& element, std::vector<Condition>& out) {
    size_t i = 0;
    for (const Element& one : array(element, "conditions", Filter::kConditionsMax)) {
      at(i++, [&] { out.push_back(condition(one)); });
    }
  }
  MinShould min_should(const Element& element) {
    const auto fields = object(element, std::array<std::string_view, 2>{"conditions", "min_count"});
    MinShould out;
    if (!fields[0]) fail("field 'conditions' is missing");
    if (!fields[1]) fail("field 'min_count' is missing");
    at("conditions", [&] { conditions(*fields[0], out.conditions); });
    at("min_count", [&] { out.min_count = count(*fields[1], 1, UINT64_MAX); });
    return out;
  }

  Condition condition(const Element& element) {
    if (++conditions_ > Filter::kConditionsMax) fail(fmt::format("more than {} conditions", Filter::kConditionsMax));
    const auto fields = object(element, kConditionFields);
    std::vector<size_t> given;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i]) given.push_back(i);
    }
    const bool is_filter = std::all_of(given.begin(), given.end(), [](size_t i) { return i >= kMust; });
    if (!is_filter && fields[kKey]) return field_condition(fields, given);
    if (!is_filter && given.size() > 1) {
      fail(fmt::format("expected one condition, found '{}' beside '{}'", kConditionFields[given[0]],
                       kConditionFields[given[1]]));
    }
    if (is_filter) return deeper_filter(element);
    std::optional<Condition> out;
    at(kConditionFields[given[0]], [&] { out = lone_condition(given[0], *fields[given[0]]); });
    return *std::move(out);
  }

  Filter deeper_filter(const Element& element) {
    if (++depth_ >= Filter::kDepthMax) {
      fail(fmt::format("filters lie more than {} deep in each other", Filter::kDepthMax));
    }
    Filter out = filter(element);
    --depth_;
    return out;
  }

  // What has no key beside it.
  Condition lone_condition(size_t field, const Element& element) {
    switch (field) {
      case kIsEmpty:
        return FieldCondition{lone_key(element), IsEmpty{}};
      case kIsNull:
        return FieldCondition{lone_key(element), IsNull{}};
      case kHasId:
        return has_id(element);
      case kHasVector:
        return HasVector{string(element)};
      case kSlice:
        return slice(element);
      case kNested: {
        const auto fields = object(element, std::array<std::string_view, 2>{"key", "filter"});
        Nested out{key(fields[0]), {}};
        if (!fields[1]) fail("field 'filter' is missing");
        at("filter", [&] { out.filter = deeper_filter(*fields[1]); });
        return out;
      }
      default:
        fail("field 'key' is missing beside it");
    }
  }
  KeyPath lone_key(const Element& element) { return key(object(element, std::array<std::string_view, 1>{"key"})[0]); }

  HasId has_id(const Element& element) {
    HasId out;
    size_t i = 0;
    for (const Element& one : array(element, "ids", Filter::kListMax)) {
      at(i++, [&] {
        uint64_t number = 0;
        std::string_view text;
        std::optional<PointId> id;
        if (one.get(number) == simdjson::SUCCESS) id = PointId::of(number);
        if (one.get(text) == simdjson::SUCCESS) id = PointId::read_uuid(text);
        if (!id) expected("an unsigned integer or a UUID", one);
        out.ids.push_back(*id);
      });
    }
    sort_once(out.ids);
    return out;
  }
  IdSlice slice(const Element& element) {
    const auto fields = object(element, std::array<std::string_view, 2>{"index", "total"});
    if (!fields[0]) fail("field 'index' is missing");
    if (!fields[1]) fail("field 'total' is missing");
    IdSlice out;
    at("total", [&] { out.total = static_cast<uint32_t>(count(*fields[1], 1, UINT32_MAX)); });
    at("index", [&] { out.index = static_cast<uint32_t>(count(*fields[0], 0, out.total - 1)); });
    return out;
  }

  FieldCondition field_condition(const Fields<17>& fields, const std::vector<size_t>& given) {
    FieldCondition out;
    out.key = key(fields[kKey]);
    if (given.size() != 2 || given[1] > kIsNull) {
      std::vector<std::string_view> others;
      for (const size_t field : given) {
        if (field != kKey) others.push_back(kConditionFields[field]);
      }
      fail(
          fmt::format("expected one of match, range, geo_bounding_box, geo_radius, geo_polygon, values_count, is_empty "
                      "and is_null beside 'key', found {}",
                      others.empty() ? "none" : fmt::format("{}", fmt::join(others, ", "))));
    }
    const Element& element = *fields[given[1]];
    at(kConditionFields[given[1]], [&] {
      switch (given[1]) {
        case kMatch:
          match(element, out);
          break;
        case kRange:
          range(element, out);
          break;
        case kGeoBox: {
          const auto corners = object(element, std::array<std::string_view, 2>{"top_left", "bottom_right"});
          GeoBox box;
          box.top_left = point("top_left", corners[0]);
          box.bottom_right = point("bottom_right", corners[1]);
          out.test = box;
          break;
        }
        case kGeoRadius: {
          const auto parts = object(element, std::array<std::string_view, 2>{"center", "radius"});
          GeoCircle circle;
          circle.centre = point("center", parts[0]);
          if (!parts[1]) fail("field 'radius' is missing");
          at("radius", [&] {
            circle.radius_m = number(*parts[1]);
            if (circle.radius_m < 0) expected("metres, at least 0", *parts[1]);
          });
          out.test = circle;
          break;
        }
        case kGeoPolygon:
          polygon(element, out);
          break;
        case kValuesCount: {
          const auto bounds = object(element, kBounds);
          ValuesCount test;
          for (size_t i = 0; i < kBounds.size(); ++i) {
            if (bounds[i]) at(kBounds[i], [&] { bound(test, i) = count(*bounds[i], 0, UINT64_MAX); });
          }
          out.test = test;
          break;
        }
        case kIsEmpty:
          out.test = IsEmpty{boolean(element)};
          break;
        default:
          out.test = IsNull{boolean(element)};
          break;
      }
    });
    return out;
  }

  template <class T>
  static std::optional<T>& bound(Range<T>& range, size_t i) {
    return i == 0 ? range.gt : i == 1 ? range.gte : i == 2 ? range.lt : range.lte;
  }

  void match(const Element& element, FieldCondition& out) {
    const auto fields = object(element, kMatchFields);
    const auto is_given = [](const std::optional<Element>& field) { return field.has_value(); };
    const auto first = std::find_if(fields.begin(), fields.end(), is_given);
    if (std::count_if(fields.begin(), fields.end(), is_given) != 1) {
      fail(fmt::format("expected one of {}, found {}", fmt::join(kMatchFields, ", "), json_shown(element)));
    }
    const auto field = static_cast<size_t>(first - fields.begin());
    at(kMatchFields[field], [&] {
      switch (field) {
        case 0:
          out.test = match_value(**first);
          break;
        case 1:
        case 2:
          out.test = match_list(**first, field == 2);
          break;
        case 6:
          out.test = MatchPrefix{string(**first)};
          break;
        default:
          out.test = MatchText{field == 3   ? MatchText::Mode::all
                               : field == 4 ? MatchText::Mode::any
                                            : MatchText::Mode::phrase,
                               string(**first)};
      }
    });
  }
  MatchValue match_value(const Element& element) {
    bool flag = false;
    int64_t integer = 0;
    std::string_view text;
    if (element.get(text) == simdjson::SUCCESS) return {std::string(text)};
    if (element.is_int64() && element.get(integer) == simdjson::SUCCESS) return {integer};
    if (element.get(flag) == simdjson::SUCCESS) return {flag};
    expected("a string, an integer of 64 bits, true or false", element);
  }
  MatchList match_list(const Element& element, bool except) {
    const simdjson::dom::array list = array(element, "strings or of integers", Filter::kListMax);
    MatchList out;
    out.except = except;
    const bool integers = list.begin() != list.end() && !(*list.begin()).is_string();
    if (integers) out.values = std::vector<int64_t>();
    size_t i = 0;
    for (const Element& one : list) {
      at(i++, [&] {
        int64_t integer = 0;
        std::string_view text;
        if (integers) {
          if (one.get(integer) != simdjson::SUCCESS) expected("an integer of 64 bits as the others", one);
          std::get<1>(out.values).push_back(integer);
        } else {
          if (one.get(text) != simdjson::SUCCESS) expected("a string as the others", one);
          std::get<0>(out.values).emplace_back(text);
        }
      });
    }
    std::visit([](auto& values) { sort_once(values); }, out.values);
    return out;
  }
  template <class T>
  static void sort_once(std::vector<T>& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
  }

  // A range's bounds are all numbers or all moments; without bounds it is one of numbers.
  void range(const Element& element, FieldCondition& out) {
    const auto bounds = object(element, kBounds);
    NumberRange numbers;
    DatetimeRange moments;
    std::optional<bool> is_moments;
    for (size_t i = 0; i < kBounds.size(); ++i) {
      if (!bounds[i]) continue;
      at(kBounds[i], [&] {
        double value = 0;
        std::string_view text;
        const bool is_text = bounds[i]->get(text) == simdjson::SUCCESS;
        if (is_moments && *is_moments != is_text) {
          expected(is_text ? "a number as the other bounds" : "an RFC 3339 date-time as the other bounds", *bounds[i]);
        }
        is_moments = is_text;
        if (is_text) {
          const std::optional<int64_t> moment = read_datetime(text);
          if (!moment || !is_writable_datetime(*moment)) expected("a number or an RFC 3339 date-time", *bounds[i]);
          bound(moments, i) = moment;
        } else {
          if (bounds[i]->get(value) != simdjson::SUCCESS) expected("a number or an RFC 3339 date-time", *bounds[i]);
          bound(numbers, i) = value;
        }
      });
    }
    if (is_moments.value_or(false)) {
      out.test = moments;
    } else {
      out.test = numbers;
    }
  }

  GeoPoint point(const Element& element) {
    const auto fields = object(element, std::array<std::string_view, 2>{"lon", "lat"});
    if (!fields[0]) fail("field 'lon' is missing");
    if (!fields[1]) fail("field 'lat' is missing");
    GeoPoint out;
    at("lon", [&] {
      out.lon = number(*fields[0]);
      if (!is_valid(GeoPoint{out.lon, 0})) expected("degrees from -180 to 180", *fields[0]);
    });
    at("lat", [&] {
      out.lat = number(*fields[1]);
      if (!is_valid(out)) expected("degrees from -90 to 90", *fields[1]);
    });
    return out;
  }
  GeoPoint point(std::string_view name, const std::optional<Element>& element) {
    if (!element) fail(fmt::format("field '{}' is missing", name));
    GeoPoint out;
    at(name, [&] { out = point(*element); });
    return out;
  }
  GeoRing ring(const Element& element) {
    const auto fields = object(element, std::array<std::string_view, 1>{"points"});
    if (!fields[0]) fail("field 'points' is missing");
    GeoRing out;
    at("points", [&] {
      size_t i = 0;
      for (const Element& one : array(*fields[0], "points", Filter::kListMax)) {
        at(i++, [&] { out.push_back(point(one)); });
      }
      if (out.size() < 4) fail(fmt::format("expected at least 4 points, found {}", out.size()));
      if (out.front() != out.back()) fail("expected the first point again as the last one");
    });
    return out;
  }
  void polygon(const Element& element, FieldCondition& out) {
    const auto fields = object(element, std::array<std::string_view, 2>{"exterior", "interiors"});
    if (!fields[0]) fail("field 'exterior' is missing");
    GeoPolygon polygon;
    at("exterior", [&] { polygon.exterior = ring(*fields[0]); });
    if (fields[1]) {
      at("interiors", [&] {
        size_t i = 0;
        for (const Element& one : array(*fields[1], "rings", Filter::kListMax)) {
          at(i++, [&] { polygon.interiors.push_back(ring(one)); });
        }
      });
    }
    out.test = std::move(polygon);
  }

  std::string path_;
  size_t conditions_ = 0;
  size_t depth_ = 0;
};

}  // namespace

Filter parse_filter(const Element& json, std::string_view name) { return FilterParser(name).filter(json); }

Filter parse_filter(std::string_view json, std::string_view name) {
  const FilterParser failing(name);
  if (json.size() > Filter::kBytesMax) {
    failing.fail(fmt::format("it has {} bytes, at most {} expected", json.size(), Filter::kBytesMax));
  }
  // Five levels of JSON for a nested condition, and those of a polygon.
  constexpr size_t kJsonDepthMax = 5 * Filter::kDepthMax + 16;
  simdjson::dom::parser parser;
  Element root;
  simdjson::error_code error = parser.allocate(std::max<size_t>(json.size(), 256), kJsonDepthMax);
  if (!error) error = parser.parse(json.data(), json.size(), true).get(root);
  if (error == simdjson::DEPTH_ERROR) {
    failing.fail(fmt::format("filters lie more than {} deep in each other", Filter::kDepthMax));
  }
  if (error) failing.fail(fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  return parse_filter(root, name);
}

}  // namespace sextant::store
