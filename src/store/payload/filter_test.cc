#include "store/payload/filter.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "errors.h"
#include "store/payload/datetime.h"

namespace sextant::store {
namespace {

using testing::HasSubstr;

const FieldCondition& field(const Filter& filter) { return std::get<FieldCondition>(filter.node().must.at(0)); }

template <class Test>
const Test& test_of(std::string_view json) {
  static Filter filter;
  filter = parse_filter(json);
  return std::get<Test>(field(filter).test);
}

std::string filter_refusal(std::string_view json) {
  return tests::error_of(ErrorCode::invalid_argument, [&] { parse_filter(json); });
}

TEST(Filters, OfNothingSelectEveryPoint) {
  for (const char* json : {"{}", R"({"must": []})", R"({"should": null, "must_not": []})"}) {
    EXPECT_TRUE(parse_filter(json).is_empty()) << json;
    EXPECT_EQ(parse_filter(json), Filter()) << json;
  }
  EXPECT_EQ(filter_json(Filter()), "{}");
}

TEST(Filters, ReadOneConditionAsAListOfOne) {
  const Filter one = parse_filter(R"({"must": {"key": "city", "match": {"value": "London"}}})");
  const Filter list = parse_filter(R"({"must": [{"key": "city", "match": {"value": "London"}}]})");
  EXPECT_EQ(one, list);
  EXPECT_EQ(field(one).key.text(), "city");
  EXPECT_EQ(std::get<std::string>(std::get<MatchValue>(field(one).test).value), "London");
}

TEST(Filters, ReadEveryTest) {
  EXPECT_EQ(test_of<MatchValue>(R"({"must": {"key": "a", "match": {"value": true}}})").value,
            (std::variant<bool, int64_t, std::string>(true)));
  EXPECT_EQ(test_of<MatchValue>(R"({"must": {"key": "a", "match": {"value": -3}}})").value,
            (std::variant<bool, int64_t, std::string>(int64_t{-3})));
  EXPECT_THAT(std::get<1>(test_of<MatchList>(R"({"must": {"key": "a", "match": {"any": [3, 1, 3]}}})").values),
              testing::ElementsAre(1, 3));
  EXPECT_TRUE(test_of<MatchList>(R"({"must": {"key": "a", "match": {"except": ["b"]}}})").except);
  EXPECT_EQ(test_of<MatchText>(R"({"must": {"key": "a", "match": {"phrase": "b c"}}})").mode, MatchText::Mode::phrase);
  EXPECT_EQ(test_of<MatchText>(R"({"must": {"key": "a", "match": {"text_any": "b c"}}})").mode, MatchText::Mode::any);
  EXPECT_EQ(test_of<MatchPrefix>(R"({"must": {"key": "a", "match": {"prefix": "b"}}})").prefix, "b");
  const auto& numbers = test_of<NumberRange>(R"({"must": {"key": "a", "range": {"gt": null, "gte": 1, "lt": 2.5}}})");
  EXPECT_EQ(numbers.gte, 1);
  EXPECT_EQ(numbers.lt, 2.5);
  EXPECT_FALSE(numbers.gt);
  EXPECT_EQ(test_of<DatetimeRange>(R"({"must": {"key": "a", "range": {"lte": "2024-01-01"}}})").lte,
            read_datetime("2024-01-01T00:00:00Z"));
  EXPECT_EQ(test_of<ValuesCount>(R"({"must": {"key": "a", "values_count": {"gt": 2}}})").gt, 2u);
  EXPECT_EQ(
      test_of<GeoCircle>(R"({"must": {"key": "a", "geo_radius": {"center": {"lon": 1, "lat": 2}, "radius": 3}}})"),
      (GeoCircle{{1, 2}, 3}));
  EXPECT_EQ(test_of<GeoBox>(R"({"must": {"key": "a", "geo_bounding_box":
                {"top_left": {"lon": 1, "lat": 2}, "bottom_right": {"lon": 3, "lat": -4}}}})"),
            (GeoBox{{1, 2}, {3, -4}}));
  EXPECT_EQ(test_of<GeoPolygon>(R"({"must": {"key": "a", "geo_polygon": {"exterior": {"points": [
                {"lon": 0, "lat": 0}, {"lon": 1, "lat": 0}, {"lon": 0, "lat": 1}, {"lon": 0, "lat": 0}]}}}})")
                .exterior.size(),
            4u);
}

