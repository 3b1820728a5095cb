#include "store/database.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <map>
#include <thread>

#include "base/files.h"
#include "sextant/error.h"
#include "store/folder_copy.h"
#include "store/rocks.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// What is on the disk below PATH: names, sizes, times and bytes.
std::map<std::string, std::string> all_files(const std::filesystem::path& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    const auto time = entry.last_write_time().time_since_epoch().count();
    files[entry.path().string()] =
        std::to_string(time) + (entry.is_regular_file() ? base::read_file(entry.path()) : std::string());
  }
  return files;
}

TEST(Databases, AreReadWithoutAChangeOnTheDisk) {
  base::TemporaryFolder folder;
  const auto path = folder.path() / "db";
  DatabaseOptions reading{.store = {.read_only = true}};
  EXPECT_THAT(message_of([&] { Database(path, reading); }), HasSubstr("no database there"));
  uint64_t now = 1000;
  reading.store.now_ms = [&] { return now; };
  {
    Database database(path, {.store = {.background = false, .now_ms = reading.store.now_ms}});
    const auto points = database.create("books", testing_config(2));
    for (int i = 0; i < 20; ++i) points->write(UpsertPoints{{testing_point(i, {static_cast<float>(i), 1})}});
    points->flush();
    points->write(DeletePoints{{PointId::of(3)}});
    UpsertPoints late{{testing_point(20, {20, 1})}};
    late.points[0].expires_ms = 2000;
    points->write(late);
    database.change_aliases({{"library", "books"}});
    EXPECT_EQ(Database(path, reading).open("books")->count(), 20u) << "beside the writer";
    EXPECT_THAT(message_of([&] { Database(path, {}); }), HasSubstr("in use by process"));
  }
  const auto before = all_files(path);
  {
    Database first(path, reading), second(path, reading);
    const auto points = second.open("library");
    EXPECT_EQ(first.open("books")->count(), 20u);
    SearchRequest request;
    request.query.values = {19.9f, 1};
    EXPECT_EQ(points->search(request).points.at(0).point.id, PointId::of(20));
    now = 3000;
    EXPECT_EQ(points->search(request).points.at(0).point.id, PointId::of(19)) << "its time has come";
    EXPECT_FALSE(points->get(std::vector{PointId::of(20)})[0].has_value());
    EXPECT_EQ(points->scroll({.limit = 100}).points.size(), 19u);
    for (const auto& call : std::vector<std::function<void()>>{
             [&] { points->write(DeletePoints{{PointId::of(1)}}); },
             [&] { points->write_where(Filter(), DeletePoints()); }, [&] { points->flush(); },
             [&] { points->rebuild(); }, [&] { points->compact(); },
             [&] { points->set_payload_field(KeyPath::parse("a"), FieldSchema()); },
             [&] { points->change_vectors(VectorsChange{.metadata = "{}"}); }, [&] { first.remove("books"); },
             [&] { first.create("films", testing_config(2)); },
             [&] {
               first.change_aliases({{"library", ""}});
             }}) {
      EXPECT_THAT(message_of(call), HasSubstr("opened for reading"));
    }
  }
  EXPECT_EQ(all_files(path), before);
}

TEST(Databases, AreReadBesideAWriter) {
  base::TemporaryFolder folder;
  const auto path = folder.path() / "db";
  StoreConfig config = testing_config(4);
  Database database(path, {.store = {.threads = 1}});
  const auto points = database.create("books", config);
  // Operation n writes points 10 n to 10 n + 9, whose vectors and payloads say n.
  std::atomic<uint64_t> begun = 0, acknowledged = 0;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (uint64_t n = 1; !done; ++n) {
      UpsertPoints upsert;
      for (uint64_t i = 10 * n; i < 10 * n + 10; ++i) {
        upsert.points.push_back(testing_point(i, {static_cast<float>(n), 0, 0, static_cast<float>(i % 10)},
                                              "{\"n\":" + std::to_string(n) + "}"));
      }
      begun = n;
      points->write(upsert);
      acknowledged = n;
      if (n % 50 == 0) points->flush();
      if (n % 170 == 0) points->compact();
      if (n % 230 == 0) points->rebuild();
      if (n % 90 == 0) {
        database.create("other", config);
        database.remove("other");
      }
    }
  });
  size_t damaged = 0;
  for (int round = 0; round < 60; ++round) {
    const uint64_t least = acknowledged;
    Database reader(path, {.store = {.read_only = true}});
    const auto read = reader.open("books");
    const uint64_t count = read->count();
    ASSERT_EQ(count % 10, 0u);
    ASSERT_GE(count / 10, least);
    ASSERT_LE(count / 10, begun);
    damaged += read->has_damage() ? 1 : 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_EQ(read->count(), count);
    if (count == 0) continue;
    const uint64_t n = 1 + static_cast<uint64_t>(round) * 7919 % (count / 10);
    SearchRequest request;
    request.query.values = {static_cast<float>(n), 0, 0, 4};
    request.limit = 1;
    request.exact = true;
    const auto found = read->search(request).points;
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].point.id, PointId::of(10 * n + 4));
    EXPECT_EQ(found[0].point.payload, "{\"n\":" + std::to_string(n) + "}");
    ASSERT_EQ(read->scroll({.limit = SIZE_MAX}).points.size(), count);
  }
  done = true;
  writer.join();
  EXPECT_EQ(damaged, 0u) << "segments that were gone when they were opened";
}

