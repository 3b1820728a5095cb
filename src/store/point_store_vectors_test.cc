#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "sextant/error.h"
#include "store/point_store.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

VectorConfig dense(const std::string& name, size_t dim) {
  VectorConfig vector;
  vector.name = name;
  vector.dim = dim;
  vector.metric = Metric::l2;
  return vector;
}

Point with_vector(uint64_t id, const std::string& name, std::vector<float> vector) {
  Point point;
  point.id = PointId::of(id);
  point.vectors = {{name, {std::move(vector), {}}}};
  return point;
}

std::vector<uint64_t> found_by(const PointStore& store, const std::string& name, std::vector<float> query) {
  SearchRequest request;
  request.vector = name;
  request.query.values = std::move(query);
  request.limit = 10000;
  request.exact = true;
  std::vector<uint64_t> ids;
  for (const FoundPoint& found : store.search(request).points) ids.push_back(found.point.id.number());
  return ids;
}

// Vectors of a slot that the truth still has.
size_t rows_with(const PointStore& store, uint16_t slot) {
  size_t count = 0;
  const ViewPointer view = store.view();
  view->truth->for_rows(0, UINT64_MAX, nullptr, [&](const Truth::RowVectors& row) {
    for (const auto& vector : row.vectors) count += vector.slot == slot ? 1 : 0;
    return true;
  });
  return count;
}

size_t files_of(const std::filesystem::path& folder, const std::string& name) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    count += entry.path().filename() == name ? 1 : 0;
  }
  return count;
}

UpsertPoints first_points(uint64_t count) {
  UpsertPoints points;
  for (uint64_t id = 0; id < count; ++id) points.points.push_back(testing_point(id, {static_cast<float>(id), 0}));
  return points;
}

template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(NamedVectors, ThatAreAddedAreFoundInAllRowsThatHaveThem) {
  TestingStore store(testing_config(2, 8));
  store->write(first_points(20));
  store->flush();
  store->write(first_points(3));  // the tail has rows
  store->change_vectors({.add = {dense("other", 3)}});
  EXPECT_THAT(found_by(*store.store, "other", {0, 0, 0}), IsEmpty());
  store->write(UpdateVectors{{with_vector(1, "other", {1, 1, 1}), with_vector(15, "other", {5, 5, 5})}});
  const auto expect_both = [&] {
    EXPECT_THAT(found_by(*store.store, "other", {0, 0, 0}), ElementsAre(1, 15));
    EXPECT_EQ(found_by(*store.store, "", {0, 0}).size(), 20u);
  };
  expect_both();
  store.open();
  expect_both();
  store->flush();
  expect_both();
  store->compact();
  expect_both();
  const StoredPoint point = *store->get(std::vector{PointId::of(15)}, {.all_vectors = true})[0];
  EXPECT_EQ(point.vectors.at(0).second.values, (std::vector<float>{15, 0}));
  EXPECT_EQ(point.vectors.at(1).second.values, (std::vector<float>{5, 5, 5}));
}

TEST(NamedVectors, ThatAreRemovedLeaveNothingBehindAndNeverComeBack) {
  TestingStore store(testing_config(2, 8));
  store->change_vectors({.add = {dense("other", 3)}});
  store->write(first_points(20));
  UpdateVectors update;
  for (uint64_t id = 0; id < 20; ++id)
    update.points.push_back(with_vector(id, "other", {1, 2, static_cast<float>(id)}));
  store->write(update);
  store->flush();
  update.points.resize(2);
  store->write(update);
  const uint16_t slot = store->config()->at("other").slot;
  EXPECT_EQ(files_of(store.path(), fmt::format("vector_{}", slot)), 1u);
  EXPECT_EQ(rows_with(*store.store, slot), 20u);
  store->change_vectors({.remove = {"other"}});
  EXPECT_EQ(files_of(store.path(), fmt::format("vector_{}", slot)), 0u);
  EXPECT_THAT(message_of([&] { found_by(*store.store, "other", {0, 0, 0}); }), HasSubstr("no vector 'other'"));
  EXPECT_THAT(store->verify(), IsEmpty());
  EXPECT_EQ(found_by(*store.store, "", {0, 0}).size(), 20u);
  // A point's other vectors are kept, the removed one is not.
  store->write(UpdateVectors{{with_vector(3, "", {0, 0})}});
  EXPECT_EQ(rows_with(*store.store, slot), 19u);
  store->change_vectors({.add = {dense("other", 3)}});
  EXPECT_NE(store->config()->at("other").slot, slot);
  EXPECT_THAT(found_by(*store.store, "other", {0, 0, 0}), IsEmpty());
  store.open();
  EXPECT_THAT(found_by(*store.store, "other", {0, 0, 0}), IsEmpty());
  EXPECT_EQ(store->get(std::vector{PointId::of(7)}, {.all_vectors = true})[0]->vectors.size(), 1u);
  EXPECT_THAT(store->config()->dropped_slots, ElementsAre(slot));
  store->compact();
  EXPECT_EQ(rows_with(*store.store, slot), 0u);
  EXPECT_THAT(store->config()->dropped_slots, IsEmpty());
  // What was removed is named by records still; it hinders no change of theirs.
  EXPECT_EQ(store->write(DeleteVectors{{PointId::of(7)}, {"other"}}).updated, 0u);
  EXPECT_EQ(store->write(UpdateVectors{{with_vector(7, "other", {1, 1, 1})}}).updated, 1u);
  EXPECT_EQ(store->write(DeletePoints{{PointId::of(8)}}).removed, 1u);
  EXPECT_THAT(found_by(*store.store, "other", {0, 0, 0}), ElementsAre(7));
  store.open();
  EXPECT_EQ(found_by(*store.store, "", {0, 0}).size(), 19u);
}

