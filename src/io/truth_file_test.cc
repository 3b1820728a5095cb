#include "io/truth_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "io/testing_zstd.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

std::string u32s(const std::vector<uint32_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * 4};
}

class Truth : public testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& bytes) {
    const std::string path = (folder.path() / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  void expect_error(const std::string& bytes, ErrorCode code, const std::string& part) {
    for (bool compressed : {false, true}) {
      const std::string path = put(compressed ? "t.zst" : "t", compressed ? zstd(bytes) : bytes);
      try {
        TruthFile::open(path);
        ADD_FAILURE() << "accepted: " << part;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        EXPECT_EQ(std::string(error.what()).rfind(path + ": ", 0), 0u) << error.what();
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      }
    }
  }

  base::TemporaryFolder folder;
};

std::vector<uint32_t> list(std::span<const uint32_t> ids) { return {ids.begin(), ids.end()}; }

TEST_F(Truth, ReadsBackWhatItWrotePlainAndCompressed) {
  const std::vector<uint32_t> ids = {5, 3, 1, 9, 8, TruthFile::kNoId};
  const std::string path = (folder.path() / "t").string();
  write_truth_file(path, 3, ids);
  EXPECT_EQ(base::read_file(path), u32s({2, 3}) + u32s(ids));
  for (const TruthFile& truth : {TruthFile::open(path), TruthFile::open(put("t.zst", zstd(base::read_file(path))))}) {
    EXPECT_EQ(truth.queries(), 2u);
    EXPECT_EQ(truth.k(), 3u);
    EXPECT_EQ(list(truth.ids(0)), (std::vector<uint32_t>{5, 3, 1}));
    EXPECT_EQ(list(truth.ids(1)), (std::vector<uint32_t>{9, 8, 0xFFFFFFFF}));
  }
}

TEST_F(Truth, NoQueriesAreFine) {
  write_truth_file(folder.path() / "t", 10, {});
  const TruthFile truth = TruthFile::open(folder.path() / "t");
  EXPECT_EQ(truth.queries(), 0u);
  EXPECT_EQ(truth.k(), 10u);
}

TEST_F(Truth, RefusesFilesThatAreNotWhatTheirHeaderSays) {
  expect_error("", ErrorCode::corrupted, "has 0 bytes, expected a header of 8");
  expect_error("1234567", ErrorCode::corrupted, "has 7 bytes");
  expect_error(u32s({0, 0}), ErrorCode::corrupted, "0 ids a query");
  expect_error(u32s({2, 2, 1, 2, 3}), ErrorCode::corrupted, "2 queries x 2 ids of 4 bytes, but 12 bytes follow");
  expect_error(u32s({2, 2, 1, 2, 3}) + "123", ErrorCode::corrupted, "but 15 bytes follow");
  expect_error(u32s({1, 1, 1}) + "1", ErrorCode::corrupted, "1 queries x 1 ids of 4 bytes, but");
  expect_error(u32s({0xFFFF, 0xFFF, 1}), ErrorCode::corrupted, "but 4 bytes follow");
}

TEST_F(Truth, HeadersThatPromiseTooMuchCostNothing) {
  const std::string bytes = u32s({0xFFFFFFFF, 0xFFFFFFFF, 1});
  EXPECT_THROW(TruthFile::open(put("t", bytes)), Error);
  try {
    TruthFile::open(put("t.zst", zstd(bytes)));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
  }
}

TEST_F(Truth, DamagedCompressionIsAnError) {
  std::vector<uint32_t> ids(5000);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<uint32_t>(i * 2654435761u);
  const std::string whole = zstd(u32s({500, 10}) + u32s(ids));
  EXPECT_EQ(list(TruthFile::open(put("t.zst", whole)).ids(499)), std::vector<uint32_t>(ids.end() - 10, ids.end()));
  EXPECT_THROW(TruthFile::open(put("t.zst", whole.substr(0, whole.size() - 9))), Error);
  EXPECT_THROW(TruthFile::open(put("t.zst", u32s({1, 1, 1}))), Error);
  EXPECT_THROW(TruthFile::open(folder.path() / "none"), Error);
}

TEST_F(Truth, ListsOfUnequalLengthAreNotWritten) {
  const std::vector<uint32_t> ids = {1, 2, 3};
  EXPECT_THROW(write_truth_file(folder.path() / "t", 2, ids), Error);
  EXPECT_THROW(write_truth_file(folder.path() / "t", 0, ids), Error);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "t"));
}

}  // namespace
}  // namespace sextant::io
