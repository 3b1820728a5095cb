// store/payload/filter.h: which points a request is about: Qdrant's filters, read and written as JSON.
//
//   filter    = {must, should, must_not: a condition or a list of them, min_should: {conditions, min_count}}
//   condition = {key, one test} | {is_empty: {key}} | {is_null: {key}} | {has_id: [...]} | {has_vector: name}
//             | {slice: {index, total}} | {nested: {key, filter}} | filter
//   test      = match {value | any | except | text | text_any | phrase | prefix} | range | geo_bounding_box |
//   geo_radius
//             | geo_polygon | values_count | is_empty | is_null
// docs/filters.md says what each means. A list without conditions is as good as none, but for min_should's, which then
// nothing can satisfy. Two spellings of one filter are equal: {is_empty: {key}} is {key, is_empty: true}, and lists of
// values are kept sorted, each value once.
// Threads: a Filter is an immutable value, cheap to copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "store/payload/geo.h"
#include "store/payload/key_path.h"
#include "store/point_id.h"

namespace simdjson::dom {
class element;
}

namespace sextant::store {

struct FilterNode;

class Filter {
 public:
  static constexpr size_t kDepthMax = 64;  // filters and nested conditions within each other
  static constexpr size_t kConditionsMax = 65'536;
  static constexpr size_t kListMax = 1'000'000;  // ids, values of any and except, points of a polygon
  static constexpr size_t kBytesMax = size_t{64} << 20;

  Filter();  // every point
  explicit Filter(FilterNode node);
  const FilterNode& node() const { return *node_; }
  // Whether it has no conditions at all.
  bool is_empty() const;

  bool operator==(const Filter& other) const;

 private:
  std::shared_ptr<const FilterNode> node_;
};

// match {value}: the same kind and the same value; 1.0 is no integer.
struct MatchValue {
  std::variant<bool, int64_t, std::string> value;
  bool operator==(const MatchValue&) const = default;
};

// match {any} and {except}: strings or integers, sorted, each once.
struct MatchList {
  bool except = false;
  std::variant<std::vector<std::string>, std::vector<int64_t>> values;
  bool operator==(const MatchList&) const = default;
};

struct MatchText {
  enum class Mode : uint8_t { all, any, phrase };
  Mode mode = Mode::all;
  std::string text;
  bool operator==(const MatchText&) const = default;
};

struct MatchPrefix {
  std::string prefix;
  bool operator==(const MatchPrefix&) const = default;
};

template <class T>
struct Range {
  std::optional<T> gt, gte, lt, lte;

  bool contains(T value) const {
    return !(gt && !(value > *gt)) && !(gte && !(value >= *gte)) && !(lt && !(value < *lt)) &&
           !(lte && !(value <= *lte));
  }
  bool operator==(const Range&) const = default;
};
struct NumberRange : Range<double> {};
struct DatetimeRange : Range<int64_t> {};  // microseconds since 1970
struct ValuesCount : Range<uint64_t> {};

struct IsEmpty {
  bool expected = true;
  bool operator==(const IsEmpty&) const = default;
};
struct IsNull {
  bool expected = true;
  bool operator==(const IsNull&) const = default;
};

using FieldTest = std::variant<MatchValue, MatchList, MatchText, MatchPrefix, NumberRange, DatetimeRange, GeoBox,
                               GeoCircle, GeoPolygon, ValuesCount, IsEmpty, IsNull>;

struct FieldCondition {
  KeyPath key;
  FieldTest test;
  bool operator==(const FieldCondition&) const = default;
};

struct HasId {
  std::vector<PointId> ids;  // sorted, each once
  bool operator==(const HasId&) const = default;
};

struct HasVector {
  std::string name;
  bool operator==(const HasVector&) const = default;
};

// One of TOTAL parts of all ids, by a hash of the id: scans in parallel, samples that can be had again.
struct IdSlice {
  uint32_t index = 0, total = 1;
  bool contains(const PointId& id) const;
  bool operator==(const IdSlice&) const = default;
};

// Some object in the array at KEY satisfies FILTER, whose keys begin in that object.
struct Nested {
  KeyPath key;
  Filter filter;
  bool operator==(const Nested&) const = default;
};

using Condition = std::variant<FieldCondition, HasId, HasVector, IdSlice, Nested, Filter>;

struct MinShould {
  std::vector<Condition> conditions;
  uint64_t min_count = 1;
  bool operator==(const MinShould&) const = default;
};

struct FilterNode {
  std::vector<Condition> must, should, must_not;
  std::optional<MinShould> min_should;
  bool operator==(const FilterNode&) const = default;
};

// Throws invalid_argument that says where in the filter what was found and what was expected:
//   filter.must[1].range.gte: expected a number or an RFC 3339 date-time, found "x"
// NAME stands for the whole in messages.
Filter parse_filter(std::string_view json, std::string_view name = "filter");
// The same of a part of a request that was taken apart already.
Filter parse_filter(const simdjson::dom::element& json, std::string_view name = "filter");

// One spelling for equal filters; parse_filter() gives the filter back.
std::string filter_json(const Filter& filter);

}  // namespace sextant::store