TEST(Filters, KnowBothSpellingsOfEmptyAndNull) {
  EXPECT_EQ(parse_filter(R"({"must": {"is_empty": {"key": "a"}}})"),
            parse_filter(R"({"must": {"key": "a", "is_empty": true}})"));
  EXPECT_EQ(parse_filter(R"({"must": {"is_null": {"key": "a"}}})"),
            parse_filter(R"({"must": {"key": "a", "is_null": true}})"));
  EXPECT_FALSE(test_of<IsNull>(R"({"must": {"key": "a", "is_null": false}})").expected);
}

TEST(Filters, ReadConditionsWithoutAKey) {
  const Filter filter = parse_filter(R"({"must": [
      {"has_id": [7, "6BA7B8109DAD11D180B400C04FD430C8", 7, 1]}, {"has_vector": "image"},
      {"slice": {"index": 3, "total": 8}}, {"nested": {"key": "diet", "filter": {"must": {"key": "food", "match":
      {"value": "meat"}}}}}, {"should": [{"has_id": []}]}], "min_should": {"conditions": [{}], "min_count": 2}})");
  const std::vector<Condition>& must = filter.node().must;
  EXPECT_THAT(
      std::get<HasId>(must[0]).ids,
      testing::ElementsAre(PointId::of(1), PointId::of(7), PointId::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")));
  EXPECT_EQ(std::get<HasVector>(must[1]).name, "image");
  EXPECT_EQ(std::get<IdSlice>(must[2]), (IdSlice{3, 8}));
  EXPECT_EQ(std::get<Nested>(must[3]).key.text(), "diet");
  EXPECT_EQ(std::get<Filter>(must[4]).node().should.size(), 1u);
  EXPECT_EQ(filter.node().min_should->min_count, 2u);
}

TEST(Filters, AreReadBackAsTheyAreWritten) {
  for (const char* json : {
           R"({"must":[{"key":"a","match":{"value":"x\"\u0000\u00e9"}}]})",
           R"({"should":[{"key":"a[].b","match":{"any":[-5,9223372036854775807]}},{"has_id":[18446744073709551615]}]})",
           R"({"must_not":[{"key":"\"a b\"","match":{"except":[]}}]})",
           R"({"must":[{"key":"a","range":{"gt":-0.1,"gte":1e300,"lt":5e-324,"lte":3.0}}]})",
           R"({"must":[{"key":"a","range":{}}]})",
           R"({"must":[{"key":"a","range":{"gte":"2024-02-29T12:00:00.000001Z","lt":"0000-01-01T00:00:00Z"}}]})",
           R"({"must":[{"key":"a","geo_polygon":{"exterior":{"points":[{"lon":0.0,"lat":0.0},{"lon":1.5,"lat":0.0},)"
           R"({"lon":0.0,"lat":1.0},{"lon":0.0,"lat":0.0}]}}}]})",
           R"({"must":[{"nested":{"key":"a","filter":{"must":[{"key":"b","is_empty":false}]}}}]})",
           R"({"must":[{"slice":{"index":0,"total":4294967295}},{"has_vector":""}]})",
           R"({"min_should":{"conditions":[{"key":"a","values_count":{"lte":0}},{}],"min_count":1}})",
           R"({"must":[{"key":"a","match":{"text":"b"}},{"key":"a","match":{"prefix":""}}]})",
       }) {
    const Filter filter = parse_filter(json);
    EXPECT_EQ(parse_filter(filter_json(filter)), filter) << json;
  }
  EXPECT_EQ(filter_json(parse_filter(R"({"must": {"is_null": {"key": "\"a\".b"}}})")),
            R"({"must":[{"key":"a.b","is_null":true}]})");
}

