#include "store/point_store.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include "base/file_system.h"
#include "sextant/error.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<uint64_t> ids_of(const SearchAnswer& answer) {
  std::vector<uint64_t> ids;
  for (const FoundPoint& found : answer.points) ids.push_back(found.point.id.number());
  return ids;
}

SearchRequest near(std::vector<float> vector, size_t limit) {
  SearchRequest request;
  request.query.values = std::move(vector);
  request.limit = limit;
  return request;
}

TEST(PointStores, GiveSpaceBackAfterDeletesWithoutBeingAsked) {
  constexpr size_t kPoints = 4000, kDim = 256;
  StoreConfig config = testing_config(kDim);
  config.durability = Durability::periodic;
  TestingStore store(config, {.rest_after = std::chrono::milliseconds(50)});
  for (size_t first = 0; first < kPoints; first += 500) {
    UpsertPoints upsert;
    for (size_t i = first; i < first + 500; ++i) {
      upsert.points.push_back(testing_point(i, std::vector<float>(kDim, static_cast<float>(i))));
    }
    store->write(upsert);
  }
  store->compact();
  auto disk_bytes = [&] {
    const StoreInfo info = store->info();
    uint64_t bytes = info.truth_bytes;
    for (const auto& segment : info.segments) bytes += segment.disk_bytes;
    return bytes;
  };
  const uint64_t before = disk_bytes();
  EXPECT_GT(before, 2 * kPoints * kDim * sizeof(float));
  DeletePoints most;
  for (size_t i = 0; i < kPoints; ++i) {
    if (i % 20 != 0) most.ids.push_back(PointId::of(i));
  }
  store->write(most);
  // Half a minute would be a mistake, not a busy machine.
  for (int i = 0; i < 600 && disk_bytes() > before / 4; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LT(disk_bytes(), before / 4);
  EXPECT_EQ(store->count(), kPoints / 20);
  EXPECT_EQ(ids_of(store->search(near(std::vector<float>(kDim, 1000), 1))), std::vector<uint64_t>{1000});
}

TEST(PointStores, IndexNewestRowsWhenNoMoreCome) {
  StoreConfig config = testing_config(2);
  config.tail_rows_max = 8192;
  TestingStore store(config, {.rest_after = std::chrono::milliseconds(50)});
  UpsertPoints upsert;
  for (int i = 0; i < 1200; ++i) upsert.points.push_back(testing_point(i, {static_cast<float>(i), 0}));
  store->write(upsert);
  for (int i = 0; i < 600 && store->info().indexed_points < 1200; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(store->info().indexed_points, 1200u);
  EXPECT_EQ(store->info().tail_rows, 0u);
}

TEST(PointStores, FilterTheNearestFirstWhereNoIndexHelps) {
  constexpr int kPoints = 5000;
  StoreConfig config = testing_config(2);
  config.tail_rows_max = 8192;
  TestingStore store(config);
  auto write = [&](int begin, int end) {
    UpsertPoints upsert;
    for (int i = begin; i < end; ++i) {
      const std::string payload =
          "{\"tenth\":" + std::to_string(i % 10) + ",\"rare\":" + std::to_string(i % 2500) + "}";
      upsert.points.push_back(testing_point(i, {static_cast<float>(i), static_cast<float>(i % 7)}, payload));
    }
    store->write(upsert);
  };
  auto search = [&](const char* key, int value, size_t limit) {
    SearchRequest request = near({1234.4f, 3}, limit);
    request.exact = true;
    request.filter = parse_filter("{\"must\":{\"key\":\"" + std::string(key) +
                                  "\",\"match\":{\"value\":" + std::to_string(value) + "}}}");
    return store->search(request);
  };
  auto expect = [&](const SearchAnswer& answer, int step, int rest, size_t limit) {
    std::vector<std::pair<double, uint64_t>> all;
    for (int i = rest; i < kPoints; i += step) {
      all.emplace_back(std::hypot(i - double{1234.4f}, i % 7 - 3.0), static_cast<uint64_t>(i));
    }
    std::sort(all.begin(), all.end());
    all.resize(std::min(all.size(), limit));
    ASSERT_EQ(answer.points.size(), all.size());
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(answer.points[i].point.id.number(), all[i].second);
  };
  write(0, 3000);
  store->flush();
  write(3000, kPoints);
  SearchAnswer some = search("tenth", 4, 10);
  expect(some, 10, 4, 10);
  EXPECT_LT(some.payloads_read, 1500u);
  EXPECT_THAT(some.parts[0].plan, HasSubstr("filtered afterwards"));
  SearchAnswer rare = search("rare", 7, 10);
  expect(rare, 2500, 7, 10);
  EXPECT_GE(rare.payloads_read, 5000u);
  expect(search("tenth", 3, 600), 10, 3, 600);
  EXPECT_TRUE(search("tenth", 3, 0).points.empty());
  // With an index on one field of two, the other is looked at where the first allows it.
  store->set_payload_field(KeyPath::parse("tenth"), FieldSchema{.kind = FieldKind::integer});
  EXPECT_LT(search("tenth", 4, 10).payloads_read, some.payloads_read);
  expect(search("tenth", 4, 10), 10, 4, 10);
  expect(search("rare", 7, 10), 2500, 7, 10);
}

TEST(PointStores, LetIdsDecideAmongPointsThatAreEquallyNear) {
  TestingStore store(testing_config(2, 64));
  // The later, the smaller their ids; every other one is as near as all.
  UpsertPoints upsert;
  for (uint64_t i = 0; i < 100; ++i) {
    upsert.points.push_back(testing_point(1000 - i, {i % 2 == 0 ? 1.0f : 3.0f + static_cast<float>(i), 0}));
  }
  store->write(upsert);
  SearchRequest request = near({0, 0}, 3);
  request.exact = true;
  EXPECT_THAT(ids_of(store->search(request)), ElementsAre(902, 904, 906)) << "newest rows and a tail";
  store->flush();
  store->compact();
  EXPECT_THAT(ids_of(store->search(request)), ElementsAre(902, 904, 906)) << "a segment";
  request.limit = 60;
  EXPECT_EQ(ids_of(store->search(request)).at(49), 1000u);
  request.limit = 1000;
  EXPECT_EQ(store->search(request).points.size(), 100u);
}

TEST(PointStores, LetIdsDecideAmongSeveralVectorsAPointThatAreEquallyNear) {
  StoreConfig config = testing_config(2, 64, Metric::dot);
  config.vectors[0].kind = VectorKind::multi;
  TestingStore store(config);
  UpsertPoints upsert;
  for (uint64_t i = 0; i < 100; ++i) {
    upsert.points.push_back(testing_point(1000 - i, {i % 2 == 0 ? 1.0f : 0.5f, 0, 0, 1}));
  }
  store->write(upsert);
  store->flush();
  store->compact();
  SearchRequest request = near({1, 0}, 3);
  request.exact = true;
  EXPECT_THAT(ids_of(store->search(request)), ElementsAre(902, 904, 906));
}

TEST(PointStores, FindWhatWasWrittenAndForgetWhatWasDeleted) {
  TestingStore store(testing_config(2));
  const Written written = store->write(UpsertPoints{
      {testing_point(1, {0, 0}, R"({"color":"red"})"), testing_point(2, {1, 0}), testing_point(3, {5, 5})}});
  EXPECT_EQ(written.inserted, 3u);
  SearchAnswer answer = store->search(near({0.1f, 0}, 2));
  EXPECT_THAT(ids_of(answer), ElementsAre(1, 2));
  EXPECT_TRUE(answer.exact);
  EXPECT_EQ(answer.points[0].point.payload, R"({"color":"red"})");
  EXPECT_EQ(store->write(DeletePoints{{PointId::of(1), PointId::of(9)}}).missing, 1u);
  EXPECT_THAT(ids_of(store->search(near({0.1f, 0}, 2))), ElementsAre(2, 3));
  EXPECT_EQ(store->count(), 2u);
}

TEST(PointStores, AreAsTheyWereWhenTheyAreOpenedAgain) {
  TestingStore store(testing_config(2, 4));
  std::mt19937_64 random(5);
  for (uint64_t id = 0; id < 30; ++id) store->write(UpsertPoints{{testing_point(id, random_vector(random, 2))}});
  store->write(DeletePoints{{PointId::of(7), PointId::of(29)}});
  store->flush();
  store->write(UpsertPoints{{testing_point(3, {9, 9}), testing_point(40, {9, 8})}});
  store->write(DeletePoints{{PointId::of(11)}});
  const auto before = ids_of(store->search(near({0, 0}, 40)));
  EXPECT_EQ(before.size(), 28u);
  store.open();
  EXPECT_EQ(ids_of(store->search(near({0, 0}, 40))), before);
  EXPECT_EQ(store->count(), 28u);
  EXPECT_THAT(ids_of(store->search(near({9, 9}, 2))), ElementsAre(3, 40));
}

TEST(PointStores, ServeTheRowsOfADamagedSegmentFromTheTruthAndMakeItAgain) {
  TestingStore store(testing_config(4, 64));
  std::mt19937_64 random(6);
  UpsertPoints all;
  for (uint64_t id = 0; id < 200; ++id) all.points.push_back(testing_point(id, random_vector(random, 4)));
  store->write(all);
  store->flush();
  store->write(DeletePoints{{PointId::of(50)}});
  const auto before = ids_of(store->search(near({0, 0, 0, 0}, 200)));
  store.store.reset();
  for (const auto& entry : std::filesystem::directory_iterator(store.path() / "segments")) {
    std::filesystem::resize_file(entry.path() / "vector_1", 5000);
  }
  store.open();
  SearchAnswer answer = store->search(near({0, 0, 0, 0}, 200));
  EXPECT_EQ(ids_of(answer), before);
  EXPECT_EQ(answer.parts[0].plan, "truth");
  EXPECT_THAT(store->info().segments[0].damage, HasSubstr("vector_1"));
  store->write(DeletePoints{{PointId::of(51)}});
  store->flush();
  answer = store->search(near({0, 0, 0, 0}, 200));
  EXPECT_EQ(answer.points.size(), 198u);
  EXPECT_EQ(answer.parts[0].plan, "scan");
  EXPECT_EQ(store->info().segments[0].damage, "");
}

TEST(PointStores, FilterTheRowsOfADamagedSegment) {
  TestingStore store(testing_config(2, 64));
  UpsertPoints all;
  for (uint64_t id = 0; id < 40; ++id) {
    all.points.push_back(testing_point(id, {static_cast<float>(id), 0}, fmt::format(R"({{"even":{}}})", id % 2 == 0)));
  }
  store->write(all);
  store->flush();
  store.store.reset();
  for (const auto& entry : std::filesystem::directory_iterator(store.path() / "segments")) {
    std::filesystem::remove(entry.path() / "rows");
  }
  store.open();
  store->write(DeletePoints{{PointId::of(12)}});
  SearchRequest request = near({11, 0}, 3);
  request.filter = parse_filter(R"({"must":{"key":"even","match":{"value":true}}})");
  EXPECT_THAT(ids_of(store->search(request)), ElementsAre(10, 8, 14));
  EXPECT_EQ(store->count(*request.filter), 19u);
}

TEST(PointStores, FindFlippedBitsOfASegmentWhenTheyVerifyIt) {
  TestingStore store(testing_config(4, 64));
  std::mt19937_64 random(7);
  UpsertPoints all;
  for (uint64_t id = 0; id < 64; ++id) all.points.push_back(testing_point(id, random_vector(random, 4)));
  store->write(all);
  store->flush();
  EXPECT_THAT(store->verify(), ElementsAre());
  const auto before = ids_of(store->search(near({0, 0, 0, 0}, 64)));
  const auto path = store.path() / "segments" / "00000001" / "rows";
  store.store.reset();
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-4096, std::ios::end);
    file.put('\x7f');
  }
  store.open();
  EXPECT_EQ(store->verify().size(), 1u);
  EXPECT_EQ(ids_of(store->search(near({0, 0, 0, 0}, 64))), before);
  store->flush();
  EXPECT_THAT(store->verify(), ElementsAre());
  EXPECT_EQ(ids_of(store->search(near({0, 0, 0, 0}, 64))), before);
}

