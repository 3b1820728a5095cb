#include "store/payload/payload_match.h"

#include <gmock/gmock.h>

#include <array>

#include "store/payload/payload_reader.h"

namespace sextant::store {
namespace {

// Whether a condition holds for a point with this payload.
bool holds(std::string_view condition, std::string_view payload, const PayloadSchema& schema = {},
           const PointId& id = PointId::of(1)) {
  PayloadReader reader;
  PayloadMatcher matcher(parse_filter(R"({"must":)" + std::string(condition) + "}"), schema);
  constexpr std::array<std::string_view, 2> kVectors = {"", "image"};
  return matcher.matches({id, reader.read(payload), kVectors});
}

constexpr std::string_view kThing = R"({
  "location": {"lon": 13.404954, "lat": 52.520008}, "price": 499.90, "amount": 10, "rating": [3, 7, 9, 9],
  "color": "red", "has_delivery": true, "shipped_at": "2020-02-15T00:00:00Z", "parts": [], "packaging": null,
  "null_array": [null, 1], "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "name": "A good, cheap Bike",
  "mixed": [1.0, "x", {"y": 1}, null], "deep": {"er": {"est": 5}}, "big": 18446744073709551615,
  "diet": [{"food": "leaves", "likes": false}, {"food": "meat", "likes": true, "where": [{"city": "Rome"}]}, 7],
  "one": {"food": "meat"}
})";

TEST(PayloadMatches, OfValuesAskForTheSameKind) {
  for (const char* condition :
       {R"({"key": "color", "match": {"value": "red"}})", R"({"key": "amount", "match": {"value": 10}})",
        R"({"key": "has_delivery", "match": {"value": true}})", R"({"key": "rating", "match": {"value": 7}})",
        R"({"key": "rating[]", "match": {"value": 7}})", R"({"key": "rating[1]", "match": {"value": 7}})",
        R"({"key": "deep.er.est", "match": {"value": 5}})", R"({"key": "diet[].food", "match": {"value": "meat"}})",
        R"({"key": "id", "match": {"value": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}})",
        R"({"key": "mixed", "match": {"value": "x"}})", R"({"key": "\"color\"", "match": {"value": "red"}})"}) {
    EXPECT_TRUE(holds(condition, kThing)) << condition;
  }
  for (const char* condition :
       {R"({"key": "color", "match": {"value": "Red"}})", R"({"key": "amount", "match": {"value": "10"}})",
        R"({"key": "mixed", "match": {"value": 1}})",  // 1.0 is no integer
        R"({"key": "has_delivery", "match": {"value": 1}})", R"({"key": "big", "match": {"value": -1}})",
        R"({"key": "rating[0]", "match": {"value": 7}})", R"({"key": "rating[9]", "match": {"value": 7}})",
        R"({"key": "diet.food", "match": {"value": "meat"}})",  // through a list only with []
        R"({"key": "one[].food", "match": {"value": "meat"}})",
        R"({"key": "id", "match": {"value": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"}})",
        R"({"key": "nothing", "match": {"value": 1}})", R"({"key": "packaging", "match": {"value": false}})"}) {
    EXPECT_FALSE(holds(condition, kThing)) << condition;
  }
}

TEST(PayloadMatches, OfListsAndPrefixes) {
  for (const char* condition :
       {R"({"key": "color", "match": {"any": ["blue", "red"]}})", R"({"key": "rating", "match": {"any": [1, 9]}})",
        R"({"key": "color", "match": {"except": ["blue"]}})", R"({"key": "rating", "match": {"except": [3]}})",
        R"({"key": "color", "match": {"except": [3]}})", R"({"key": "mixed", "match": {"except": ["x"]}})",
        R"({"key": "has_delivery", "match": {"except": []}})", R"({"key": "null_array", "match": {"except": []}})",
        R"({"key": "color", "match": {"prefix": "re"}})", R"({"key": "color", "match": {"prefix": ""}})"}) {
    EXPECT_TRUE(holds(condition, kThing)) << condition;
  }
  for (const char* condition :
       {R"({"key": "color", "match": {"any": ["blue"]}})", R"({"key": "color", "match": {"any": []}})",
        R"({"key": "amount", "match": {"any": ["10"]}})", R"({"key": "color", "match": {"except": ["red"]}})",
        R"({"key": "rating", "match": {"except": [3, 7, 9]}})", R"({"key": "nothing", "match": {"except": ["x"]}})",
        R"({"key": "packaging", "match": {"except": ["x"]}})", R"({"key": "parts", "match": {"except": ["x"]}})",
        R"({"key": "null_array", "match": {"except": [1]}})", R"({"key": "color", "match": {"prefix": "ed"}})",
        R"({"key": "amount", "match": {"prefix": "1"}})"}) {
    EXPECT_FALSE(holds(condition, kThing)) << condition;
  }
}