TEST(Filters, SayWhereTheyAreWrong) {
  EXPECT_EQ(filter_refusal(R"({"must": [{}, {"key": "a", "range": {"gte": "x"}}]})"),
            "filter.must[1].range.gte: expected a number or an RFC 3339 date-time, found \"x\"");
  EXPECT_EQ(filter_refusal(R"({"must": {"key": "a", "match": {"value": 1.5}}})"),
            "filter.must.match.value: expected a string, an integer of 64 bits, true or false, found 1.5");
  EXPECT_EQ(filter_refusal(R"({"mustt": []})"),
            "filter: there is no field \"mustt\", expected must, should, must_not, min_should");
  EXPECT_EQ(filter_refusal(R"({"must": [], "must": []})"), "filter: field 'must' is there twice");
  EXPECT_EQ(filter_refusal("[]"), "filter: expected an object, found a list");
  EXPECT_THAT(filter_refusal("{"), HasSubstr("filter: not valid JSON: "));
  EXPECT_EQ(filter_refusal(R"({"must": {"key": "a b", "is_null": true}})"),
            "filter.must.key: expected a path as in a.b, a[].b, a[0] or \"two words\".b, found \"a b\"");
  EXPECT_EQ(filter_refusal(R"({"must": {"match": {"value": 1}}})"),
            "filter.must.match: field 'key' is missing beside it");
  EXPECT_THAT(filter_refusal(R"({"must": {"key": "a", "match": {"value": 1}, "range": {}}})"),
              HasSubstr("beside 'key', found match, range"));
  EXPECT_THAT(filter_refusal(R"({"must": {"key": "a"}})"), HasSubstr("beside 'key', found none"));
  EXPECT_EQ(filter_refusal(R"({"must": {"has_id": [1], "must": []}})"),
            "filter.must: expected one condition, found 'has_id' beside 'must'");
  EXPECT_EQ(filter_refusal(R"({"must": {"has_id": [1, "42"]}})"),
            "filter.must.has_id[1]: expected an unsigned integer or a UUID, found \"42\"");
  EXPECT_EQ(filter_refusal(R"({"must": {"key": "a", "match": {"any": ["x", 1]}}})"),
            "filter.must.match.any[1]: expected a string as the others, found 1");
  EXPECT_EQ(filter_refusal(R"({"must": {"key": "a", "range": {"gt": 1, "lt": "2024-01-01"}}})"),
            "filter.must.range.lt: expected a number as the other bounds, found \"2024-01-01\"");
  EXPECT_EQ(filter_refusal(R"({"must": {"slice": {"index": 2, "total": 2}}})"),
            "filter.must.slice.index: expected an integer from 0 to 1, found 2");
  EXPECT_EQ(filter_refusal(R"({"min_should": {"conditions": [], "min_count": 0}})"),
            "filter.min_should.min_count: expected an integer of at least 1, found 0");
  EXPECT_EQ(filter_refusal(R"({"must": {"key": "a", "geo_radius": {"center": {"lon": 181, "lat": 0}, "radius": 1}}})"),
            "filter.must.geo_radius.center.lon: expected degrees from -180 to 180, found 181");
  EXPECT_THAT(filter_refusal(R"({"must": {"key": "a", "geo_polygon": {"exterior": {"points": []}}}})"),
              HasSubstr("exterior.points: expected at least 4 points, found 0"));
  EXPECT_EQ(tests::error_of([] { parse_filter("1", "prefetch[0].filter"); }),
            "invalid_argument: prefetch[0].filter: expected an object, found 1");
}

std::string nested_filters(size_t depth) {
  std::string json = "{}";
  for (size_t i = 1; i < depth; ++i) json = R"({"must":[{"nested":{"key":"a","filter":)" + json + "}}]}";
  return json;
}

TEST(Filters, HaveLimits) {
  EXPECT_EQ(filter_json(parse_filter(nested_filters(64))), nested_filters(64));
  EXPECT_THAT(filter_refusal(nested_filters(65)), HasSubstr("more than 64 deep"));
  EXPECT_THAT(filter_refusal(nested_filters(5000)), HasSubstr("more than 64 deep"));
  std::string many = R"({"must":[)";
  for (size_t i = 0; i < Filter::kConditionsMax; ++i) many += i == 0 ? "{}" : ",{}";
  EXPECT_EQ(parse_filter(many + "]}").node().must.size(), Filter::kConditionsMax);
  EXPECT_THAT(filter_refusal(many + ",{}]}"), HasSubstr("more than 65536"));
  EXPECT_THAT(filter_refusal(many + R"(],"should":{}})"), HasSubstr("more than 65536 conditions"));
  std::string ids = R"({"must":{"has_id":[0)";
  for (size_t i = 1; i < Filter::kListMax; ++i) ids += fmt::format(",{}", i);
  EXPECT_EQ(std::get<HasId>(parse_filter(ids + "]}}").node().must[0]).ids.size(), Filter::kListMax);
  EXPECT_THAT(filter_refusal(ids + ",1]}}"), HasSubstr("filter.must.has_id: a list of more than 1000000"));
}

}  // namespace
}  // namespace sextant::store
