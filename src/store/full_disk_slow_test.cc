// A disk that is full in earnest: a small file system in memory.
#include <gmock/gmock.h>
#include <sys/mount.h>

#include <fstream>

#include "sextant/error.h"
#include "store/database.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::HasSubstr;

struct SmallDisk {
  base::TemporaryFolder folder;
  bool mounted = ::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=48m") == 0;
  ~SmallDisk() {
    if (mounted) ::umount2(folder.path().c_str(), MNT_DETACH);
  }
};

TEST(FullDisks, StopWritesAndNothingElse) {
  const SmallDisk disk;
  if (!disk.mounted) GTEST_SKIP() << "mounting is not allowed here";
  constexpr size_t kDim = 256, kBatch = 100;
  const auto path = disk.folder.path() / "db";
  const auto filler = disk.folder.path() / "filler";
  std::ofstream(filler) << std::string(12 << 20, 'x');
  DatabaseOptions options;
  options.memory_bytes = 8 << 20;
  options.store.threads = 1;
  StoreConfig config = testing_config(kDim, 1000);
  config.durability = Durability::sync;
  uint64_t batches = 0;
  auto batch = [&](uint64_t number) {
    std::mt19937_64 random(number);
    UpsertPoints points;
    for (uint64_t i = 0; i < kBatch; ++i) {
      points.points.push_back(testing_point(number * kBatch + i, random_vector(random, kDim),
                                            fmt::format(R"({{"text":"{}"}})", std::string(400, 'a' + number % 26))));
    }
    return points;
  };
  // Of every batch that was acknowledged all points are there, of the one after it all or none.
  auto expect_all = [&](PointStore& store) {
    const uint64_t count = store.count();
    EXPECT_TRUE(count == batches * kBatch || count == (batches + 1) * kBatch) << count << " of " << batches;
    for (uint64_t number = 0; number < batches; ++number) {
      const UpsertPoints expected = batch(number);
      std::vector<PointId> ids;
      for (const Point& point : expected.points) ids.push_back(point.id);
      const auto found = store.get(ids, {.all_vectors = true});
      for (size_t i = 0; i < kBatch; ++i) {
        ASSERT_TRUE(found[i]) << ids[i].text();
        ASSERT_EQ(found[i]->vectors.at(0).second, expected.points[i].vectors[0].second);
        ASSERT_EQ(found[i]->payload, expected.points[i].payload);
      }
    }
    SearchRequest request;
    request.query = batch(batches / 2).points[7].vectors[0].second;
    const SearchAnswer answer = store.search(request);
    ASSERT_EQ(answer.points.size(), 10u);
    EXPECT_EQ(answer.points[0].point.id, PointId::of(batches / 2 * kBatch + 7));
  };
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    Database database(path, options);
    const auto store = round == 0 ? database.create("points", config) : database.open("points");
    if (batches > 0) expect_all(*store);
    std::string message;
    for (size_t tries = 0; tries < 3 && batches < 2000; ++tries) {
      try {
        for (; batches < 2000; ++batches) store->write(batch(batches));
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
        message = error.what();
      }
      expect_all(*store);
    }
    EXPECT_THAT(message, HasSubstr("No space left on device"));
    // Room again, in the same process.
    std::filesystem::remove(filler);
    const uint64_t before = batches;
    for (; batches < before + 5; ++batches) store->write(batch(batches));
    expect_all(*store);
    // The next round finds it full again.
    if (round == 1) break;
    std::ofstream file(filler);
    const std::string block(1 << 16, 'x');
    while (file.tellp() < (12 << 20) && file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
}

}  // namespace
}  // namespace sextant::store
