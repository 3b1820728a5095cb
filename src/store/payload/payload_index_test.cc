#include "store/payload/payload_index.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include "base/files.h"
#include "errors.h"
#include "store/payload/facet_counter.h"
#include "store/payload/filter_bounds.h"
#include "store/payload/order_values.h"
#include "store/payload/testing_payloads.h"
#include "store/payload/testing_segment.h"

namespace sextant::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using testing_segment::SomePoints;

// Rows for certain and rows to look at.
struct Found {
  std::vector<uint32_t> sure, maybe;
  std::vector<std::string> without_index;
};

Found find(const SomePoints& points, const PayloadIndex& index, std::string_view must) {
  const Filter filter = parse_filter(R"({"must":)" + std::string(must) + "}");
  const RowBounds bounds = index.evaluate(filter, points.all(), points);
  return {bounds.sure.rows(), bounds.maybe.rows(), bounds.without_index};
}

TEST(PayloadIndexes, AgreeWithWhatLookingAtEachPayloadFinds) {
  const uint64_t seed = 20260;
  base::Random random(seed);
  size_t cases = 0, rows = 0, decided = 0, matching = 0;
  for (int world = 0; world < 110; ++world) {
    std::vector<std::string> payloads(random.below(40));
    for (std::string& payload : payloads) payload = testing_payloads::any_payload(random);
    const SomePoints points(std::move(payloads));
    const PayloadIndex index = points.index(testing_payloads::any_schema(random));
    RowSet alive = points.all();
    if (world % 2 == 0) alive -= RowSet::range(5, 9);
    for (int i = 0; i < 28; ++i) {
      const std::string json = testing_payloads::any_filter(random, 2);
      const Filter filter = parse_filter(json);
      ASSERT_EQ(parse_filter(filter_json(filter)), filter) << json;
      const RowBounds bounds = index.evaluate(filter, alive, points);
      const RowSet truth = points.truth(filter, index.schema(), alive);
      const auto told = [&] {
        std::string out =
            fmt::format("seed {}, world {}\nfilter {}\nschema {}\nsure {}\nmaybe {}\ntruth {}\n", seed, world, json,
                        payload_schema_json(index.schema()), bounds.sure.rows(), bounds.maybe.rows(), truth.rows());
        for (uint32_t row = 0; row < points.rows(); ++row) out += fmt::format("{}: {}\n", row, points.payload(row));
        return out;
      };
      ASSERT_TRUE((bounds.sure - truth).empty()) << told();
      ASSERT_TRUE((bounds.sure & bounds.maybe).empty()) << told();
      ASSERT_TRUE(((bounds.sure | bounds.maybe) - alive).empty()) << told();
      ASSERT_EQ(bounds.sure | points.truth(filter, index.schema(), bounds.maybe), truth) << told();
      ++cases;
      rows += alive.count();
      decided += alive.count() - bounds.maybe.count();
      matching += truth.count();
    }
  }
  EXPECT_GE(cases, 3000u);
  // Neither trivial nor idle.
  EXPECT_GT(matching, rows / 10);
  EXPECT_LT(matching, rows / 2);
  EXPECT_GT(decided, rows * 7 / 10);
}

