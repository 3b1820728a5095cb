// At every thirteenth operation of the disk; faults_long_test.cc takes them all.
#include <atomic>
#include <thread>

#include "store/testing_faults.h"

namespace sextant::store::faults {
namespace {

constexpr uint64_t kStride = 13;

TEST(Faults, EachFailingOperationIsAnErrorAndLosesNothing) { run_with(Trouble::fails_once, Durability::sync, kStride); }
TEST(Faults, EachFailingOperationIsAnErrorAndLosesNothingWhereSyncIsPeriodic) {
  run_with(Trouble::fails_once, Durability::periodic, kStride);
}
TEST(Faults, AFullDiskStopsWritesUntilItHasRoomAgain) { run_with(Trouble::no_space, Durability::sync, kStride); }
TEST(Faults, APowerCutLosesNothingThatWasAcknowledged) { cut_power(Durability::sync, false, kStride); }
TEST(Faults, APowerCutThatKeepsSomeOfWhatWasNotSyncedLosesNothingThatWasAcknowledged) {
  cut_power(Durability::sync, true, kStride);
}
TEST(Faults, APowerCutLeavesAMomentOfThePastWhereSyncIsPeriodic) { cut_power(Durability::periodic, true, kStride); }

// What is in the catalog after each change, where a change that failed is tried again.
TEST(Faults, ACatalogIsAsItWasSaidWhateverFails) {
  using Names = std::vector<std::string>;
  const std::vector<std::function<void(Database&)>> changes = {
      [](Database& d) { d.create("a", testing_config(kDim)); },
      [](Database& d) { d.create("b", testing_config(kDim)); },
      [](Database& d) {
        d.change_aliases({{"x", "a"}, {"y", "b"}});
      },
      [](Database& d) { d.remove("a"); },
      [](Database& d) {
        d.change_aliases({{"z", "b"}, {"y", ""}});
      },
  };
  for (const Trouble trouble : {Trouble::fails_once, Trouble::no_space}) {
    uint64_t at = 1;
    for (bool hit = true; hit && !HasFailure(); at += 11) {
      SCOPED_TRACE(fmt::format("trouble at operation {}", at));
      Faults faults(Durability::sync);
      faults.open();
      faults.disk().plan(trouble, at);
      hit = false;
      for (size_t i = 0; i < changes.size(); ++i) {
        for (size_t attempt = 0;; ++attempt) {
          SCOPED_TRACE(fmt::format("change {}", i));
          try {
            changes[i](faults.database());
            break;
          } catch (const Error& error) {
            // The first attempt may have done it.
            if (attempt > 0 && (error.code() == ErrorCode::already_exists || error.code() == ErrorCode::not_found))
              break;
            EXPECT_TRUE(error.code() == ErrorCode::unavailable || error.code() == ErrorCode::exhausted) << error.what();
          }
          ASSERT_LT(attempt, 3u);
          hit = true;
          faults.disk().end_trouble();
        }
        hit = hit || faults.disk().hit();
      }
      faults.disk().end_trouble();
      for (int opened = 0; opened < 2; ++opened) {
        EXPECT_EQ(faults.database().names(), (Names{"b", "points"}));
        EXPECT_EQ(faults.database().aliases(), (std::vector<Database::Alias>{{"z", "b"}}));
        EXPECT_EQ(faults.database().open("z")->count(), 0u);
        faults.close();
        faults.open();
      }
    }
  }
}

// Where: among the newest rows, in a segment, in a damaged segment.
void expect_none_expired(const std::string& where) {
  SCOPED_TRACE(where);
  Faults faults(Durability::sync);
  faults.now_ms = 1000;
  faults.open();
  UpsertPoints points;
  for (uint64_t id = 0; id < 20; ++id) {
    points.points.push_back(testing_point(id, {static_cast<float>(id), 0, 0, 0},
                                          fmt::format(R"({{"n":{},"color":"{}"}})", id, id % 2 == 0 ? "red" : "blue")));
    if (id < 10) points.points.back().expires_ms = 2000;
  }
  faults.store().write(points);
  if (where != "newest rows") {
    faults.store().set_payload_field(KeyPath::parse("n"), parse_field_schema(R"("integer")"));
    faults.store().set_payload_field(KeyPath::parse("color"), parse_field_schema(R"("keyword")"));
    faults.store().flush();
  }
  if (where == "a damaged segment") {
    faults.close();
    for (const auto& entry : std::filesystem::directory_iterator(faults.store_folder() / "segments")) {
      std::filesystem::remove(entry.path() / "rows");
    }
    faults.open();
  }
  faults.disk().plan(Trouble::no_space, 1);
  faults.now_ms = 3000;
  const Filter red = parse_filter(R"({"must":{"key":"color","match":{"value":"red"}}})");
  auto look = [&] {
    PointStore& store = faults.store();
    EXPECT_EQ(store.count(), 10u);
    EXPECT_EQ(store.count(red), 5u);
    SearchRequest request;
    request.query.values = {0, 0, 0, 0};
    request.limit = 5;
    SearchAnswer answer = store.search(request);
    ASSERT_EQ(answer.points.size(), 5u);
    EXPECT_EQ(answer.points[0].point.id, PointId::of(10));
    request.filter = red;
    answer = store.search(request);
    ASSERT_EQ(answer.points.size(), 5u);
    EXPECT_EQ(answer.points[1].point.id, PointId::of(12));
    EXPECT_EQ(store.get(std::vector{PointId::of(3)})[0], std::nullopt);
    EXPECT_EQ(store.scroll({.limit = 100}).points.size(), 10u);
    const ScrollAnswer page = store.scroll({.limit = 4, .filter = red});
    ASSERT_EQ(page.points.size(), 4u);
    EXPECT_EQ(page.points[0].id, PointId::of(10));
    EXPECT_EQ(page.next, PointId::of(18));
    const std::vector<FacetCount> counts = store.facet(KeyPath::parse("color"), std::nullopt, 10);
    EXPECT_EQ(counts, (std::vector<FacetCount>{{"blue", 5}, {"red", 5}}));
    const auto first = store.ordered({.key = KeyPath::parse("n"), .limit = 2});
    ASSERT_EQ(first.size(), 2u);
    EXPECT_EQ(first[0].point.id, PointId::of(10));
    EXPECT_EQ(store.sample(100, red, 1).size(), 5u);
    EXPECT_EQ(store.info().points, 10u);
  };
  look();
  EXPECT_TRUE(faults.disk().hit());
  faults.disk().end_trouble();
  look();
  faults.close();
  faults.open();
  look();
}

TEST(Faults, PointsWhoseTimeHasComeAreNotFoundOnAFullDiskEither) {
  for (const char* where : {"newest rows", "a segment", "a damaged segment"}) expect_none_expired(where);
}

// Else filters would find what nobody wrote.
TEST(Faults, AnIndexOfPayloadsKnowsNoMoreThanTheTruthAfterAPowerCut) {
  Faults faults(Durability::periodic);
  faults.open();
  UpsertPoints points;
  ChangePayload change{{}, PayloadChange::overwrite, R"({"step":7})", "", {}};
  for (uint64_t id = 0; id < 20; ++id) {
    points.points.push_back(testing_point(id, {1, 2, 3, 4}, R"({"step":1})"));
    if (id % 2 == 0) change.ids.push_back(points.points.back().id);
  }
  faults.store().write(points);
  faults.store().flush();
  faults.store().set_payload_field(KeyPath::parse("step"), parse_field_schema(R"("integer")"));
  faults.store().write(change);
  faults.store().flush();  // makes the index again
  faults.disk().plan(Trouble::power_cut, 1);
  faults.close();
  faults.disk().restore(nullptr);
  faults.open();
  const Filter changed = parse_filter(R"({"must":{"key":"step","match":{"value":7}}})");
  SearchRequest request{.query = {{1, 2, 3, 4}, {}}, .limit = 100, .filter = changed};
  EXPECT_EQ(faults.store().search(request).payloads_read, 0u) << "the index is not used";
  expect_found(faults.store(), stored(faults.store()));
}

// A segment is being made, others write and search, and the disk fails now and then.
TEST(Faults, ManyAtOnceSurviveADiskThatFailsNowAndThen) {
  Faults faults(Durability::sync);
  faults.background = true;
  faults.open();
  std::atomic<size_t> working = 2;
  std::atomic<uint64_t> failures = 0, troubles = 0;
  std::vector<std::thread> threads;
  for (uint64_t writer = 0; writer < 2; ++writer) {
    threads.emplace_back([&, writer] {
      for (uint64_t batch = 0; batch < 60 || troubles < 20 || failures == 0; ++batch) {
        UpsertPoints points;
        for (uint64_t i = 0; i < 10; ++i) {
          const uint64_t id = writer * 1000 + batch % 60 * 10 + i;
          points.points.push_back(testing_point(id, {static_cast<float>(id), 1, 2, 3}));
        }
        while (failed([&] { faults.store().write(points); }, Trouble::no_space)) ++failures;
      }
      --working;
    });
  }
  threads.emplace_back([&] {
    while (working > 0) {
      SearchRequest request;
      request.query.values = {5, 1, 2, 3};
      request.limit = 3000;
      // Where the disk fails while the truth is opened again, there is nothing to read for a moment.
      failed([&] { EXPECT_LE(faults.store().search(request).points.size(), 1200u); }, Trouble::fails_once);
    }
  });
  threads.emplace_back([&] {
    std::mt19937_64 random(11);
    while (working > 0) {
      faults.disk().plan(random() % 3 == 0 ? Trouble::no_space : Trouble::fails_once, 1 + random() % 60);
      for (size_t wait = 0; wait < 100 && working > 0 && !faults.disk().hit(); ++wait) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      if (faults.disk().hit()) ++troubles;
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 5));
    }
    faults.disk().end_trouble();
  });
  for (std::thread& thread : threads) thread.join();
  for (int opened = 0; opened < 2; ++opened) {
    while (failed([&] { faults.store().flush(); }, Trouble::fails_once)) {
    }
    EXPECT_EQ(faults.store().count(), 1200u);
    EXPECT_EQ(stored(faults.store()).size(), 1200u);
    expect_found(faults.store(), stored(faults.store()));
    faults.close();
    faults.open();
  }
}

}  // namespace
}  // namespace sextant::store::faults
