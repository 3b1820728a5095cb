#include "store/truth.h"

#include <gmock/gmock.h>

#include <random>

#include "sextant/error.h"
#include "store/high_mark.h"
#include "store/segment.h"
#include "store/testing_points.h"

namespace sextant::store {
namespace {

using ::testing::HasSubstr;

// Random bytes, and BYTES with some of them changed, cut off or doubled.
std::string hostile(const std::string& bytes, std::mt19937_64& random) {
  std::string out = bytes;
  for (uint64_t times = random() % 5; times > 0 && !out.empty(); --times) {
    const size_t at = random() % out.size();
    switch (random() % 4) {
      case 0:
        out[at] = static_cast<char>(random());
        break;
      case 1:
        out[at] = static_cast<char>(out[at] ^ 1 << random() % 8);
        break;
      case 2:
        out.resize(at);
        break;
      default:
        out.insert(at, out.substr(at, random() % 20));
    }
  }
  if (random() % 10 == 0) {
    for (char& c : out) c = static_cast<char>(random());
  }
  return out;
}

TEST(Truth, RecordsAreReadAsTheyWereWritten) {
  for (const size_t slots : {0, 1, 5, 300}) {
    PointRecord record{.row = 7, .version = UINT64_MAX, .expires_ms = 1234567890123, .payload = R"({"a": 1})"};
    for (size_t i = 0; i < slots; ++i) record.slots.push_back(static_cast<uint16_t>(3 * i + 1));
    const auto read = read_record(write_record(record));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->row, record.row);
    EXPECT_EQ(read->version, record.version);
    EXPECT_EQ(read->expires_ms, record.expires_ms);
    EXPECT_EQ(read->slots, record.slots);
    EXPECT_EQ(read->payload, record.payload);
  }
}

TEST(Truth, RecordsThatAreCutOffAreNone) {
  const std::string bytes = write_record({.row = 1, .version = 2, .slots = {1, 2, 3}});
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(read_record(bytes.substr(0, size))) << size;
  EXPECT_TRUE(read_record(bytes));
}

TEST(Truth, ListsOfSegmentsAndConfigurationsAreReadAsTheyWereWritten) {
  const std::vector<SegmentInfo> segments = {
      {1, 0, 10, 9, 4}, {7, 10, 10, 0, 5, SegmentKind::hasty}, {3, 10, 1000, 900, 6, SegmentKind::flat}};
  EXPECT_EQ(read_segments(write_segments(segments), ""), segments);
  // As the first version wrote them.
  const std::vector<SegmentInfo> first = read_segments("[[1,0,10,9,4,false],[2,10,20,9,4,true]]", "");
  EXPECT_EQ(first[0].kind, SegmentKind::complete);
  EXPECT_EQ(first[1].kind, SegmentKind::flat);
  StoreConfig config = testing_config(5);
  config.ttl_seconds = 60;
  config.metadata = R"({"model":"x"})";
  config.vectors.push_back({.name = "words", .slot = 2, .kind = VectorKind::sparse, .metric = Metric::dot});
  const StoreConfig read = read_config(write_config(config), "");
  EXPECT_EQ(read.vectors, config.vectors);
  EXPECT_EQ(read.ttl_seconds, 60u);
  EXPECT_EQ(read.metadata, config.metadata);
  EXPECT_EQ(read.durability, config.durability);
}

TEST(Truth, HostileBytesAreReadOrRefusedAndNeverMore) {
  const uint64_t seed = 20261122;
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const std::string record = write_record({.row = 1, .version = 2, .slots = {1, 2, 3}, .payload = R"({"a":1})"});
  const std::string segments = write_segments({{1, 0, 10, 9, 4}, {2, 10, 30, 20, 5}});
  const std::string config = write_config(testing_config(5));
  size_t good = 0, bad = 0;
  auto expect_error = [&](const auto& read) {
    try {
      read();
      ++good;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupted) << error.what();
      EXPECT_THAT(error.what(), HasSubstr("here"));
      ++bad;
    }
  };
  for (int round = 0; round < 20000; ++round) {
    read_record(hostile(record, random));
    PointId::of_key(hostile(PointId::of(5).key(), random));
    expect_error([&] { read_segments(hostile(segments, random), "here"); });
    expect_error([&] { read_config(hostile(config, random), "here"); });
  }
  EXPECT_GT(good, 1000u);
  EXPECT_GT(bad, 1000u);
}

TEST(LogWatch, MissesAChangeInTheMiddle) {
  auto batch = [](uint64_t number, uint32_t count) {
    rocksdb::WriteBatch writes;
    for (uint32_t i = 0; i < count; ++i) writes.Put("k", "v");
    std::string bytes = writes.Data();
    std::memcpy(bytes.data(), &number, sizeof(number));
    return rocksdb::WriteBatch(bytes);
  };
  using Option = rocksdb::WalFilter::WalProcessingOption;
  LogWatch watch;
  EXPECT_EQ(watch.LogRecordFound(1, "1.log", batch(10, 3), nullptr, nullptr), Option::kContinueProcessing);
  EXPECT_EQ(watch.LogRecordFound(1, "1.log", batch(13, 1), nullptr, nullptr), Option::kContinueProcessing);
  EXPECT_EQ(watch.LogRecordFound(2, "2.log", batch(15, 1), nullptr, nullptr), Option::kCorruptedRecord);
}

TEST(HighMark, IsAsItWasRaisedAndNothingWhereItIsDamaged) {
  const base::TemporaryFolder folder;
  const auto path = folder.path() / "mark";
  {
    HighMark mark(path);
    EXPECT_EQ(mark.version(), 0u);
    mark.raise(7);
    mark.raise(500);
    mark.raise(3);
    EXPECT_EQ(mark.version(), 500u);
  }
  EXPECT_EQ(HighMark(path).version(), 500u);
  std::string bytes = base::read_file(path);
  bytes[7] = static_cast<char>(bytes[7] ^ 1);
  base::write_file_atomically(path, bytes);
  EXPECT_EQ(HighMark(path).version(), 0u);
  base::write_file_atomically(path, std::string(1000, 'x'));
  EXPECT_EQ(HighMark(path).version(), 0u);
}

TEST(Truth, IsNotMadeWhereSomethingIs) {
  const base::TemporaryFolder folder;
  EXPECT_THROW(Truth::create(folder.path(), testing_config(2), testing_resources()), Error);
  EXPECT_THROW(Truth(folder.path(), testing_resources()), Error);
}

TEST(Truth, IsOpenedOnceAtATime) {
  const TestingStore store(testing_config(2));
  try {
    PointStore second(store.path(), testing_resources(), {});
    FAIL() << "two have it open";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
  }
}

}  // namespace
}  // namespace sextant::store