TEST(PayloadIndexes, DecideWithoutAPayloadWhatTheirKindKnows) {
  const SomePoints points({
      R"({"s": "red", "n": 1, "f": 1.5, "b": true, "d": "2020-01-01", "g": {"lon": 13.4, "lat": 52.5}, "t": "a good bike"})",
      R"({"s": ["blue", "red"], "n": [2, 3], "f": 2, "b": [false], "d": "2021-01-01", "t": ["good", "bike"]})",
      R"({"s": "reddish", "u": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "g": {"lon": 2.3, "lat": 48.9}})",
      "",
  });
  const PayloadIndex index = points.index(
      R"({"s": "keyword", "n": "integer", "f": "float", "b": "bool", "d": "datetime", "g": "geo", "t": "text", "u": "uuid"})");
  index.verify();
  const auto sure = [&](std::string_view must) {
    const Found found = find(points, index, must);
    EXPECT_THAT(found.maybe, ElementsAre()) << must;
    EXPECT_THAT(found.without_index, ElementsAre()) << must;
    return found.sure;
  };
  EXPECT_THAT(sure(R"({"key": "s", "match": {"value": "red"}})"), ElementsAre(0, 1));
  EXPECT_THAT(sure(R"({"key": "s", "match": {"any": ["blue", "reddish", "x"]}})"), ElementsAre(1, 2));
  EXPECT_THAT(sure(R"({"key": "s", "match": {"prefix": "red"}})"), ElementsAre(0, 1, 2));
  EXPECT_THAT(sure(R"({"key": "s", "match": {"text": "RED"}})"), ElementsAre(0, 1));
  EXPECT_THAT(sure(R"({"key": "s", "match": {"except": ["reddish"]}})"), ElementsAre(0, 1));
  EXPECT_THAT(sure(R"({"key": "n", "match": {"value": 3}})"), ElementsAre(1));
  EXPECT_THAT(sure(R"({"key": "n", "range": {"gt": 0.5, "lt": 3}})"), ElementsAre(0, 1));
  EXPECT_THAT(sure(R"({"key": "f", "range": {"gte": 2}})"), ElementsAre(1));
  EXPECT_THAT(sure(R"({"key": "b", "match": {"value": false}})"), ElementsAre(1));
  EXPECT_THAT(sure(R"({"key": "d", "range": {"lt": "2020-06-01"}})"), ElementsAre(0));
  EXPECT_THAT(sure(R"({"key": "g", "geo_radius": {"center": {"lon": 13.4, "lat": 52.5}, "radius": 1}})"),
              ElementsAre(0));
  EXPECT_THAT(sure(R"({"key": "t", "match": {"text": "good"}})"), ElementsAre(0, 1));
  EXPECT_THAT(sure(R"({"key": "t", "match": {"text_any": "bike car"}})"), ElementsAre(0, 1));
  EXPECT_THAT(sure(R"({"key": "u", "match": {"value": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}})"), ElementsAre(2));
  EXPECT_THAT(sure(R"({"is_empty": {"key": "s"}})"), ElementsAre(3));
  EXPECT_THAT(sure(R"({"key": "n", "values_count": {"gt": 1}})"), ElementsAre(1));
  EXPECT_THAT(sure(R"({"key": "n", "values_count": {"lt": 1}})"), ElementsAre(2, 3));
  EXPECT_THAT(sure(R"({"has_id": [1, 3, 77]})"), ElementsAre(1, 3));
  EXPECT_THAT(sure(R"({"has_vector": "image"})"), ElementsAre(0, 3));
  // Words may be spread over several texts, and phrases are no words.
  const Found spread = find(points, index, R"({"key": "t", "match": {"text": "good bike"}})");
  EXPECT_THAT(spread.sure, ElementsAre(0));
  EXPECT_THAT(spread.maybe, ElementsAre(1));
  EXPECT_THAT(find(points, index, R"({"key": "t", "match": {"phrase": "good bike"}})").maybe, ElementsAre(0, 1));
}

TEST(PayloadIndexes, NarrowDownWhatTheyDoNotKnow) {
  const SomePoints points({R"({"s": "red", "x": 1})", R"({"s": "red", "x": 2})", R"({"s": "blue", "x": 1})",
                           R"({"l": [{"s": "red", "x": 1}]})", R"({"l": [{"s": "red"}, {"x": 1}]})"});
  const PayloadIndex index = points.index(R"({"s": "keyword", "l[].s": "keyword"})");
  const std::string red = R"({"key": "s", "match": {"value": "red"}})", one = R"({"key": "x", "match": {"value": 1}})";
  Found found = find(points, index, "[" + red + "," + one + "]");
  EXPECT_THAT(found.maybe, ElementsAre(0, 1));
  EXPECT_THAT(found.without_index, ElementsAre("x"));
  found = find(points, index, R"({"should": [)" + red + "," + one + R"(], "must_not": {"has_id": [1]}})");
  EXPECT_THAT(found.sure, ElementsAre(0));
  EXPECT_THAT(found.maybe, ElementsAre(2, 3, 4));
  found = find(points, index, R"({"nested": {"key": "l", "filter": {"must": [)" + red + "," + one + "]}}}");
  EXPECT_THAT(found.maybe, ElementsAre(3, 4));
  EXPECT_THAT(found.without_index, ElementsAre("l[].x"));
  EXPECT_THAT(find(points, index, R"({"key": "s", "range": {"gt": 1}})").without_index, ElementsAre("s"));
}

