// Bits that flip and files that lose their end: what was acknowledged is all there, or somebody says which file is
// damaged.
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <random>

#include "sextant/error.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::HasSubstr;

using Contents = std::map<uint64_t, std::string>;

Contents contents_of(PointStore& store) {
  Contents all;
  for (const StoredPoint& point : store.scroll({.limit = 10000, .fields = {.all_vectors = true}}).points) {
    all[point.id.number()] = fmt::format("{} {}", point.payload, fmt::join(point.vectors.at(0).second.values, " "));
  }
  return all;
}

// A collection with tables, a log and a segment, closed.
struct DamagedStore {
  const bool in_memory = use_memory();
  base::TemporaryFolder folder;
  std::filesystem::path good = folder.path() / "good", path = folder.path() / "points";
  Contents contents;
  uint64_t version = 0;

  DamagedStore() {
    PointStore::create(good, testing_config(4, 64), testing_resources());
    std::mt19937_64 random(3);
    for (int round = 0; round < 2; ++round) {
      PointStore store(good, testing_resources(), {.background = false});
      for (uint64_t batch = 0; batch < 40; ++batch) {
        UpsertPoints points;
        for (size_t i = 0; i < 5; ++i) {
          points.points.push_back(testing_point(random() % 300, random_vector(random, 4),
                                                fmt::format(R"({{"round":{},"batch":{}}})", round, batch)));
        }
        version = store.write(points).version;
      }
      if (round == 0) store.flush();
      contents = contents_of(store);
    }
  }
  std::vector<std::filesystem::path> truth_files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(good / "truth")) {
      const std::string name = entry.path().filename();
      const bool matters =
          name == "CURRENT" || name.starts_with("MANIFEST") || name.ends_with(".log") || name.ends_with(".sst");
      if (matters && entry.file_size() > 0) files.push_back(entry.path());
    }
    return files;
  }
  void copy() const {
    std::filesystem::remove_all(path);
    std::filesystem::copy(good, path, std::filesystem::copy_options::recursive);
  }
  // What somebody says of the damage; empty where nobody does. What can be read must be right.
  std::string complaint() const {
    try {
      PointStore store(path, testing_resources(), {.background = false});
      const std::vector<std::string> found = store.verify();
      Contents now;
      try {
        now = contents_of(store);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::corrupted) << error.what();
        return error.what();
      }
      EXPECT_EQ(now, contents) << "lost in silence";
      return found.empty() ? "" : found.front();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupted) << error.what();
      return error.what();
    }
  }
};

TEST(Damage, OfOneBitOfTheTruthIsReportedWithTheFileOrHarmless) {
  const DamagedStore store;
  std::mt19937_64 random(4);
  std::map<std::string, std::pair<size_t, size_t>> reported;  // of so many
  for (const std::filesystem::path& file : store.truth_files()) {
    const std::string name = file.filename();
    const std::string bytes = base::read_file(file);
    const size_t step = std::max<size_t>(1, bytes.size() / 60);
    for (size_t at = random() % step; at < bytes.size() && !HasFailure(); at += step) {
      const int bit = static_cast<int>(random() % 8);
      SCOPED_TRACE(fmt::format("{}: bit {} of byte {} of {}", name, bit, at, bytes.size()));
      store.copy();
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 1 << bit);
      std::ofstream(store.path / "truth" / name, std::ios::binary) << damaged;
      const std::string complaint = store.complaint();
      const std::string kind = name.substr(0, name.find('-')).substr(name.find('.') == std::string::npos ? 0 : 6);
      ++reported[kind].second;
      if (complaint.empty()) continue;
      ++reported[kind].first;
      const std::string stem = name.starts_with("MANIFEST") ? "MANIFEST" : name;
      // CURRENT names a file, which is then the one that is missing.
      if (name != "CURRENT") {
        EXPECT_THAT(complaint, HasSubstr(stem));
      }
    }
  }
  for (const auto& [kind, counts] : reported) {
    std::printf("%s: %zu of %zu flipped bits reported, the others changed nothing\n", kind.c_str(), counts.first,
                counts.second);
    EXPECT_GT(counts.first * 10, counts.second * 7) << kind;
  }
}

TEST(Damage, ALogThatLostItsEndIsNoticed) {
  const DamagedStore store;
  size_t cuts = 0;
  for (const std::filesystem::path& file : store.truth_files()) {
    if (file.extension() != ".log") continue;
    const uint64_t size = std::filesystem::file_size(file);
    for (uint64_t left = 0; left < size; left += 1 + size / 40, ++cuts) {
      SCOPED_TRACE(fmt::format("{} of {} bytes left", left, size));
      store.copy();
      std::filesystem::resize_file(store.path / "truth" / file.filename(), left);
      EXPECT_THAT(store.complaint(), HasSubstr(fmt::format("write {} was on the disk", store.version)));
      // Who wants what there is takes the mark away.
      std::filesystem::remove(store.path / "acknowledged");
      PointStore opened(store.path, testing_resources(), {.background = false});
      EXPECT_LT(opened.info().version, store.version);
      EXPECT_EQ(opened.count(), contents_of(opened).size());
    }
  }
  EXPECT_GE(cuts, 30u);
}

TEST(Damage, OfASegmentIsFoundByVerifyAndNeverCrashesASearch) {
  const DamagedStore store;
  std::mt19937_64 random(5);
  const auto segment = std::filesystem::directory_iterator(store.good / "segments")->path().filename();
  for (const std::string name : {"rows", "vector_1"}) {
    const std::string bytes = base::read_file(store.good / "segments" / segment / name);
    for (int round = 0; round < 60 && !HasFailure(); ++round) {
      SCOPED_TRACE(fmt::format("{}, round {}", name, round));
      store.copy();
      std::string damaged = bytes;
      // Past the head, which is checked whenever it is opened.
      for (int i = 0; i < 200; ++i)
        damaged[damaged.size() - 1 - random() % (damaged.size() / 2)] = static_cast<char>(random());
      std::ofstream(store.path / "segments" / segment / name, std::ios::binary) << damaged;
      PointStore opened(store.path, testing_resources(), {.background = false});
      SearchRequest request;
      request.query.values = random_vector(random, 4);
      request.limit = 300;
      opened.search(request);
      opened.verify();
      EXPECT_EQ(opened.search(request).points.size(), store.contents.size());
      opened.flush();
      EXPECT_EQ(opened.search(request).points.size(), store.contents.size());
      EXPECT_EQ(opened.verify().size(), 0u);
    }
  }
}

TEST(Damage, AFileOfTheTruthThatIsGoneIsNamed) {
  const DamagedStore store;
  for (const std::filesystem::path& file : store.truth_files()) {
    const std::string name = file.filename();
    SCOPED_TRACE(name);
    store.copy();
    std::filesystem::remove(store.path / "truth" / name);
    try {
      PointStore opened(store.path, testing_resources(), {.background = false});
      EXPECT_EQ(contents_of(opened), store.contents);
      FAIL() << "nobody misses it";
    } catch (const Error& error) {
      const bool is_log = name.ends_with(".log");
      if (!is_log) {
        EXPECT_THAT(error.what(), HasSubstr(name.ends_with(".sst") ? name.substr(0, 6) : name));
      }
    }
  }
}

}  // namespace
}  // namespace sextant::store
