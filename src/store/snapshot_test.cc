#include "store/snapshot.h"

#include <gmock/gmock.h>

#include <fstream>

#include "sextant/error.h"
#include "store/database.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::HasSubstr;

TEST(Snapshots, GiveACollectionBackAsItWas) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {.store = {.background = false}});
  const auto points = database.create("points", testing_config(4, 16));
  std::mt19937_64 random(3);
  for (uint64_t id = 0; id < 60; ++id) {
    points->write(UpsertPoints{{testing_point(id, random_vector(random, 4), fmt::format(R"({{"n":{}}})", id))}});
  }
  points->write(DeletePoints{{PointId::of(5), PointId::of(59)}});
  points->flush();
  const auto path = folder.path() / "points.snapshot";
  const SnapshotReport written = points->snapshot(path);
  EXPECT_EQ(written.points, 58u);
  points->write(DeletePoints{{PointId::of(6)}});
  database.restore("again", path);
  const auto again = database.open("again");
  EXPECT_EQ(again->count(), 58u);
  SearchRequest request;
  request.query.values = {0, 0, 0, 0};
  request.limit = 100;
  EXPECT_EQ(again->search(request).points.size(), 58u);
  again->flush();
  const SearchAnswer answer = again->search(request);
  EXPECT_EQ(answer.points.size(), 58u);
  EXPECT_EQ(again->get(std::vector{PointId::of(6)})[0]->payload, R"({"n":6})");
  EXPECT_EQ(points->count(), 57u);
}

TEST(Snapshots, ThatAreDamagedAreRefusedAndLeaveNothing) {
  base::TemporaryFolder folder;
  Database database(folder.path() / "db", {.store = {.background = false}});
  const auto points = database.create("points", testing_config(4, 16));
  points->write(UpsertPoints{{testing_point(1, {1, 2, 3, 4})}});
  const auto path = folder.path() / "points.snapshot";
  points->snapshot(path);
  const std::string whole = base::read_file(path);
  for (const size_t at : {size_t{9}, whole.size() / 2, whole.size() - 4096}) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    base::write_file_atomically(path, bytes);
    try {
      database.restore("broken", path);
      // Zeros between sections may be anything.
      database.remove("broken");
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("points.snapshot"));
    }
    EXPECT_FALSE(database.contains("broken"));
  }
  base::write_file_atomically(path, whole.substr(0, whole.size() - 5000));
  EXPECT_THROW(database.restore("broken", path), Error);
}

}  // namespace
}  // namespace sextant::store