TEST(PayloadIndexes, DoNotTakeAbsenceInOneObjectForAbsenceInAll) {
  const SomePoints points({R"({"l": [{"s": "red"}, {"n": 1}]})", R"({"l": [{"s": "red"}]})"});
  const PayloadIndex index = points.index(R"({"l[].s": "keyword"})");
  const Found found =
      find(points, index, R"({"nested": {"key": "l", "filter": {"must": {"is_empty": {"key": "s"}}}}})");
  EXPECT_THAT(found.maybe, ElementsAre(0, 1));
  EXPECT_THAT(found.without_index, ElementsAre("l[].s"));
}

TEST(PayloadIndexes, FindWhatIsBesideTheValuesOfAList) {
  const SomePoints points({R"({"s": "red"})", R"({"s": ["red", "blue"]})", R"({"s": ["red", 7]})", R"({"s": 7})",
                           R"({"s": [null, "red"]})", R"({"s": "blue"})"});
  const PayloadIndex index = points.index(R"({"s": "keyword"})");
  const Found found = find(points, index, R"({"key": "s", "match": {"except": ["red"]}})");
  EXPECT_THAT(found.sure, ElementsAre(2, 3, 5));
  EXPECT_THAT(found.maybe, ElementsAre(1));
}

TEST(PayloadIndexes, CountInHowManySetsARowIs) {
  base::Random random(5);
  const RowSet all = RowSet::range(0, 500);
  for (const size_t sets : {3u, 40u}) {
    std::vector<RowSet> some;
    std::vector<uint64_t> counts(500);
    for (size_t i = 0; i < sets; ++i) {
      std::vector<uint32_t> rows;
      for (uint32_t row = 0; row < 500; ++row) {
        if (i == 0 || random.below(3) == 0) rows.push_back(row);
      }
      for (const uint32_t row : rows) ++counts[row];
      some.push_back(RowSet::of_sorted(rows));
    }
    some.push_back(RowSet());
    for (uint64_t count = 0; count <= sets + 2; ++count) {
      std::vector<uint32_t> expected;
      for (uint32_t row = 0; row < 500; ++row) {
        if (counts[row] >= count) expected.push_back(row);
      }
      AtLeast at_least(count, some.size(), all, 500);
      for (const RowSet& set : some) at_least.add(set);
      ASSERT_EQ(at_least.take().rows(), expected) << count;
    }
  }
}

TEST(PayloadIndexes, CountFacets) {
  const SomePoints points({R"({"s": ["red", "red"], "n": 5, "b": true, "u": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"})",
                           R"({"s": "blue", "n": [5, -1]})", R"({"s": ["red", "blue"], "n": "x"})", R"({"s": "green"})",
                           ""});
  const PayloadIndex index = points.index(R"({"s": "keyword", "n": "integer", "b": "bool", "u": "uuid", "t": "text"})");
  const auto top = [&](std::string_view path, const RowSet& within, size_t limit) {
    FacetCounter counter(KeyPath::parse(path), index.field(std::string(path))->schema());
    counter.add(index, within);
    return counter.top(limit);
  };
  EXPECT_THAT(top("s", points.all(), 10),
              ElementsAre(FacetCount{"blue", 2}, FacetCount{"red", 2}, FacetCount{"green", 1}));
  EXPECT_THAT(top("s", RowSet::range(0, 2), 1), ElementsAre(FacetCount{"blue", 1}));
  EXPECT_THAT(top("n", points.all(), 10), ElementsAre(FacetCount{int64_t{5}, 2}, FacetCount{int64_t{-1}, 1}));
  EXPECT_THAT(top("b", points.all(), 10), ElementsAre(FacetCount{true, 1}));
  EXPECT_THAT(top("u", points.all(), 10), ElementsAre(FacetCount{"6ba7b810-9dad-11d1-80b4-00c04fd430c8", 1}));
  EXPECT_THAT(tests::error_of([&] { top("t", points.all(), 10); }), HasSubstr("values of 't' cannot be counted"));
  // Points without an index are counted in the same way.
  for (const char* path : {"s", "n", "b", "u"}) {
    FacetCounter counter(KeyPath::parse(path), index.field(path)->schema());
    PayloadReader reader;
    for (uint32_t row = 0; row < points.rows(); ++row) counter.add(points.view(row, reader));
    EXPECT_EQ(counter.top(10), top(path, points.all(), 10)) << path;
  }
}