TEST(PointStores, RefuseWhatDoesNotFitAndDoNothingOfIt) {
  TestingStore store(testing_config(2));
  const auto message = [&](const Operation& operation) -> std::string {
    try {
      store->write(operation);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message(UpsertPoints{{testing_point(1, {0, 0}), testing_point(2, {0, 0, 0})}}),
              HasSubstr("point 2: 3 components, expected 2"));
  EXPECT_THAT(message(UpsertPoints{{testing_point(1, {0, std::nanf("")})}}), HasSubstr("component 1 is nan"));
  EXPECT_THAT(message(UpsertPoints{{testing_point(1, {0, 0}, "[1]")}}), HasSubstr("point 1: payload"));
  Point other = testing_point(1, {0, 0});
  other.vectors[0].first = "image";
  EXPECT_THAT(message(UpsertPoints{{other}}), HasSubstr("no vector 'image'"));
  EXPECT_EQ(store->count(), 0u);
  EXPECT_THROW(store->search(near({1, 2, 3}, 1)), Error);
}

TEST(PointStores, WriteOnlyOverTheVersionThatWasExpected) {
  TestingStore store(testing_config(2));
  UpsertPoints first{{testing_point(1, {0, 0}, R"({"a":1})")}};
  first.expected_version = 0;
  const uint64_t version = store->write(first).version;
  EXPECT_THROW(store->write(first), Error);
  UpsertPoints second{{testing_point(1, {0, 1}, R"({"a":2})"), testing_point(2, {0, 1})}};
  second.expected_version = version;
  EXPECT_THROW(store->write(second), Error);  // point 2 is not there
  EXPECT_EQ(store->count(), 1u);
  second.points.pop_back();
  EXPECT_GT(store->write(second).version, version);
  EXPECT_EQ(store->get(std::vector{PointId::of(1)})[0]->payload, R"({"a":2})");
}

TEST(PointStores, ReplaceAndRemoveInOneStep) {
  TestingStore store(testing_config(2));
  store->write(UpsertPoints{{testing_point(1, {0, 0}), testing_point(2, {1, 0}), testing_point(3, {2, 0})}});
  UpsertPoints shorter{{testing_point(1, {5, 5})}};
  shorter.remove = {PointId::of(2), PointId::of(3), PointId::of(4)};
  EXPECT_EQ(store->write(shorter).removed, 2u);
  EXPECT_THAT(ids_of(store->search(near({0, 0}, 5))), ElementsAre(1));
}

TEST(PointStores, ForgetPointsWhoseTimeHasCome) {
  uint64_t now = 1000;
  StoreOptions options{.background = false, .now_ms = [&] { return now; }};
  TestingStore store(testing_config(2), options);
  Point brief = testing_point(1, {0, 0});
  brief.expires_ms = 1500;
  store->write(UpsertPoints{{brief, testing_point(2, {1, 1})}});
  EXPECT_EQ(store->count(), 2u);
  now = 1499;
  EXPECT_EQ(store->count(), 2u);
  now = 1500;
  EXPECT_THAT(ids_of(store->search(near({0, 0}, 5))), ElementsAre(2));
  EXPECT_EQ(store->count(), 1u);
  // More time given in time is kept.
  brief.expires_ms = 3000;
  store->write(UpsertPoints{{brief}});
  brief.expires_ms = 5000;
  store->write(UpsertPoints{{brief}});
  now = 4000;
  EXPECT_EQ(store->count(), 2u);
  now = 6000;
  store.open();
  EXPECT_EQ(store->count(), 1u);
}

// Whether anybody has looked since or not.
TEST(PointStores, WriteAsIfPointsWhoseTimeHasComeWereGone) {
  uint64_t now = 1000;
  TestingStore store(testing_config(2), {.background = false, .now_ms = [&] { return now; }});
  UpsertPoints brief{{testing_point(1, {0, 0}), testing_point(2, {0, 0}), testing_point(3, {0, 0})}};
  for (Point& point : brief.points) point.expires_ms = 2000;
  brief.points.push_back(testing_point(4, {0, 0}));
  store->write(brief);
  now = 2000;
  // A write that is refused changes nothing.
  EXPECT_THROW(store->write(UpsertPoints{{testing_point(4, {0, 0})}, WriteMode::upsert, 99}), Error);
  EXPECT_EQ(store->write_where(Filter(), ChangePayload{{}, PayloadChange::merge, R"({"a":1})", "", {}}).updated, 1u);
  EXPECT_EQ(store->write(UpsertPoints{{testing_point(1, {7, 7})}, WriteMode::insert}).inserted, 1u);
  EXPECT_EQ(store->write(UpsertPoints{{testing_point(2, {7, 7})}, WriteMode::update}).missing, 1u);
  EXPECT_EQ(store->write(DeletePoints{{PointId::of(3)}}).missing, 1u);
  EXPECT_THAT(ids_of(store->search(near({9, 9}, 5))), ElementsAre(1, 4));
  base::TemporaryFolder folder;
  EXPECT_EQ(store->snapshot(folder.path() / "snapshot").points, 2u);
  store.open();
  EXPECT_EQ(store->count(), 2u);
}

TEST(PointStores, ChangePartsOfPoints) {
  StoreConfig config = testing_config(2);
  VectorConfig other;
  other.name = "words";
  other.slot = config.next_slot++;
  other.kind = VectorKind::sparse;
  other.metric = Metric::dot;
  config.vectors.push_back(other);
  TestingStore store(config);
  store->write(UpsertPoints{{testing_point(1, {0, 0}, R"({"a":1,"b":{"c":2}})"), testing_point(2, {3, 3})}});
  UpdateVectors words{{Point{PointId::of(1), {{"words", {{1, 2}, {7, 9}}}}, {}, 0}}};
  store->write(words);
  Fields all{.all_vectors = true};
  auto point = *store->get(std::vector{PointId::of(1)}, all)[0];
  ASSERT_EQ(point.vectors.size(), 2u);
  EXPECT_EQ(point.vectors[1].second.indices, (std::vector<uint32_t>{7, 9}));
  EXPECT_EQ(point.payload, R"({"a":1,"b":{"c":2}})");
  store->write(ChangePayload{{PointId::of(1)}, PayloadChange::merge, R"({"d":3})", "b", {}});
  store->write(ChangePayload{{PointId::of(1)}, PayloadChange::remove, "", "", {"a"}});
  EXPECT_EQ(store->get(std::vector{PointId::of(1)})[0]->payload, R"({"b":{"c":2,"d":3}})");
  SearchRequest request;
  request.vector = "words";
  request.query = {{2}, {9}};
  SearchAnswer answer = store->search(request);
  ASSERT_EQ(answer.points.size(), 1u);
  EXPECT_FLOAT_EQ(answer.points[0].score, 4);
  store->flush();
  EXPECT_EQ(store->search(request).points.size(), 1u);
  store->write(DeleteVectors{{PointId::of(1)}, {"words"}});
  EXPECT_EQ(store->search(request).points.size(), 0u);
  EXPECT_EQ(ids_of(store->search(near({0, 0}, 1))), std::vector<uint64_t>{1});
}

TEST(PointStores, FindAndChangeThePointsOfAFilter) {
  TestingStore store(testing_config(2, 8));
  UpsertPoints all;
  for (uint64_t id = 0; id < 40; ++id) {
    all.points.push_back(
        testing_point(id, {static_cast<float>(id), 0}, fmt::format(R"({{"n":{},"odd":{}}})", id, id % 2 == 1)));
  }
  store->write(all);
  const Filter odd = parse_filter(R"({"must":{"key":"odd","match":{"value":true}}})");
  SearchRequest request = near({10, 0}, 3);
  request.filter = odd;
  EXPECT_THAT(ids_of(store->search(request)), ElementsAre(9, 11, 7));
  store->flush();
  EXPECT_THAT(ids_of(store->search(request)), ElementsAre(9, 11, 7));
  EXPECT_EQ(store->count(odd), 20u);
  ScrollRequest page{.from = PointId::of(4), .limit = 2, .filter = odd};
  EXPECT_EQ(store->scroll(page).points[1].id, PointId::of(7));
  EXPECT_EQ(store
                ->write_where(parse_filter(R"({"must":{"key":"n","range":{"lt":10}}})"),
                              ChangePayload{{}, PayloadChange::merge, R"({"odd":true})", "", {}})
                .updated,
            10u);
  EXPECT_THAT(ids_of(store->search(request)), ElementsAre(9, 11, 8));
  EXPECT_EQ(store->write_where(odd, DeletePoints{}).removed, 25u);
  EXPECT_EQ(store->count(odd), 0u);
  EXPECT_EQ(store->count(), 15u);
}

TEST(PointStores, AnswerFiltersFromIndexesAsTheyDoFromPayloads) {
  const auto odd =
      parse_filter(R"({"must":{"key":"n","range":{"lt":30}},"must_not":{"key":"color","match":{"value":"red"}}})");
  const char* colors[] = {"red", "green", "blue"};
  TestingStore store(testing_config(2, 16));
  auto write = [&](uint64_t begin, uint64_t end) {
    UpsertPoints all;
    for (uint64_t id = begin; id < end; ++id) {
      all.points.push_back(testing_point(id, {static_cast<float>(id), 0},
                                         fmt::format(R"({{"n":{},"color":"{}"}})", id, colors[id % 3])));
    }
    store->write(all);
  };
  write(0, 60);
  store->flush();
  store->set_payload_field(KeyPath::parse("n"), parse_field_schema(R"("integer")"));
  store->set_payload_field(KeyPath::parse("color"), parse_field_schema(R"("keyword")"));
  SearchRequest request = near({10, 0}, 3);
  request.filter = odd;
  SearchAnswer answer = store->search(request);
  EXPECT_THAT(ids_of(answer), ElementsAre(10, 11, 8));
  EXPECT_EQ(answer.payloads_read, 0u);
  EXPECT_EQ(store->count(odd), 20u);
  // A payload that changed since the index was made is looked at.
  store->write(ChangePayload{{PointId::of(10)}, PayloadChange::merge, R"({"color":"red"})", "", {}});
  answer = store->search(request);
  EXPECT_THAT(ids_of(answer), ElementsAre(11, 8, 7));
  EXPECT_EQ(answer.payloads_read, 1u);
  write(60, 80);
  store->flush();
  store.open();
  answer = store->search(request);
  EXPECT_THAT(ids_of(answer), ElementsAre(11, 8, 7));
  const ScrollAnswer page = store->scroll({.from = PointId::of(5), .limit = 3, .filter = odd});
  EXPECT_EQ(page.points.at(2).id, PointId::of(8));
  EXPECT_EQ(page.next, PointId::of(11));
  const auto facets =
      store->facet(KeyPath::parse("color"), parse_filter(R"({"must":{"key":"n","range":{"lt":60}}})"), 2);
  const auto plain = [&](const std::vector<FacetCount>& counts) {
    std::string out;
    for (const FacetCount& count : counts)
      out += fmt::format("{}:{} ", std::get<std::string>(count.value), count.count);
    return out;
  };
  EXPECT_EQ(plain(facets), "red:21 blue:20 ");
  // In the order of a number, by an index and, where there is none, by the payloads.
  const auto numbers = [&](OrderRequest order) {
    std::vector<uint64_t> out;
    for (const OrderedPoint& point : store->ordered(order)) out.push_back(point.point.id.number());
    return out;
  };
  OrderRequest order{.key = KeyPath::parse("n"), .descending = true, .start_from = OrderValue(int64_t{20}), .limit = 3};
  order.filter = odd;
  EXPECT_THAT(numbers(order), ElementsAre(20, 19, 17));
  store->set_payload_field(KeyPath::parse("n"), std::nullopt);
  order.start_from = OrderValue(20.0);
  EXPECT_THAT(numbers(order), ElementsAre(20, 19, 17));
  store->set_payload_field(KeyPath::parse("n"), parse_field_schema(R"("integer")"));
  const auto sample = store->sample(5, odd, 7);
  EXPECT_EQ(sample.size(), 5u);
  EXPECT_EQ(store->sample(100, odd, 7).size(), store->count(odd));
  EXPECT_EQ(store->sample(5, odd, 7).at(4).id, sample.at(4).id);
  store->set_payload_field(KeyPath::parse("color"), std::nullopt);
  EXPECT_EQ(plain(store->facet(KeyPath::parse("color"), std::nullopt, 5)), "red:28 blue:26 green:26 ");
  answer = store->search(request);
  EXPECT_THAT(ids_of(answer), ElementsAre(11, 8, 7));
  EXPECT_THAT(answer.without_index, ElementsAre("color"));
  EXPECT_THROW(store->set_payload_field(KeyPath::parse("color"), std::nullopt), Error);
}

TEST(PointStores, OrderByNumbersWhereverTheyLie) {
  TestingStore store(testing_config(2, 64));
  store->set_payload_field(KeyPath::parse("n"), parse_field_schema(R"("integer")"));
  store->set_payload_field(KeyPath::parse("s"), parse_field_schema(R"("keyword")"));
  for (uint64_t id = 0; id < 5; ++id) {
    store->write(UpsertPoints{{testing_point(id, {0, 0}, fmt::format(R"({{"n":{}}})", id))}});
  }
  for (const char* where : {"newest rows", "a segment"}) {
    SCOPED_TRACE(where);
    // A bound between two integers.
    const auto found = store->ordered({.key = KeyPath::parse("n"), .start_from = OrderValue(2.5)});
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].value, OrderValue(int64_t{3}));
    EXPECT_THROW(store->ordered({.key = KeyPath::parse("s")}), Error);
    store->flush();
  }
}