TEST(NamedVectors, FilesThatARemovalLeftGoWhenTheCollectionIsOpened) {
  TestingStore store(testing_config(2, 8));
  store->change_vectors({.add = {dense("other", 2)}});
  store->write(first_points(10));
  store->write(UpdateVectors{{with_vector(1, "other", {1, 1})}});
  store->flush();
  ViewPointer view = store->view();
  const std::string file = fmt::format("vector_{}", store->config()->at("other").slot);
  store->change_vectors({.remove = {"other"}});
  EXPECT_EQ(files_of(store.path(), file), 1u) << "somebody looks at it";
  const auto folder = view->segments.at(0).segment->folder();
  const std::string bytes = base::read_file(folder / file);
  view.reset();
  EXPECT_EQ(files_of(store.path(), file), 0u);
  base::write_file_atomically(folder / file, bytes);
  store.open();
  EXPECT_EQ(files_of(store.path(), file), 0u);
  EXPECT_EQ(found_by(*store.store, "", {0, 0}).size(), 10u);
}

TEST(NamedVectors, OneTakesThePlaceOfAnotherInOneStepWithTheMetadata) {
  TestingStore store(testing_config(2, 8));
  store->write(first_points(12));
  store->flush();
  store->change_vectors({.add = {dense("next", 3), dense("third", 1)}, .metadata = R"({"under":"way"})"});
  const uint64_t row_begin = store->lacking("next", 0).next_row;
  EXPECT_EQ(store->lacking("next", 0).ids.size(), 12u);
  EXPECT_THAT(store->lacking("next", row_begin).ids, IsEmpty());
  UpdateVectors update;
  for (uint64_t id = 0; id < 12; ++id) update.points.push_back(with_vector(id, "next", {0, 0, static_cast<float>(id)}));
  store->write(update);
  VectorsChange swap{.replace = {{"", "next"}}, .metadata = R"({"all":"done"})"};
  swap.complete = {"next", row_begin};
  store->write(UpsertPoints{{testing_point(5, {9, 9})}});  // which has none of the next
  EXPECT_FALSE(store->change_vectors(swap));
  EXPECT_EQ(store->config()->metadata, R"({"under":"way"})");
  EXPECT_THAT(store->lacking("next", row_begin).ids, ElementsAre(PointId::of(5)));
  store->write(UpdateVectors{{with_vector(5, "next", {0, 0, 5})}});
  const uint16_t old_slot = store->config()->at("").slot, new_slot = store->config()->at("next").slot;
  EXPECT_TRUE(store->change_vectors(swap));
  const auto check = [&] {
    const auto config = store->config();
    ASSERT_EQ(config->vectors.size(), 2u);
    EXPECT_EQ(config->vectors[0].name, "");
    EXPECT_EQ(config->vectors[0].slot, new_slot);
    EXPECT_EQ(config->vectors[1].name, "third");
    EXPECT_EQ(config->metadata, R"({"all":"done"})");
    EXPECT_THAT(found_by(*store.store, "", {0, 0, 0}), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  };
  check();
  store.open();
  check();
  const auto snapshot = store.folder.path() / "snapshot";
  store->snapshot(snapshot);
  store->compact();
  check();
  EXPECT_EQ(rows_with(*store.store, old_slot), 0u);
  store.store.reset();
  std::filesystem::remove_all(store.path());
  restore_snapshot(snapshot, store.path() / "truth");
  base::make_folders(store.path() / "segments");
  store.open();
  check();
  store->compact();
  check();
  EXPECT_EQ(rows_with(*store.store, old_slot), 0u);
}

TEST(NamedVectors, SayWhatIsWrongWithAChangeAndDoNothingOfIt) {
  TestingStore store(testing_config(2));
  const auto message = [&](const VectorsChange& change) { return message_of([&] { store->change_vectors(change); }); };
  EXPECT_THAT(message({.remove = {"other"}}), HasSubstr("no vector 'other'"));
  EXPECT_THAT(message({.add = {dense("", 2)}}), HasSubstr("vector '' is there twice"));
  EXPECT_THAT(message({.remove = {""}, .add = {dense("a", 0)}}), HasSubstr("vector 'a': dim 0"));
  EXPECT_THAT(message({.replace = {{"", ""}}}), HasSubstr("replaced by itself"));
  EXPECT_THAT(message({.add = {dense("\xff", 2)}}), HasSubstr("a name that is no UTF-8"));
  VectorConfig codes = dense("codes", 2);
  codes.codes = CodeKind::sq4;
  codes.index = IndexKind::flat;
  EXPECT_THAT(message({.add = {codes}}), HasSubstr("codes sq4, expected automatic, none or sq8 for a flat index"));
  codes.index = IndexKind::graph;
  codes.metric = Metric::l1;
  EXPECT_THAT(message({.add = {codes}}), HasSubstr("codes sq4, expected automatic or none for metric l1"));
  EXPECT_EQ(store->config()->vectors.size(), 1u);
  StoreConfig full = *store->config();
  full.next_slot = UINT16_MAX;
  EXPECT_THROW(changed(full, {.add = {dense("a", 1)}}), Error);
}

TEST(NamedVectors, AreUpdatedOnlyOverTheVersionThatWasExpected) {
  TestingStore store(testing_config(2));
  const uint64_t version = store->write(first_points(3)).version;
  store->write(ChangePayload{{PointId::of(1)}, PayloadChange::overwrite, R"({"a":1})", "", {}});
  UpdateVectors update{{with_vector(0, "", {7, 7}), with_vector(1, "", {7, 7}), with_vector(9, "", {7, 7})}};
  update.expected_versions = {version, version, version};
  const Written written = store->write(update);
  EXPECT_EQ(written.updated, 1u);
  EXPECT_EQ(written.missing, 2u);
  EXPECT_THAT(found_by(*store.store, "", {7, 7}), ElementsAre(0, 2, 1));
  update.expected_versions.pop_back();
  EXPECT_THAT(message_of([&] { store->write(update); }), HasSubstr("2 expected versions of 3 points"));
}

// A writer that knows only the old vector, while the next one is filled and takes its place.
TEST(NamedVectors, NoPointGetsOldVectorsInTheNextOnesPlace) {
  TestingStore store(testing_config(2, 32), StoreOptions{});
  const uint16_t old_slot = store->config()->at("").slot;
  store->write(first_points(100));
  store->change_vectors({.add = {dense("next", 2)}});
  std::atomic<uint64_t> acknowledged = 100;
  std::thread writer([&] {
    for (uint64_t id = 100;; ++id) {
      UpsertPoints points{{testing_point(id, {-1, -1})}};
      points.expected_slot = old_slot;
      try {
        store->write(points);
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::unavailable)
            << error.what();
        return;
      }
      acknowledged = id + 1;
    }
  });
  VectorsChange swap{.replace = {{"", "next"}}};
  swap.complete = {"next", 0};
  do {
    const PointStore::Lacking lacking = store->lacking("next", swap.complete->row_begin);
    UpdateVectors update;
    for (const PointId& id : lacking.ids) {
      update.points.push_back(with_vector(id.number(), "next", {static_cast<float>(id.number()), 1}));
    }
    store->write(update);
    swap.complete->row_begin = lacking.next_row;
  } while (!store->change_vectors(swap));
  writer.join();
  EXPECT_EQ(store->count(), acknowledged);
  store->wait();
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(found_by(*store.store, "", {0, 0}).size(), acknowledged);
    for (const StoredPoint& point : store->scroll({.limit = 1000000, .fields = {.all_vectors = true}}).points) {
      ASSERT_EQ(point.vectors.at(0).second.values, (std::vector<float>{static_cast<float>(point.id.number()), 1}));
    }
    store.open();
  }
  SearchRequest request;
  request.query.values = {0, 0};
  request.expected_slot = old_slot;
  EXPECT_THAT(message_of([&] { store->search(request); }), HasSubstr("another took its place"));
}