TEST(PayloadMatches, OfTextsLookAtWords) {
  EXPECT_TRUE(holds(R"({"key": "name", "match": {"text": "CHEAP good"}})", kThing));
  EXPECT_FALSE(holds(R"({"key": "name", "match": {"text": "chea"}})", kThing));
  EXPECT_TRUE(holds(R"({"key": "name", "match": {"text_any": "car bike"}})", kThing));
  EXPECT_TRUE(holds(R"({"key": "name", "match": {"phrase": "cheap bike"}})", kThing));
  EXPECT_FALSE(holds(R"({"key": "name", "match": {"phrase": "good bike"}})", kThing));
  EXPECT_FALSE(holds(R"({"key": "amount", "match": {"text": "10"}})", kThing));
  // Each element by itself.
  EXPECT_FALSE(holds(R"({"key": "t", "match": {"text": "a b"}})", R"({"t": ["a", "b"]})"));
  const PayloadSchema prefix = parse_payload_schema(
      R"({"name": {"type": "text", "tokenizer": "prefix"}, "a[].b": {"type": "text", "lowercase": false}})");
  EXPECT_TRUE(holds(R"({"key": "name", "match": {"text": "chea"}})", kThing, prefix));
  const char* nested = R"({"nested": {"key": "a", "filter": {"must": {"key": "b", "match": {"text": "x"}}}}})";
  EXPECT_TRUE(holds(nested, R"({"a": [{"b": "X"}]})"));
  EXPECT_FALSE(holds(nested, R"({"a": [{"b": "X"}]})", prefix));
}

TEST(PayloadMatches, OfRanges) {
  for (const char* condition :
       {R"({"key": "price", "range": {"gt": 499.8, "lte": 499.9}})", R"({"key": "amount", "range": {"gte": 10}})",
        R"({"key": "rating", "range": {"gt": 7, "lt": 10}})", R"({"key": "mixed", "range": {"lte": 1}})",
        R"({"key": "big", "range": {"gt": 1e19}})", R"({"key": "price", "range": {}})",
        R"({"key": "shipped_at", "range": {"gte": "2020-02-15", "lt": "2020-02-15T00:00:00.000001Z"}})",
        R"({"key": "shipped_at", "range": {"lte": "2020-02-14T23:00:00-01:00"}})"}) {
    EXPECT_TRUE(holds(condition, kThing)) << condition;
  }
  for (const char* condition :
       {R"({"key": "amount", "range": {"gt": 10}})", R"({"key": "rating", "range": {"gt": 3, "lt": 7}})",
        R"({"key": "amount", "range": {"gte": 11, "lt": 5}})", R"({"key": "color", "range": {}})",
        R"({"key": "shipped_at", "range": {"gt": "2020-02-15"}})", R"({"key": "shipped_at", "range": {}})",
        R"({"key": "color", "range": {"gt": "2020-02-15"}})", R"({"key": "nothing", "range": {}})"}) {
    EXPECT_FALSE(holds(condition, kThing)) << condition;
  }
}

TEST(PayloadMatches, OfPlaces) {
  const char* near = R"({"key": "location", "geo_radius": {"center": {"lon": 13.42, "lat": 52.51}, "radius": 2000}})";
  EXPECT_TRUE(holds(near, kThing));
  EXPECT_TRUE(holds(near, R"({"location": [{"lon": 0, "lat": 0}, {"lat": 52.52, "lon": 13.404954, "name": "x"}]})"));
  EXPECT_FALSE(holds(near, R"({"location": {"lon": 13.404954}})"));
  EXPECT_FALSE(holds(near, R"({"location": {"lon": "13.4", "lat": "52.5"}})"));
  EXPECT_TRUE(holds(R"({"key": "location", "geo_bounding_box": {"top_left": {"lon": 13, "lat": 53},
                        "bottom_right": {"lon": 14, "lat": 52}}})",
                    kThing));
  EXPECT_FALSE(holds(R"({"key": "location", "geo_polygon": {"exterior": {"points": [{"lon": 0, "lat": 0},
                         {"lon": 1, "lat": 0}, {"lon": 0, "lat": 1}, {"lon": 0, "lat": 0}]}}})",
                     kThing));
  // No place on the globe.
  EXPECT_FALSE(holds(R"({"key": "l", "geo_bounding_box": {"top_left": {"lon": 170, "lat": 53},
                         "bottom_right": {"lon": -170, "lat": 52}}})",
                     R"({"l": {"lon": 190, "lat": 52.5}})"));
}

