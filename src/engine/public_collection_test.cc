// What a program outside sees of collections: the public header alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <thread>

#include "base/files.h"
#include "errors.h"
#include "sextant/collection.h"
#include "sextant/error.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using tests::error_of;

constexpr const char* kRed = R"({"must": {"key": "color", "match": {"value": "red"}}})";

class PublicCollection : public testing::Test {
 protected:
  static Point point(uint64_t id, std::vector<float> vector, std::string payload = "") {
    return {.id = PointId::of(id), .vectors = {{"", {std::move(vector), {}}}}, .payload = std::move(payload)};
  }
  static std::vector<uint64_t> ids_of(const PointSearchResult& result) {
    std::vector<uint64_t> ids;
    for (const ScoredPoint& hit : result.hits) ids.push_back(hit.point.id.number());
    return ids;
  }
  std::string path_of(const std::string& name) const { return (folder.path() / name).string(); }

  // Three points on a line, two of which are red.
  Collection make_line() {
    Collection line = database.create_collection("line", {.vectors = {{.dim = 2, .metric = Metric::l2}}});
    line.upsert({point(1, {1, 0}, R"({"color": "red", "n": 1})"), point(2, {2, 0}, R"({"color": "blue", "n": 2})"),
                 point(3, {3, 0}, R"({"color": "red", "n": 3})")});
    return line;
  }

  base::TemporaryFolder folder;
  Database database = Database::open(folder.path() / "db", {.memory_bytes = 8 << 20});
};

const Embedder& builtin() {
  static const std::unique_ptr<Embedder> model = Embedder::load("builtin");
  return *model;
}

TEST_F(PublicCollection, FindsTheNearestThatAFilterAllows) {
  Collection line = make_line();
  const PointSearchResult all = line.search({{1.9f, 0}, {}});
  EXPECT_THAT(ids_of(all), ElementsAre(2, 1, 3));
  EXPECT_FLOAT_EQ(all.hits[0].score, 0.1f);
  EXPECT_EQ(all.hits[0].point.payload, R"({"color": "blue", "n": 2})");
  EXPECT_THAT(all.hits[0].point.vectors, IsEmpty());
  EXPECT_TRUE(all.exact);
  EXPECT_THAT(all.parts, SizeIs(1));
  EXPECT_EQ(all.parts[0].part, "newest rows");

  const PointSearchResult red = line.search({{1.9f, 0}, {}}, {.limit = 1, .filter = kRed});
  EXPECT_THAT(ids_of(red), ElementsAre(1));
  EXPECT_GT(red.payloads_read, 0u);

  EXPECT_THAT(ids_of(line.search({{1.9f, 0}, {}}, {.score_threshold = 1.0f})), ElementsAre(2, 1));
  EXPECT_THAT(ids_of(line.search({{1.9f, 0}, {}}, {.limit = SIZE_MAX})), ElementsAre(2, 1, 3));
  EXPECT_THAT(line.search({{1.9f, 0}, {}}, {.limit = 0}).hits, IsEmpty());

  const PointSearchResult whole =
      line.search({{3, 0}, {}}, {.limit = 1, .exact = true, .fields = {.payload = false, .all_vectors = true}});
  ASSERT_THAT(whole.hits, SizeIs(1));
  EXPECT_EQ(whole.hits[0].point.vectors, (NamedVectors{{"", {{3, 0}, {}}}}));
  EXPECT_EQ(whole.hits[0].point.payload, "");
}