TEST(PayloadIndexes, GiveRowsInTheOrderOfANumber) {
  const SomePoints points({R"({"n": 5, "f": 0.5, "d": "2020-01-01"})", R"({"n": [5, -1]})", R"({"n": 7, "f": 2})",
                           R"({"n": -1, "d": "1969-12-31T23:59:59Z"})", R"({"n": "x"})"});
  const PayloadIndex index = points.index(R"({"n": "integer", "f": "float", "d": "datetime", "s": "keyword"})");
  using Pairs = std::vector<std::pair<OrderValue, uint32_t>>;
  const auto ordered = [&](std::string_view path, const OrderOptions& options, const RowSet& within,
                           size_t limit = 99) {
    Pairs out;
    index.order_by(KeyPath::parse(path), options, within, [&](const OrderValue& value, uint32_t row) {
      out.emplace_back(value, row);
      return out.size() < limit;
    });
    return out;
  };
  const auto n = [](int64_t value) { return OrderValue(value); };
  EXPECT_EQ(ordered("n", {}, points.all()), (Pairs{{n(-1), 1}, {n(-1), 3}, {n(5), 0}, {n(5), 1}, {n(7), 2}}));
  EXPECT_EQ(ordered("n", {true}, points.all(), 3), (Pairs{{n(7), 2}, {n(5), 0}, {n(5), 1}}));
  EXPECT_EQ(ordered("n", {true, n(5)}, RowSet::range(1, 5)), (Pairs{{n(5), 1}, {n(-1), 1}, {n(-1), 3}}));
  EXPECT_EQ(ordered("n", {false, OrderValue(5.5)}, points.all()), (Pairs{{n(7), 2}}));
  EXPECT_EQ(ordered("f", {false, n(1)}, points.all()), (Pairs{{OrderValue(2.0), 2}}));
  EXPECT_EQ(ordered("d", {}, points.all()), (Pairs{{n(-1'000'000), 3}, {n(1'577'836'800'000'000), 0}}));
  // Points without an index have the same values.
  for (const char* path : {"n", "f", "d"}) {
    Pairs expected = ordered(path, {}, points.all()), found;
    PayloadReader reader;
    for (uint32_t row = 0; row < points.rows(); ++row) {
      for (const OrderValue& value :
           order_values(KeyPath::parse(path), index.field(path)->schema(), points.view(row, reader))) {
        found.emplace_back(value, row);
      }
    }
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, expected) << path;
  }
  EXPECT_EQ(tests::error_of([&] { ordered("s", {}, points.all()); }),
            "invalid_argument: points cannot be ordered by 's': it has an index of type keyword, expected one of type "
            "integer with range, float or datetime");
  EXPECT_THAT(tests::error_of([&] { ordered("x", {}, points.all()); }), HasSubstr("it has no index"));
}

TEST(PayloadIndexes, KnowHowManyValuesTheyHold) {
  const SomePoints points({R"({"s": ["a", "b"], "f": 1})", R"({"s": "a", "f": [1, 2]})", R"({"s": 5})"});
  const PayloadIndex index = points.index(R"({"s": "keyword", "f": "float"})");
  EXPECT_EQ(index.rows(), 3u);
  EXPECT_EQ(index.statistics("s")->points, 2u);
  EXPECT_EQ(index.statistics("s")->distinct, 2u);
  EXPECT_EQ(index.statistics("f")->points, 2u);
  EXPECT_EQ(index.statistics("f")->distinct, 2u);
  EXPECT_FALSE(index.statistics("x"));
}

TEST(PayloadIndexes, HoldManyRowsInSetsAndLists) {
  std::vector<std::string> payloads;
  for (int i = 0; i < 70'000; ++i)
    payloads.push_back(fmt::format(R"({{"s":"{}","n":{}}})", i % 3 == 0 ? "x" : "y", i % 1000));
  const SomePoints points(std::move(payloads));
  const PayloadIndex index = points.index(R"({"s": "keyword", "n": "integer"})");
  EXPECT_EQ(find(points, index, R"({"key": "s", "match": {"value": "x"}})").sure.size(), 23'334u);
  EXPECT_EQ(find(points, index, R"({"key": "n", "match": {"value": 7}})").sure.size(), 70u);
  EXPECT_EQ(find(points, index, R"({"key": "n", "range": {"lt": 990}})").sure.size(), 69'300u);
}

TEST(PayloadIndexes, AreNeverTrusted) {
  const SomePoints points = testing_segment::points_of_all_kinds();
  const std::string good = testing_segment::index_of_all_kinds();
  const base::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "payload.idx";
  const auto ask = [&](std::string_view bytes) {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return testing_segment::ask_everything(path, points);
  };
  ASSERT_EQ(ask(good), 0u);
  size_t errors = 0;
  base::Random random(6);
  for (int i = 0; i < 300; ++i) {
    // Somewhere near what is not padding.
    size_t at = 0;
    do at = random.below(good.size() - 1);
    while (good[at] == 0 && good[at + 1] == 0);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (random.below(2) == 0 ? 1 << random.below(8) : 1 + random.below(255)));
    testing_segment::mend_head(bad);
    errors += ask(bad);
  }
  EXPECT_GT(errors, 100u);
  for (int i = 0; i < 50; ++i) EXPECT_GT(ask(std::string_view(good).substr(0, random.below(good.size()))), 0u);
  // What no check of its own sees the checksums do.
  std::string bad = good;
  const size_t at = good.find("reddish");
  ASSERT_NE(at, std::string::npos);
  bad[at] = 's';
  ask(bad);
  EXPECT_THAT(tests::error_of(ErrorCode::corrupted, [&] { PayloadIndex::open(path).verify(); }), HasSubstr("checksum"));
}

TEST(PayloadIndexes, ReadNoPostingTwice) {
  // Where many values claim the same large posting a small file would take forever.
  std::string bytes = testing_segment::index_of_all_kinds();
  const size_t entry = bytes.find("5.ends");
  ASSERT_NE(entry, std::string::npos);
  uint64_t offset = 0;
  std::memcpy(&offset, bytes.data() + entry + 24, sizeof(offset));
  std::array<uint64_t, 3> ends = {5, 0, 5};
  std::memcpy(bytes.data() + offset, ends.data(), sizeof(ends));
  const base::TemporaryFolder folder;
  std::ofstream(folder.path() / "payload.idx", std::ios::binary) << bytes;
  const SomePoints points = testing_segment::points_of_all_kinds();
  const PayloadIndex index = PayloadIndex::open(folder.path() / "payload.idx");
  EXPECT_THAT(find(points, index, R"({"key": "s", "match": {"any": ["blue"]}})").sure, ElementsAre(1));
  EXPECT_THAT(tests::error_of(ErrorCode::corrupted,
                              [&] { find(points, index, R"({"key": "s", "match": {"any": ["blue", "reddish"]}})"); }),
              HasSubstr("field 5: postings lie out of order"));
  // A form without rows.
  ends = {1, 2, 3};
  std::memcpy(bytes.data() + offset, ends.data(), sizeof(ends));
  std::ofstream(folder.path() / "empty.idx", std::ios::binary) << bytes;
  const PayloadIndex empty = PayloadIndex::open(folder.path() / "empty.idx");
  EXPECT_THAT(tests::error_of(ErrorCode::corrupted,
                              [&] { find(points, empty, R"({"key": "s", "match": {"value": "blue"}})"); }),
              HasSubstr("field 5: a posting has an unknown form"));
}

}  // namespace
}  // namespace sextant::store
