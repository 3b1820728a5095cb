// Indexes of payloads as the collection keeps them: made for a schema, out of date, made again.
#include <gmock/gmock.h>

#include "sextant/error.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kIndexedPoints = 100;

// With a segment of points {"n":ID} and an index on n, made again after more than five changes.
struct IndexedStore : TestingStore {
  IndexedStore() : TestingStore(testing_config(2, 64), {.background = false, .changed_rows_max = 5}) {
    UpsertPoints all;
    for (uint64_t id = 0; id < kIndexedPoints; ++id) {
      all.points.push_back(testing_point(id, {static_cast<float>(id), 0}, fmt::format(R"({{"n":{}}})", id)));
    }
    store->write(all);
    store->flush();
    store->compact();
    store->set_payload_field(KeyPath::parse("n"), parse_field_schema(R"("integer")"));
  }

  void change(uint64_t begin, uint64_t end, int64_t n) {
    ChangePayload change{{}, PayloadChange::overwrite, fmt::format(R"({{"n":{}}})", n), "", {}};
    for (uint64_t id = begin; id < end; ++id) change.ids.push_back(PointId::of(id));
    store->write(change);
  }
  size_t changed_marks() {
    size_t count = 0;
    store->view()->truth->for_marks(0, UINT64_MAX, [&](const Truth::Mark& mark) { count += mark.dead ? 0 : 1; });
    return count;
  }
  std::vector<std::string> index_files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path() / "segments")) {
      const std::string name = entry.path().filename();
      if (name.starts_with("payload_")) names.push_back(name);
    }
    return names;
  }
  // How many points have that number, and how many payloads had to be looked at to find them.
  std::pair<size_t, uint64_t> find(int64_t n) {
    SearchRequest request{.query = {{0, 0}, {}}, .limit = 1000};
    request.filter = parse_filter(fmt::format(R"({{"must":{{"key":"n","match":{{"value":{}}}}}}})", n));
    const SearchAnswer answer = store->search(request);
    return {answer.points.size(), answer.payloads_read};
  }
};

using FoundAndRead = std::pair<size_t, uint64_t>;

TEST(PayloadIndexesOfSegments, AreMadeAgainWhenManyPayloadsHaveChanged) {
  IndexedStore store;
  store.change(0, 5, -1);
  store->flush();
  EXPECT_EQ(store.find(-1), FoundAndRead(5, 5)) << "five are few";
  EXPECT_EQ(store.changed_marks(), 5u);
  store.change(3, 10, -2);
  EXPECT_EQ(store.find(-2), FoundAndRead(7, 10));
  store->flush();
  for (const char* when : {"at once", "opened again"}) {
    SCOPED_TRACE(when);
    EXPECT_EQ(store.find(-1), FoundAndRead(3, 0));
    EXPECT_EQ(store.find(-2), FoundAndRead(7, 0));
    EXPECT_EQ(store.find(5), FoundAndRead(0, 0));
    EXPECT_EQ(store.changed_marks(), 0u);
    store.open();
  }
  // What changes afterwards is looked at again.
  store.change(3, 4, -3);
  store.open();
  EXPECT_EQ(store.find(-2), FoundAndRead(6, 1));
  EXPECT_EQ(store.find(-3), FoundAndRead(1, 1));
}

TEST(PayloadIndexesOfSegments, AreMadeAgainInTheBackground) {
  IndexedStore store;
  store.options.background = true;
  store.open();
  store.change(0, 20, -1);
  store->wait();
  EXPECT_EQ(store.find(-1), FoundAndRead(20, 0));
}

TEST(PayloadIndexesOfSegments, OfAMergeKnowWhatHadChanged) {
  IndexedStore store;
  store.change(0, 4, -1);
  store->rebuild();
  EXPECT_EQ(store.find(-1), FoundAndRead(4, 0));
  EXPECT_EQ(store.changed_marks(), 0u);
}

// The program ended when the new file was there and nothing else had been done.
TEST(PayloadIndexesOfSegments, TellWhichChangesTheyHave) {
  IndexedStore store;
  store.change(0, 4, -1);
  {
    const ViewPointer view = store->view();
    view->segments.at(0).segment->build_payload_index(*view->config, *view->moment, view->state.version, nullptr);
  }
  EXPECT_EQ(store.find(-1), FoundAndRead(4, 4)) << "the index of before is still in use";
  store.change(4, 6, -1);
  store.open();
  EXPECT_EQ(store.changed_marks(), 6u);
  EXPECT_EQ(store.find(-1), FoundAndRead(6, 2));
  EXPECT_EQ(store.find(3), FoundAndRead(0, 2));
}

// A power cut may leave a truth that is older than it was.
TEST(PayloadIndexesOfSegments, ThatKnowMoreThanTheTruthAreNotUsed) {
  IndexedStore store;
  {
    const ViewPointer view = store->view();
    view->segments.at(0).segment->build_payload_index(*view->config, *view->moment, view->state.version + 1, nullptr);
  }
  store.open();
  EXPECT_EQ(store->view()->segments.at(0).payload, nullptr);
  EXPECT_EQ(store.find(3), FoundAndRead(1, kIndexedPoints));
  store->flush();
  EXPECT_EQ(store.find(3), FoundAndRead(1, 0));
}

TEST(PayloadIndexesOfSegments, OfFormerSchemasAreRemoved) {
  IndexedStore store;
  const std::vector<std::string> first = store.index_files();
  EXPECT_THAT(first, SizeIs(1));
  store->set_payload_field(KeyPath::parse("m"), parse_field_schema(R"("keyword")"));
  EXPECT_THAT(store.index_files(), SizeIs(1));
  EXPECT_NE(store.index_files(), first);
  store->set_payload_field(KeyPath::parse("m"), std::nullopt);
  EXPECT_EQ(store.index_files(), first);
  // One that stayed behind.
  store.store.reset();
  const auto folder = *std::filesystem::directory_iterator(store.path() / "segments");
  base::write_file_atomically(folder.path() / "payload_0123456789abcdef", "x");
  store.open();
  EXPECT_EQ(store.index_files(), first);
  EXPECT_THAT(store->verify(), IsEmpty());
  store->set_payload_field(KeyPath::parse("n"), std::nullopt);
  EXPECT_THAT(store.index_files(), IsEmpty());
  EXPECT_EQ(store.find(3), FoundAndRead(1, kIndexedPoints));
}

}  // namespace
}  // namespace sextant::store