TEST_F(PublicCollection, ReadsItsPointsInEveryWay) {
  Collection line = make_line();
  const std::vector<PointId> ids = {PointId::of(3), PointId::of(9)};
  const auto got = line.get(ids, {.vectors = {""}});
  ASSERT_THAT(got, SizeIs(2));
  ASSERT_TRUE(got[0].has_value());
  EXPECT_EQ(got[0]->id, PointId::of(3));
  EXPECT_EQ(got[0]->version, 1u);
  EXPECT_EQ(got[0]->vectors, (NamedVectors{{"", {{3, 0}, {}}}}));
  EXPECT_FALSE(got[1].has_value());

  const ScrollPage first = line.scroll({.limit = 2});
  ASSERT_THAT(first.points, SizeIs(2));
  EXPECT_EQ(first.points[1].id, PointId::of(2));
  EXPECT_EQ(first.next, PointId::of(3));
  const ScrollPage second = line.scroll({.from = first.next, .limit = SIZE_MAX});
  ASSERT_THAT(second.points, SizeIs(1));
  EXPECT_FALSE(second.next.has_value());
  EXPECT_THAT(line.scroll({.filter = kRed}).points, SizeIs(2));

  const auto ordered = line.scroll_ordered({.key = "n", .descending = true, .limit = 2});
  ASSERT_THAT(ordered, SizeIs(2));
  EXPECT_EQ(ordered[0].point.id, PointId::of(3));
  EXPECT_EQ(ordered[1].point.id, PointId::of(2));
  EXPECT_THAT(line.sample(2, 7), SizeIs(2));
  EXPECT_THAT(line.sample(10, 7, kRed), SizeIs(2));

  EXPECT_EQ(line.count(), 3u);
  EXPECT_EQ(line.count(kRed), 2u);
  EXPECT_EQ(line.facet("color"), (std::vector<FacetCount>{{std::string("red"), 2}, {std::string("blue"), 1}}));
  EXPECT_EQ(line.facet("n", 1, kRed), (std::vector<FacetCount>{{int64_t{1}, 1}}));
}

TEST_F(PublicCollection, ChangesPointsInPart) {
  Collection line = make_line();
  const PointSelection first{.ids = {PointId::of(1)}}, red{.filter = kRed};
  auto payload_of = [&](uint64_t id) {
    const PointId ids[] = {PointId::of(id)};
    return line.get(ids)[0]->payload;
  };
  EXPECT_EQ(line.merge_payload(first, R"({"size": 5})").updated, 1u);
  EXPECT_EQ(payload_of(1), R"({"color":"red","n":1,"size":5})");
  EXPECT_EQ(line.merge_payload(red, R"({"deep": true})", "more").updated, 2u);
  EXPECT_EQ(payload_of(3), R"({"color":"red","n":3,"more":{"deep":true}})");
  line.remove_payload_keys(first, {"size", "more.deep", "n"});
  EXPECT_EQ(payload_of(1), R"({"color":"red","more":{}})");
  line.replace_payload(first, R"({"color": "green"})");
  EXPECT_EQ(payload_of(1), R"({"color": "green"})");
  line.clear_payload(first);
  EXPECT_EQ(payload_of(1), "{}");

  EXPECT_EQ(line.update_vectors({point(1, {9, 0}), point(8, {9, 0})}).missing, 1u);
  EXPECT_THAT(ids_of(line.search({{9, 0}, {}}, {.limit = 1})), ElementsAre(1));
  line.remove_vectors(first, {""});
  EXPECT_THAT(ids_of(line.search({{9, 0}, {}})), ElementsAre(3, 2));

  EXPECT_EQ(line.remove({.filter = kRed}).removed, 1u);
  EXPECT_EQ(line.remove({.ids = {PointId::of(2), PointId::of(7)}}).missing, 1u);
  EXPECT_EQ(line.remove({}).removed, 0u);
  EXPECT_EQ(line.count(), 1u);
  EXPECT_EQ(line.remove({.filter = "{}"}).removed, 1u);
  EXPECT_EQ(line.count(), 0u);
}

TEST_F(PublicCollection, WritesOnConditions) {
  Collection line = make_line();
  EXPECT_EQ(line.upsert({point(1, {5, 0})}, {.mode = WriteMode::insert}).missing, 1u);
  EXPECT_EQ(line.upsert({point(4, {5, 0})}, {.mode = WriteMode::update}).missing, 1u);
  const Written added = line.upsert({point(4, {4, 0})}, {.expected_version = 0});
  EXPECT_EQ(added.inserted, 1u);
  EXPECT_EQ(error_of(ErrorCode::invalid_argument,
                     [&] {
                       line.upsert({point(5, {4, 0}), point(4, {4, 0})}, {.expected_version = 0});
                     }),
            "point 4: its version is " + std::to_string(added.version) + ", expected 0");
  EXPECT_EQ(line.count(), 4u);
  EXPECT_EQ(line.upsert({point(4, {4, 4})}, {.expected_version = added.version}).updated, 1u);
}