// Random operations on points of several vectors against plain maps, while vectors come, go and replace each other.
void expect_agreement(const StoreOptions& options) {
  const uint64_t seed = 20261123;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  constexpr size_t kDim = 3;
  constexpr uint64_t kIds = 60;
  const std::vector<std::string> names = {"", "a", "b", "c"};
  TestingStore store(testing_config(kDim, 25), options);
  std::map<uint64_t, std::map<std::string, std::vector<float>>> plain;
  std::set<std::string> there = {""};
  size_t changes = 0;
  auto some_name = [&] {
    auto at = there.begin();
    std::advance(at, static_cast<ptrdiff_t>(random() % there.size()));
    return *at;
  };
  auto forget = [&](const std::string& name) {
    for (auto& [id, vectors] : plain) vectors.erase(name);
    there.erase(name);
  };
  for (size_t step = 0; step < 2500; ++step) {
    const uint64_t what = random() % 100;
    const uint64_t id = random() % kIds;
    if (what < 30) {
      Point point;
      point.id = PointId::of(id);
      plain[id].clear();
      for (const std::string& name : there) {
        if (random() % 3 == 0) continue;
        plain[id][name] = random_vector(random, kDim);
        point.vectors.emplace_back(name, VectorValue{plain[id][name], {}});
      }
      store->write(UpsertPoints{{point}});
    } else if (what < 55 && !there.empty()) {
      const std::string name = some_name();
      const std::vector<float> vector = random_vector(random, kDim);
      if (store->write(UpdateVectors{{with_vector(id, name, vector)}}).updated == 1) plain.at(id)[name] = vector;
    } else if (what < 60 && !there.empty()) {
      const std::string name = some_name();
      store->write(DeleteVectors{{PointId::of(id)}, {name}});
      if (plain.contains(id)) plain[id].erase(name);
    } else if (what < 66) {
      EXPECT_EQ(store->write(DeletePoints{{PointId::of(id)}}).removed, plain.erase(id));
    } else if (what < 72) {
      const std::string name = names[random() % names.size()];
      ++changes;
      if (!there.contains(name)) {
        store->change_vectors({.add = {dense(name, kDim)}});
        there.insert(name);
      } else if (random() % 2 == 0) {
        store->change_vectors({.remove = {name}});
        forget(name);
      } else if (const std::string by = some_name(); by != name) {
        store->change_vectors({.replace = {{name, by}}});
        for (auto& [at, vectors] : plain) {
          vectors.erase(name);
          if (vectors.contains(by)) vectors[name] = vectors[by];
        }
        forget(by);
      }
    } else if (what < 92 && !there.empty()) {
      const std::string name = some_name();
      const std::vector<float> query = random_vector(random, kDim);
      std::vector<std::pair<double, uint64_t>> expected;
      for (const auto& [at, vectors] : plain) {
        if (!vectors.contains(name)) continue;
        double sum = 0;
        for (size_t d = 0; d < kDim; ++d) sum += std::pow(double{vectors.at(name)[d]} - double{query[d]}, 2);
        expected.emplace_back(std::sqrt(sum), at);
      }
      std::sort(expected.begin(), expected.end());
      std::vector<uint64_t> ids;
      for (const auto& [distance, at] : expected) ids.push_back(at);
      ASSERT_EQ(found_by(*store.store, name, query), ids) << step << " '" << name << "'";
    } else if (what < 95) {
      store->flush();
    } else if (what < 97) {
      store.open();
    } else {
      random() % 3 == 0 ? store->compact() : store->rebuild();
    }
    ASSERT_EQ(store->count(), plain.size()) << step;
  }
  EXPECT_GT(changes, 100u);
  for (const StoredPoint& point : store->scroll({.limit = 1000, .fields = {.all_vectors = true}}).points) {
    std::map<std::string, std::vector<float>> vectors;
    for (const auto& [name, value] : point.vectors) vectors[name] = value.values;
    EXPECT_EQ(vectors, plain.at(point.id.number()));
  }
  store->compact();
  std::set<uint16_t> slots;
  for (const VectorConfig& vector : store->config()->vectors) slots.insert(vector.slot);
  for (uint16_t slot = 1; slot < store->config()->next_slot; ++slot) {
    if (slots.contains(slot)) continue;
    EXPECT_EQ(rows_with(*store.store, slot), 0u) << slot;
  }
}

TEST(NamedVectors, AgreeWithPlainMapsWhileTheyComeAndGo) { expect_agreement({.background = false}); }
TEST(NamedVectors, AgreeWithPlainMapsWhileTheyComeAndGoAndSegmentsAreMade) { expect_agreement({.background = true}); }

}  // namespace
}  // namespace sextant::store