// Ten times as many rows as may wait in memory, written at once.
TEST(PointStores, SpillRowsThatComeFasterThanGraphsAreMade) {
  TestingStore store(testing_config(8, 16), StoreOptions{});
  std::mt19937_64 random(12);
  UpsertPoints all;
  for (uint64_t id = 0; id < 16 * 200; ++id) all.points.push_back(testing_point(id, random_vector(random, 8)));
  store->write(all);
  EXPECT_EQ(store->search(near(std::vector<float>(8), 5000)).points.size(), 3200u);
  store->wait();
  const StoreInfo info = store->info();
  EXPECT_EQ(info.last_error, "");
  EXPECT_EQ(info.tail_rows, 16u);
  for (const auto& segment : info.segments) EXPECT_EQ(segment.info.kind, SegmentKind::complete);
  EXPECT_EQ(store->search(near(std::vector<float>(8), 5000)).points.size(), 3200u);
}

// Rows that wait for an index take no more memory than was given, however fast they come; and all of them are found.
TEST(PointStores, LetWritersWaitBeforeNewRowsFillTheMemory) {
  constexpr size_t kDim = 256, kTailRows = 100, kRowBytes = kDim * 5, kMemory = size_t{1} << 19;
  const TruthResources resources(kMemory);
  base::TemporaryFolder folder;
  PointStore::create(folder.path() / "c", testing_config(kDim, kTailRows), resources);
  PointStore store(folder.path() / "c", resources, {});
  std::mt19937_64 random(14);
  uint64_t most = 0;
  for (uint64_t id = 0; id < 4000;) {
    UpsertPoints some;
    for (size_t i = 0; i < 100; ++i, ++id) some.points.push_back(testing_point(id, random_vector(random, kDim)));
    store.write(some);
    most = std::max(most, store.info().tail_rows);
  }
  // What waits, one that fills up, and one that was full when the last rows came.
  EXPECT_LE(most * kRowBytes, kMemory + 2 * kTailRows * kRowBytes);
  EXPECT_EQ(store.search(near(std::vector<float>(kDim), 10'000)).points.size(), 4000u);
  EXPECT_EQ(store.info().last_error, "");
}

// A disk that lets one thread wait.
class WaitingDisk : public base::FileSystem {
 public:
  int create(std::string& pattern) override {
    std::unique_lock lock(mutex_);
    if (std::this_thread::get_id() == held_) {
      reached_ = true;
      changed_.notify_all();
      changed_.wait(lock, [&] { return held_ == std::thread::id(); });
    }
    lock.unlock();
    return FileSystem::create(pattern);
  }
  void hold_this_thread() {
    std::lock_guard lock(mutex_);
    held_ = std::this_thread::get_id();
  }
  void wait_until_it_is_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reached_; });
  }
  void release() {
    std::lock_guard lock(mutex_);
    held_ = {};
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread::id held_;
  bool reached_ = false;
};

// Compacting a large collection takes minutes. Writers do not wait for that, and the memory is bounded all the same.
TEST(PointStores, TakeNewRowsWhileAllIsMadeOneSegment) {
  constexpr size_t kDim = 256, kTailRows = 100, kRowBytes = kDim * 5, kMemory = size_t{1} << 19;
  constexpr uint64_t kBefore = 500, kAll = 2000;
  WaitingDisk disk;
  base::ScopedFileSystem scope(disk);
  const TruthResources resources(kMemory);
  base::TemporaryFolder folder;
  PointStore::create(folder.path() / "c", testing_config(kDim, kTailRows), resources);
  auto store = std::make_unique<PointStore>(folder.path() / "c", resources, StoreOptions{});
  std::mt19937_64 random(15);
  uint64_t id = 0;
  auto write_some = [&] {
    UpsertPoints some;
    for (size_t i = 0; i < 50; ++i, ++id) some.points.push_back(testing_point(id, random_vector(random, kDim)));
    store->write(some);
  };
  while (id < kBefore) write_some();
  store->flush();
  store->write(DeletePoints{.ids = {PointId::of(3)}});
  std::thread compacting([&] {
    disk.hold_this_thread();
    store->compact();
  });
  disk.wait_until_it_is_held();
  auto writing = std::async(std::launch::async, [&] {
    uint64_t most = 0;
    while (id < kAll) {
      write_some();
      most = std::max(most, store->info().tail_rows);
    }
    return most;
  });
  const bool written = writing.wait_for(std::chrono::minutes(10)) == std::future_status::ready;
  disk.release();
  EXPECT_TRUE(written);
  EXPECT_LE(writing.get() * kRowBytes, kMemory + 2 * kTailRows * kRowBytes);
  compacting.join();
  const SearchRequest all = near(std::vector<float>(kDim), 10'000);
  EXPECT_EQ(store->search(all).points.size(), kAll - 1);
  store->wait();
  for (const auto& segment : store->info().segments) EXPECT_EQ(segment.info.kind, SegmentKind::complete);
  EXPECT_EQ(store->search(all).points.size(), kAll - 1);
  store = nullptr;
  store = std::make_unique<PointStore>(folder.path() / "c", resources, StoreOptions{});
  EXPECT_EQ(store->search(all).points.size(), kAll - 1);
}

// While rows come at a pace graphs are made in haste; once that is over there is nothing but complete ones.
TEST(PointStores, AreLeftWithCompleteGraphsAfterAStreamOfRows) {
  TestingStore store(testing_config(8, 1500), StoreOptions{});
  std::mt19937_64 random(13);
  for (uint64_t id = 0; id < 9000;) {
    UpsertPoints some;
    for (size_t i = 0; i < 100; ++i, ++id) some.points.push_back(testing_point(id, random_vector(random, 8)));
    store->write(some);
    if (id % 1500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  store->wait();
  const StoreInfo info = store->info();
  EXPECT_EQ(info.last_error, "");
  ASSERT_FALSE(info.segments.empty());
  for (const auto& segment : info.segments) EXPECT_EQ(segment.info.kind, SegmentKind::complete);
  EXPECT_EQ(store->search(near(std::vector<float>(8), 10'000)).points.size(), 9000u);
}

TEST(PointStores, MakeSegmentsInTheBackgroundWhileOthersWriteAndSearch) {
  TestingStore store(testing_config(8, 256), StoreOptions{});
  std::vector<std::thread> threads;
  for (uint64_t writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937_64 random(writer);
      for (uint64_t batch = 0; batch < 40; ++batch) {
        UpsertPoints upsert;
        for (uint64_t i = 0; i < 50; ++i) {
          upsert.points.push_back(testing_point(writer * 100000 + batch * 50 + i, random_vector(random, 8)));
        }
        store->write(upsert);
      }
    });
  }
  threads.emplace_back([&] {
    std::mt19937_64 random(9);
    size_t before = 0;
    for (size_t i = 0; i < 200; ++i) {
      const size_t found = store->search(near(random_vector(random, 8), 5000)).points.size();
      EXPECT_GE(found, before);
      before = found;
    }
  });
  for (std::thread& thread : threads) thread.join();
  store->wait();
  const StoreInfo info = store->info();
  EXPECT_EQ(info.points, 4000u);
  EXPECT_GE(info.indexed_points, 4000u - 256);
  EXPECT_EQ(store->search(near(std::vector<float>(8), 5000)).points.size(), 4000u);
}

}  // namespace
}  // namespace sextant::store