TEST(Databases, NoticeThatFilesChangedWhileTheyWereOpened) {
  base::TemporaryFolder folder;
  base::write_file_atomically(folder.path() / "CURRENT", "MANIFEST-000004\n");
  base::write_file_atomically(folder.path() / "MANIFEST-000004", "edits");
  const ManifestWatch watch(folder.path());
  watch.check();
  std::ofstream(folder.path() / "MANIFEST-000004", std::ios::app) << "one more";
  EXPECT_THAT(message_of([&] { watch.check(); }), HasSubstr("changes its files"));
  const ManifestWatch grown(folder.path());
  grown.check();
  base::write_file_atomically(folder.path() / "CURRENT", "MANIFEST-000005\n");
  EXPECT_THAT(message_of([&] { grown.check(); }), HasSubstr("changes its files"));
}

TEST(Databases, AreCopiedWithLinks) {
  base::TemporaryFolder folder;
  const auto path = folder.path() / "db", copy = folder.path() / "copy";
  {
    Database database(path, {});
    const auto points = database.create("books", testing_config(2));
    for (int i = 0; i < 500; ++i) points->write(UpsertPoints{{testing_point(i, {static_cast<float>(i), 1})}});
    points->compact();
  }
  const auto before = all_files(path);
  copy_database(path, copy);
  EXPECT_THAT(message_of([&] { copy_database(path, copy); }), HasSubstr("exists already"));
  EXPECT_THAT(message_of([&] { copy_database(folder.path() / "none", folder.path() / "b"); }),
              HasSubstr("no database"));
  size_t links = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(copy)) {
    if (entry.is_regular_file() && entry.hard_link_count() > 1) ++links;
  }
  EXPECT_GE(links, 3u) << "tables, rows and vectors";
  {
    Database database(copy, {});
    const auto points = database.open("books");
    EXPECT_EQ(points->count(), 500u);
    for (int i = 0; i < 300; ++i) points->write(DeletePoints{{PointId::of(i)}});
    points->compact();
    EXPECT_EQ(points->count(), 200u);
  }
  EXPECT_EQ(all_files(path), before);
}

TEST(Databases, KeepCollectionsAndAliases) {
  base::TemporaryFolder folder;
  const auto path = folder.path() / "db";
  {
    Database database(path, {});
    database.create("books", testing_config(2))->write(UpsertPoints{{testing_point(1, {1, 2})}});
    database.create("films", testing_config(3));
    database.change_aliases({{"library", "books"}, {"old", "books"}});
    database.change_aliases({{"old", ""}});
    EXPECT_THAT(message_of([&] { database.create("books", testing_config(2)); }), HasSubstr("'books' exists"));
    EXPECT_THAT(message_of([&] { database.create("library", testing_config(2)); }), HasSubstr("exists"));
    EXPECT_THAT(message_of([&] { database.change_aliases({{"films", "books"}}); }), HasSubstr("is a collection"));
  }
  Database database(path, {});
  EXPECT_THAT(database.names(), ElementsAre("books", "films"));
  EXPECT_EQ(database.open("library")->count(), 1u);
  EXPECT_THAT(message_of([&] { database.open("music"); }), HasSubstr("no collection 'music'; it has 'books', 'films'"));
  database.remove("books");
  EXPECT_FALSE(database.contains("library"));
  EXPECT_TRUE(database.aliases().empty());
}

TEST(Databases, AreOpenedByOneProcessAtATime) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {});
  EXPECT_THAT(message_of([&] { Database second(folder.path() / "db", {}); }), HasSubstr("in use by process"));
}

TEST(Databases, LeaveFoldersOfOthersAlone) {
  base::TemporaryFolder folder;
  std::ofstream(folder.path() / "letter.txt") << "dear";
  EXPECT_THAT(message_of([&] { Database database(folder.path(), {}); }), HasSubstr("is no database"));
  EXPECT_THAT(message_of([&] { Database database(folder.path() / "none", {.create_if_missing = false}); }),
              HasSubstr("no database there"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "none"));
}

TEST(Databases, RefuseNamesThatAreNone) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {});
  for (const std::string& name :
       {std::string(), std::string(256, 'a'), std::string("a/b"), std::string("a\nb"), std::string("\xff")}) {
    EXPECT_THROW(database.create(name, testing_config(2)), Error) << name;
  }
}

}  // namespace
}  // namespace sextant::store