TEST(PayloadMatches, OfCountsEmptinessAndNulls) {
  for (const char* condition :
       {R"({"key": "rating", "values_count": {"gt": 3, "lte": 4}})", R"({"key": "color", "values_count": {"gte": 1}})",
        R"({"key": "parts", "values_count": {"lt": 1}})", R"({"key": "packaging", "values_count": {"lte": 0}})",
        R"({"key": "nothing", "values_count": {"lte": 0}})", R"({"key": "null_array", "values_count": {"gt": 1}})",
        R"({"is_empty": {"key": "parts"}})", R"({"is_empty": {"key": "nothing"}})",
        R"({"is_empty": {"key": "packaging"}})", R"({"is_empty": {"key": "diet[].wings"}})",
        R"({"key": "null_array", "is_empty": false})", R"({"is_null": {"key": "packaging"}})",
        R"({"is_null": {"key": "null_array"}})", R"({"key": "nothing", "is_null": false})",
        R"({"key": "parts", "is_null": false})"}) {
    EXPECT_TRUE(holds(condition, kThing)) << condition;
  }
  for (const char* condition :
       {R"({"key": "rating", "values_count": {"gt": 4}})", R"({"key": "color", "values_count": {"gt": 1}})",
        R"({"is_empty": {"key": "null_array"}})", R"({"is_empty": {"key": "color"}})",
        R"({"is_empty": {"key": "one"}})", R"({"key": "parts", "is_empty": false})",
        R"({"is_null": {"key": "nothing"}})", R"({"is_null": {"key": "parts"}})", R"({"is_null": {"key": "color"}})",
        R"({"key": "packaging", "is_null": false})"}) {
    EXPECT_FALSE(holds(condition, kThing)) << condition;
  }
}

TEST(PayloadMatches, OfNestedConditionsSeeOneObjectAtATime) {
  const auto nested = [](std::string_view filter) {
    return R"({"nested": {"key": "diet", "filter": )" + std::string(filter) + "}}";
  };
  EXPECT_TRUE(holds(nested(R"({"must": [{"key": "food", "match": {"value": "meat"}},
                                        {"key": "likes", "match": {"value": true}}]})"),
                    kThing));
  EXPECT_FALSE(holds(nested(R"({"must": [{"key": "food", "match": {"value": "leaves"}},
                                         {"key": "likes", "match": {"value": true}}]})"),
                     kThing));
  EXPECT_TRUE(holds(nested(R"({"must_not": {"key": "food", "match": {"value": "meat"}}})"), kThing));
  EXPECT_TRUE(holds(nested(R"({"must": {"nested": {"key": "where[]", "filter":
                               {"must": {"key": "city", "match": {"value": "Rome"}}}}}})"),
                    kThing));
  EXPECT_TRUE(holds(nested("{}"), kThing));
  EXPECT_FALSE(holds(nested("{}"), R"({"diet": [7]})"));
  EXPECT_FALSE(holds(R"({"nested": {"key": "one", "filter": {}}})", kThing));  // no list
  EXPECT_FALSE(holds(nested(R"({"must": {"has_id": [1]}})"), kThing));
  EXPECT_FALSE(holds(nested(R"({"must": {"has_vector": "image"}})"), kThing));
}

TEST(PayloadMatches, OfIdsAndVectors) {
  EXPECT_TRUE(holds(R"({"has_id": [3, 1]})", ""));
  EXPECT_FALSE(holds(R"({"has_id": [3]})", ""));
  EXPECT_TRUE(holds(R"({"has_id": ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]})", "", {},
                    PointId::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")));
  EXPECT_TRUE(holds(R"({"has_vector": "image"})", ""));
  EXPECT_TRUE(holds(R"({"has_vector": ""})", ""));
  EXPECT_FALSE(holds(R"({"has_vector": "text"})", ""));
  EXPECT_NE(holds(R"({"slice": {"index": 0, "total": 2}})", ""), holds(R"({"slice": {"index": 1, "total": 2}})", ""));
}

TEST(PayloadMatches, CombineConditions) {
  const std::string yes = R"({"key": "color", "match": {"value": "red"}})", no = R"({"has_id": []})";
  const auto min_should = [&](const std::string& conditions, const std::string& count) {
    return R"({"min_should": {"conditions": [)" + conditions + R"(], "min_count": )" + count + "}}";
  };
  EXPECT_TRUE(holds("{}", kThing));
  EXPECT_TRUE(holds("[" + yes + "," + yes + "]", kThing));
  EXPECT_FALSE(holds("[" + yes + "," + no + "]", kThing));
  EXPECT_TRUE(holds(R"({"should": [)" + no + "," + yes + "]}", kThing));
  EXPECT_FALSE(holds(R"({"should": )" + no + "}", kThing));
  EXPECT_TRUE(holds(R"({"should": [], "must_not": )" + no + "}", kThing));
  EXPECT_FALSE(holds(R"({"must_not": [)" + no + "," + yes + "]}", kThing));
  EXPECT_TRUE(holds(min_should(yes + "," + no + "," + yes, "2"), kThing));
  EXPECT_FALSE(holds(min_should(yes + "," + no + "," + no, "2"), kThing));
  EXPECT_FALSE(holds(min_should("", "1"), kThing));
  EXPECT_FALSE(holds(min_should(yes, "18446744073709551615"), kThing));
}

TEST(PayloadMatches, OfPointsWithoutPayloads) {
  EXPECT_TRUE(holds(R"({"is_empty": {"key": "a"}})", ""));
  EXPECT_FALSE(holds(R"({"is_null": {"key": "a"}})", ""));
  EXPECT_TRUE(holds(R"({"key": "a", "values_count": {"lt": 1}})", ""));
  EXPECT_FALSE(holds(R"({"key": "a", "match": {"except": []}})", ""));
  EXPECT_FALSE(holds(R"({"nested": {"key": "a", "filter": {}}})", ""));
}

}  // namespace
}  // namespace sextant::store