TEST_F(PublicCollection, TakesUuidsAndForgetsWhatExpires) {
  Collection line = make_line();
  const PointId id = PointId::parse("6BA7B810-9DAD-11D1-80B4-00C04FD430C8");
  line.upsert({{.id = id, .vectors = {{"", {{0, 0}, {}}}}, .expires_ms = 1}, {.id = PointId::of(4), .expires_ms = 1}});
  EXPECT_EQ(id.text(), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_EQ(line.count(), 3u);
  line.upsert({{.id = id, .vectors = {{"", {{0, 0}, {}}}}}});
  EXPECT_EQ(line.search({{0, 0}, {}}, {.limit = 1}).hits.at(0).point.id, id);
  EXPECT_EQ(line.scroll({.from = PointId::of(4)}).points.at(0).id, id);
}

TEST_F(PublicCollection, KeepsVectorsOfAllKinds) {
  Collection mixed = database.create_collection(
      "mixed", {.vectors = {{.dim = 2, .type = ElementType::float16, .index = IndexKind::flat},
                            {.name = "words", .kind = VectorKind::sparse},
                            {.name = "tokens", .kind = VectorKind::multi, .dim = 2, .metric = Metric::dot},
                            {.name = "bits", .dim = 8, .type = ElementType::bit}},
                .ttl_seconds = 1000});
  mixed.upsert({{.id = PointId::of(1),
                 .vectors = {{"", {{1, 0}, {}}},
                             {"words", {{0.5f, 2}, {3, 70000}}},
                             {"tokens", {{1, 0, 0, 1}, {}}},
                             {"bits", {{1, 1, 1, 1, 0, 0, 0, 0}, {}}}}},
                {.id = PointId::of(2), .vectors = {{"words", {{1}, {3}}}, {"bits", {{1, 1, 1, 1, 1, 1, 0, 0}, {}}}}}});
  EXPECT_THAT(ids_of(mixed.search({{1, 1}, {}})), ElementsAre(1));
  EXPECT_THAT(ids_of(mixed.search({{1}, {3}}, {.vector = "words"})), ElementsAre(2, 1));
  const PointSearchResult tokens = mixed.search({{1, 0, 0, 3}, {}}, {.vector = "tokens"});
  ASSERT_THAT(tokens.hits, SizeIs(1));
  EXPECT_FLOAT_EQ(tokens.hits[0].score, 4);
  const PointSearchResult bits = mixed.search({{1, 1, 1, 1, 1, 1, 1, 0}, {}}, {.vector = "bits"});
  ASSERT_THAT(ids_of(bits), ElementsAre(2, 1));
  EXPECT_FLOAT_EQ(bits.hits[0].score, 1);

  const CollectionInfo info = mixed.info();
  ASSERT_THAT(info.vectors, SizeIs(4));
  EXPECT_EQ(info.vectors[0].type, ElementType::float16);
  EXPECT_EQ(info.vectors[0].metric, Metric::cosine);
  EXPECT_EQ(info.vectors[1].metric, Metric::dot);
  EXPECT_EQ(info.vectors[2].kind, VectorKind::multi);
  EXPECT_EQ(info.vectors[3].metric, Metric::hamming);
  EXPECT_EQ(info.ttl_seconds, 1000u);
  EXPECT_EQ(info.durability, Durability::sync);

  mixed.add_vector({.name = "later", .dim = 1, .metric = Metric::l1});
  mixed.update_vectors({{.id = PointId::of(2), .vectors = {{"later", {{7}, {}}}}}});
  EXPECT_THAT(ids_of(mixed.search({{7}, {}}, {.vector = "later"})), ElementsAre(2));
  mixed.remove_vector("later");
  EXPECT_EQ(error_of(ErrorCode::not_found,
                     [&] {
                       mixed.search({{7}, {}}, {.vector = "later"});
                     }),
            "no vector 'later' in the collection, which has '', 'words', 'tokens', 'bits'");
  EXPECT_THAT(error_of(ErrorCode::not_found, [&] { mixed.remove_vector("later"); }), HasSubstr("no vector 'later'"));
}

TEST_F(PublicCollection, IsKeptInOrder) {
  Collection line = make_line();
  line.set_payload_index("color", "keyword");
  line.set_payload_index("n", R"({"type": "integer", "range": true})");
  EXPECT_THAT(line.info().payload_indexes, ElementsAre(Pair("color", "\"keyword\""), Pair("n", testing::_)));
  line.flush();
  CollectionInfo info = line.info();
  EXPECT_EQ(info.indexed_points, 3u);
  EXPECT_EQ(info.newest_rows, 0u);
  ASSERT_THAT(info.segments, SizeIs(1));
  EXPECT_EQ(info.segments[0].rows, 3u);
  EXPECT_GT(info.index_bytes, 0u);
  const PointSearchResult red = line.search({{1.9f, 0}, {}}, {.filter = kRed});
  EXPECT_THAT(ids_of(red), ElementsAre(1, 3));
  EXPECT_EQ(red.payloads_read, 0u);
  EXPECT_THAT(red.without_index, IsEmpty());
  line.remove_payload_index("color");
  EXPECT_THAT(line.search({{1.9f, 0}, {}}, {.filter = kRed}).without_index, ElementsAre("color"));
  EXPECT_EQ(error_of(ErrorCode::not_found, [&] { line.remove_payload_index("color"); }), "no index on 'color'");
  EXPECT_THAT(error_of(ErrorCode::invalid_argument, [&] { line.set_payload_index("color", "colour"); }),
              HasSubstr("colour"));
  EXPECT_THAT(error_of(ErrorCode::invalid_argument, [&] { line.set_payload_index("a..b", "keyword"); }),
              HasSubstr("a..b"));

  line.remove({.ids = {PointId::of(3)}});
  EXPECT_EQ(line.info().segments.at(0).dead, 1u);
  line.compact();
  EXPECT_EQ(line.info().segments.at(0).rows, 2u);
  line.rebuild();
  line.wait();
  EXPECT_THAT(line.verify(), IsEmpty());
  EXPECT_THAT(ids_of(line.search({{1.9f, 0}, {}})), ElementsAre(2, 1));

  const SnapshotInfo written = line.snapshot(folder.path() / "snapshot");
  EXPECT_EQ(written.points, 2u);
  line.remove({.filter = "{}"});
  const SnapshotInfo restored = database.restore("again", folder.path() / "snapshot");
  EXPECT_EQ(restored.points, 2u);
  EXPECT_EQ(restored.version, written.version);
  EXPECT_THAT(ids_of(database.collection("again").search({{1.9f, 0}, {}})), ElementsAre(2, 1));
  EXPECT_THAT(error_of(ErrorCode::already_exists, [&] { database.restore("again", folder.path() / "snapshot"); }),
              HasSubstr("'again' exists"));
}

TEST_F(PublicCollection, HasANameAndOthers) {
  make_line();
  EXPECT_EQ(error_of(ErrorCode::not_found, [&] { database.collection("lime"); }),
            path_of("db") + ": no collection 'lime'; it has 'line'");
  EXPECT_THAT(error_of(ErrorCode::already_exists, [&] { make_line(); }), HasSubstr("'line' exists"));
  EXPECT_THAT(
      error_of(ErrorCode::invalid_argument, [&] { database.create_collection("a/b", {.vectors = {{.dim = 1}}}); }),
      HasSubstr("a/b"));
  database.change_aliases({{"current", "line"}});
  EXPECT_THAT(database.aliases(), ElementsAre(Pair("current", "line")));
  EXPECT_EQ(database.collection("current").count(), 3u);
  EXPECT_TRUE(database.contains("current"));
  EXPECT_THAT(error_of(ErrorCode::not_found,
                       [&] {
                         database.change_aliases({{"current", ""}, {"gone", ""}});
                       }),
              HasSubstr("no alias 'gone'"));
  EXPECT_THAT(database.aliases(), SizeIs(1));
  database.remove_collection("line");
  EXPECT_FALSE(database.contains("line"));
  EXPECT_THAT(database.collection_names(), IsEmpty());
  EXPECT_THAT(database.aliases(), IsEmpty());
}

TEST_F(PublicCollection, RefusesWhatIsWrongAndSaysWhat) {
  Collection line = make_line();
  EXPECT_EQ(error_of([&] {
              line.upsert({point(4, {1, 2}), point(5, {1, 2, 3})});
            }),
            "invalid_argument: point 5: 3 components, expected 2");
  EXPECT_THAT(error_of([&] {
                line.upsert({point(4, {1, 2}, "[1]")});
              }),
              HasSubstr("invalid_argument: point 4: payload"));
  EXPECT_THAT(error_of([&] {
                line.upsert({point(4, {1, std::numeric_limits<float>::quiet_NaN()})});
              }),
              HasSubstr("invalid_argument: point 4: "));
  EXPECT_THAT(error_of([&] {
                line.update_vectors({point(1, {1, 2}, "{}")});
              }),
              HasSubstr("point 1: a payload, expected vectors alone"));
  EXPECT_EQ(line.count(), 3u);
  EXPECT_EQ(error_of([&] { line.search({{1}, {}}); }), "invalid_argument: 1 components, expected 2");
  EXPECT_EQ(error_of([&] {
              line.search({{1, 0}, {}}, {.filter = R"({"must": {"key": "n", "range": {"gte": "x"}}})"});
            }),
            R"(invalid_argument: filter.must.range.gte: expected a number or an RFC 3339 date-time, found "x")");
  EXPECT_THAT(error_of([&] { line.count("{"); }), HasSubstr("invalid_argument: filter"));
  EXPECT_THAT(error_of([&] { line.remove({.ids = {PointId::of(1)}, .filter = "{}"}); }),
              HasSubstr("expected one of the two"));
  EXPECT_EQ(error_of([&] { PointId::parse("6ba7b810-9dad"); }),
            "invalid_argument: '6ba7b810-9dad' is no point id: expected a number from 0 to 18446744073709551615 or a "
            "UUID");
  EXPECT_THAT(error_of([&] { line.search({{1, 0}, {}}, {.target_recall = 0}); }), HasSubstr("target_recall is 0"));
  EXPECT_THAT(error_of([&] {
                line.search({{1, 0}, {}}, {.score_threshold = std::numeric_limits<float>::quiet_NaN()});
              }),
              HasSubstr("score_threshold is nan"));
  EXPECT_THAT(error_of([&] { line.scroll({.limit = 0}); }), HasSubstr("limit is 0"));
  EXPECT_THAT(error_of([&] {
                line.search({{1, 0}, {}}, {.fields = {.vectors = {"x"}}});
              }),
              HasSubstr("not_found: no vector 'x'"));
  EXPECT_THAT(error_of([&] { database.create_collection("none", {}); }), HasSubstr("vector '': dim 0"));
  EXPECT_THAT(
      error_of([&] { database.create_collection("none", {.vectors = {{.dim = 2}}, .passages = PassageOptions{}}); }),
      HasSubstr("passages: only with a model"));
  EXPECT_THAT(
      error_of([&] { database.create_collection("none", {.vectors = {{.dim = 8, .metric = Metric::hamming}}}); }),
      HasSubstr("bits are compared by hamming"));
  EXPECT_THAT(error_of([&] {
                database.create_collection("none",
                                           {.vectors = {{.dim = 8, .metric = Metric::l1, .codes = CodeKind::sq8}}});
              }),
              HasSubstr("codes sq8, expected automatic or none for metric l1"));
  EXPECT_THAT(error_of([&] {
                database.create_collection("none", {.vectors = {{.dim = 2}, {.dim = 2}}});
              }),
              HasSubstr("vector '' is there twice"));
  EXPECT_THAT(
      error_of([&] { database.create_collection("none", {.vectors = {{.dim = 2}}, .ttl_seconds = UINT64_MAX}); }),
      HasSubstr("ttl_seconds 18446744073709551615, expected at most "));
  EXPECT_FALSE(database.contains("none"));
}

TEST_F(PublicCollection, IsReadByManyAndWrittenByOne) {
  make_line();
  const auto path = folder.path() / "db";
  EXPECT_THAT(error_of(ErrorCode::unavailable, [&] { Database::open(path); }), HasSubstr(path.string()));
  Database reader = Database::open(path, {.read_only = true});
  Collection line = reader.collection("line");
  EXPECT_THAT(ids_of(line.search({{1.9f, 0}, {}})), ElementsAre(2, 1, 3));
  EXPECT_THAT(line.verify(), IsEmpty());
  for (const std::function<void()>& write : std::vector<std::function<void()>>{
           [&] {
             line.upsert({point(4, {1, 2})});
           },
           [&] { line.remove({.filter = "{}"}); }, [&] { line.flush(); }, [&] { line.compact(); },
           [&] { line.rebuild(); }, [&] { line.set_payload_index("n", "integer"); },
           [&] { line.add_vector({.name = "x", .dim = 1}); },
           [&] {
             line.add_texts({{PointId::of(9), "a tap", ""}}, builtin(), {.force = true});
           },
           [&] { line.snapshot(folder.path() / "snapshot"); }, [&] { reader.remove_collection("line"); },
           [&] { reader.create_collection("more", {.vectors = {{.dim = 2}}}); }}) {
    EXPECT_THAT(error_of(ErrorCode::unsupported, write), HasSubstr("opened for reading"));
  }
  EXPECT_THAT(error_of(ErrorCode::not_found, [&] { Database::open(path_of("no"), {.read_only = true}); }),
              HasSubstr("no database there"));
  EXPECT_THAT(error_of(ErrorCode::not_found, [&] { Database::open(path_of("no"), {.create_if_missing = false}); }),
              HasSubstr("no database there"));
}

TEST_F(PublicCollection, IsWrittenByTwoThreadsWhileAThirdSearches) {
  Collection line = database.create_collection("both", {.vectors = {{.dim = 2, .metric = Metric::l2}}});
  constexpr uint64_t kPoints = 300;
  std::atomic<int> writing = 2;
  std::atomic<uint64_t> acknowledged[2] = {0, 0};
  auto write = [&](uint64_t side) {
    for (uint64_t i = 0; i < kPoints; ++i) {
      const auto at = static_cast<float>(i);
      line.upsert({point(2 * i + side, {at, static_cast<float>(side)}, "{\"side\": " + std::to_string(side) + "}")});
      acknowledged[side] = i + 1;
    }
    --writing;
  };
  std::thread even(write, 0), odd(write, 1);
  bool last = false;
  while (!last) {
    last = writing == 0;
    const uint64_t before = acknowledged[0] + acknowledged[1];
    const PointSearchResult found = line.search({{0, 0}, {}}, {.limit = SIZE_MAX});
    EXPECT_GE(found.hits.size(), before);
    for (const ScoredPoint& hit : found.hits) {
      ASSERT_EQ(hit.point.payload, "{\"side\": " + std::to_string(hit.point.id.number() % 2) + "}");
    }
  }
  even.join();
  odd.join();
  EXPECT_EQ(line.count(), 2 * kPoints);
}

TEST_F(PublicCollection, IsThereAgainWhenItIsOpenedAgain) {
  {
    Collection line = make_line();
    line.set_payload_index("color", "keyword");
    database.change_aliases({{"current", "line"}});
    // A collection keeps its database open.
    database = Database::open(folder.path() / "other", {.memory_bytes = 8 << 20});
    line.upsert({point(4, {4, 0})});
    EXPECT_EQ(line.count(), 4u);
  }
  database = Database::open(folder.path() / "db", {.create_if_missing = false, .memory_bytes = 8 << 20});
  EXPECT_THAT(database.collection_names(), ElementsAre("line"));
  const Collection again = database.collection("current");
  EXPECT_THAT(ids_of(again.search({{3.1f, 0}, {}})), ElementsAre(3, 4, 2, 1));
  EXPECT_EQ(again.info().version, 2u);
  EXPECT_THAT(again.info().payload_indexes, SizeIs(1));
}

TEST_F(PublicCollection, EmbedsTextsAndIsSearchedByOnes) {
  Collection docs = database.create_collection("docs", {.model = &builtin()});
  const std::vector<TextPoint> texts = {{PointId::of(1), "a dripping tap", R"({"room": "kitchen"})"},
                                        {PointId::of(2), "a blown fuse", R"({"room": "hall"})"},
                                        {PointId::of(3), "mildew on the tiles", ""}};
  std::vector<uint64_t> acknowledged;
  const AddReport added = docs.add_texts(
      texts, builtin(), {.batch_points = 2, .acknowledged = [&](uint64_t points) { acknowledged.push_back(points); }});
  EXPECT_EQ(added.points, 3u);
  EXPECT_GT(added.tokens, 0u);
  EXPECT_THAT(acknowledged, ElementsAre(2, 3));
  EXPECT_EQ(docs.add_texts(texts, builtin()).unchanged, 3u);

  const PointSearchResult leak = docs.search("a leaking faucet", builtin(), {.limit = 2});
  ASSERT_THAT(leak.hits, SizeIs(2));
  EXPECT_EQ(leak.hits[0].point.id, PointId::of(1));
  EXPECT_EQ(leak.hits[0].point.payload, R"({"room":"kitchen","text":"a dripping tap"})");
  const std::string hall = R"({"must": {"key": "room", "match": {"value": "hall"}}})";
  EXPECT_THAT(ids_of(docs.search("a leaking faucet", builtin(), {.filter = hall})), ElementsAre(2));
  const PointSearchResult nothing = docs.search("", builtin());
  EXPECT_TRUE(nothing.query_is_empty);
  EXPECT_THAT(nothing.hits, IsEmpty());

  EXPECT_EQ(docs.info().model_name, "builtin");
  EXPECT_EQ(docs.info().model_hash, builtin().hash());
  EXPECT_EQ(docs.info().vectors.at(0).dim, builtin().dim());
  EXPECT_THAT(error_of([&] { docs.search("tap", builtin(), {.vector = "other"}); }), HasSubstr("vector 'other'"));
  EXPECT_THAT(error_of([&] { docs.remove_vector(""); }), HasSubstr("holds what model 'builtin' made"));
  EXPECT_EQ(error_of([&] {
              docs.add_texts({{PointId::of(4), "x", ""}, {PointId::of(5), "\xff", ""}}, builtin());
            }),
            "invalid_argument: point 5: text: expected UTF-8");
  EXPECT_THAT(error_of([&] {
                docs.add_texts({{PointId::of(5), "x", "[]"}}, builtin());
              }),
              HasSubstr("invalid_argument: point 5: payload"));
  EXPECT_THAT(error_of([&] { docs.add_texts(texts, builtin(), {.batch_points = 0}); }), HasSubstr("batch_points is 0"));
  EXPECT_EQ(docs.count(), 3u);
  EXPECT_THAT(error_of([&] { database.create_collection("no", {.model = &builtin(), .vectors = {{.dim = 3}}}); }),
              HasSubstr("vector '': dim 3, expected "));
}

TEST_F(PublicCollection, OfOneModelRefusesAnother) {
  struct Renamed : Embedder {
    void embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
               EmbedReport* report) const override {
      builtin().embed(texts, options, out, report);
    }
    Explanation explain(std::string_view text, const EmbedOptions& options) const override {
      return builtin().explain(text, options);
    }
    size_t dim() const override { return builtin().dim(); }
    size_t max_length() const override { return builtin().max_length(); }
    const Tokenizer& tokenizer() const override { return builtin().tokenizer(); }
    const std::string& name() const override { return other; }
    const std::string& hash() const override { return other; }
    Metric similarity() const override { return builtin().similarity(); }
    const std::vector<std::pair<std::string, std::string>>& prompts() const override { return builtin().prompts(); }
    std::vector<std::string> words() const override { return {}; }
    std::string other = "another";
  };
  const Renamed another;
  Collection docs = database.create_collection(
      "docs", {.model = &builtin(), .vectors = {{.type = ElementType::float16}, {.name = "extra", .dim = 1}}});
  EXPECT_EQ(docs.info().vectors.at(0).type, ElementType::float16);
  EXPECT_EQ(docs.info().vectors.at(0).dim, builtin().dim());
  EXPECT_THAT(error_of(ErrorCode::invalid_argument,
                       [&] {
                         docs.add_texts({{PointId::of(1), "a tap", ""}}, another);
                       }),
              HasSubstr("holds vectors of model 'builtin'"));
  EXPECT_THAT(error_of(ErrorCode::invalid_argument, [&] { docs.search("a tap", another); }), HasSubstr("'another'"));
  EXPECT_EQ(docs.add_texts({{PointId::of(1), "a tap", ""}}, another, {.force = true}).points, 1u);
}

TEST_F(PublicCollection, TakesRowsAndDocuments) {
  std::ofstream(path_of("rows.jsonl")) << R"({"name": "7", "vector": [1, 0], "color": "red"})"
                                          "\n"
                                       << R"({"name": "eight", "vector": [0, 1], "color": "blue"})"
                                          "\n";
  Collection rows = database.create_collection("rows", {.vectors = {{.dim = 2}}});
  EXPECT_EQ(rows.add_rows(path_of("rows.jsonl"), nullptr, {.id_column = "name"}).points, 2u);
  EXPECT_THAT(ids_of(rows.search({{1, 0}, {}}, {.limit = 1, .filter = kRed})), ElementsAre(7));
  EXPECT_THAT(error_of(ErrorCode::not_found, [&] { rows.add_rows(path_of("none.jsonl")); }), HasSubstr("none.jsonl"));

  std::filesystem::create_directory(path_of("texts"));
  std::ofstream(path_of("texts/tap.md")) << "# Taps\n\nA tap that drips wants a new washer.\n";
  std::ofstream(path_of("texts/fuse.txt")) << "A fuse blows where too much is plugged in.\n";
  std::ofstream(path_of("texts/table.xyz")) << "1\n";
  Collection docs = database.create_collection(
      "docs", {.model = &builtin(), .passages = PassageOptions{.tokens_max = 64, .window_tokens = 12}});
  EXPECT_EQ(docs.info().vectors.at(0).kind, VectorKind::multi);
  EXPECT_EQ(docs.info().passages->window_tokens, 12u);
  AddReport report = docs.add_documents({path_of("texts")}, builtin());
  EXPECT_EQ(report.documents, 2u);
  EXPECT_EQ(report.points, 2u);
  EXPECT_GE(report.windows, 2u);
  const PointSearchResult found = docs.search("a leaking faucet", builtin(), {.limit = 1});
  ASSERT_THAT(found.hits, SizeIs(1));
  EXPECT_THAT(found.hits[0].point.payload, HasSubstr("tap.md"));

  std::filesystem::remove(path_of("texts/fuse.txt"));
  report = docs.add_documents({path_of("texts")}, builtin(), {.remove_others = true});
  EXPECT_EQ(report.documents_same, 1u);
  EXPECT_EQ(report.documents_removed, 1u);
  EXPECT_EQ(docs.count(), 1u);
  EXPECT_THAT(error_of([&] {
                database.create_collection("no", {.model = &builtin(),
                                                  .vectors = {{.metric = Metric::cosine}},
                                                  .passages = PassageOptions{.window_tokens = 12}});
              }),
              HasSubstr("windows are compared by dot"));
}

}  // namespace
}  // namespace sextant
