#include "io/npy.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>

#include "base/files.h"
#include "base/random.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

class Npy : public testing::Test {
 protected:
  std::string file(const char* name) const { return (folder.path() / name).string(); }

  std::string put(const std::string& bytes) {
    std::ofstream(file("a.npy"), std::ios::binary) << bytes;
    return file("a.npy");
  }

  // A version 1 file with this header text and so many data bytes.
  std::string with_header(const std::string& dict, size_t data_bytes) {
    std::string out = std::string("\x93NUMPY\x01\x00", 8);
    out += static_cast<char>(dict.size() & 0xFF);
    out += static_cast<char>(dict.size() >> 8);
    return put(out + dict + std::string(data_bytes, '\0'));
  }

  ErrorCode code_of(const std::string& path) {
    try {
      NpyFile npy(path);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("a.npy"), std::string::npos) << error.what();
      return error.code();
    }
    return ErrorCode::internal;  // stands for "was accepted"
  }

  base::TemporaryFolder folder;
};

TEST_F(Npy, ReadsBackWhatItWrote) {
  NpyWriter writer(file("x.npy"), NpyType::float32, 3);
  std::vector<float> rows = {1, 2, 3, 4, 5, 6};
  writer.append(std::span<const float>(rows));
  writer.append(std::span<const float>(rows).first(3));
  writer.finish();
  NpyFile npy(file("x.npy"));
  EXPECT_EQ(npy.rows(), 3u);
  EXPECT_EQ(npy.cols(), 3u);
  EXPECT_EQ(npy.dimensions(), 2u);
  EXPECT_EQ(npy.type(), NpyType::float32);
  EXPECT_EQ(npy.floats(), (std::vector<float>{1, 2, 3, 4, 5, 6, 1, 2, 3}));
  std::vector<float> second(3);
  npy.read_floats(1, second);
  EXPECT_EQ(second, (std::vector<float>{4, 5, 6}));
}

TEST_F(Npy, WritesTheBytesThatNumpyDoes) {
  NpyWriter writer(file("x.npy"), NpyType::int8, 2);
  std::vector<int8_t> rows = {-1, 2};
  writer.append(std::span<const int8_t>(rows));
  writer.finish();
  std::string expected =
      std::string("\x93NUMPY\x01\x00\x76\x00", 10) + "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2), }";
  expected.resize(127, ' ');
  EXPECT_EQ(base::read_file(file("x.npy")), expected + "\n\xFF\x02");
}

TEST_F(Npy, OneDimensionAndNoRowsAreFine) {
  NpyWriter line(file("l.npy"), NpyType::int64, 0);
  std::vector<int64_t> values = {7, -8};
  line.append(std::span<const int64_t>(values));
  line.finish();
  NpyFile npy(file("l.npy"));
  EXPECT_EQ(npy.dimensions(), 1u);
  EXPECT_EQ(npy.rows(), 2u);
  EXPECT_EQ(npy.floats(), (std::vector<float>{7, -8}));
  NpyWriter none(file("n.npy"), NpyType::float32, 4);
  none.finish();
  EXPECT_EQ(NpyFile(file("n.npy")).rows(), 0u);
  EXPECT_EQ(NpyFile(file("n.npy")).cols(), 4u);
}

TEST_F(Npy, AcceptsVersions2And3AndPythons2Longs) {
  std::string dict = "{\"shape\": (2L, 1L), 'fortran_order': False, 'descr': '<f2'}";
  for (char version : {'\x02', '\x03'}) {
    std::string bytes = std::string("\x93NUMPY") + version + '\0' + static_cast<char>(dict.size()) +
                        std::string(3, '\0') + dict + std::string("\x00\x3C\x00\xC0", 4);
    EXPECT_EQ(NpyFile(put(bytes)).floats(), (std::vector<float>{1, -2}));
  }
}

TEST_F(Npy, RefusesHostileHeaders) {
  EXPECT_EQ(code_of(put("")), ErrorCode::corrupted);
  EXPECT_EQ(code_of(put("PK\x03\x04 a zip, not an array")), ErrorCode::corrupted);
  EXPECT_EQ(code_of(put(std::string("\x93NUMPY\x07\x00\x02\x00{}", 12))), ErrorCode::unsupported);
  EXPECT_EQ(code_of(put(std::string("\x93NUMPY\x01\x00\xFF\xFF{}", 12))), ErrorCode::corrupted);
  EXPECT_EQ(code_of(put(std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF{}", 14))), ErrorCode::corrupted);
  const char* corrupted[] = {
      "",
      "{}",
      "{'descr': '<f4', 'fortran_order': False}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",   // times 4 bytes overflows to 0
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 1), }",  // above 2^64
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000), }",
      "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (0, 1), }",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (0, 1), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1), 'more': 1}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1), } trailing",
      "{'descr': '<f4",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
  };
  for (const char* dict : corrupted) EXPECT_EQ(code_of(with_header(dict, 0)), ErrorCode::corrupted) << dict;
  const char* unsupported[] = {
      "{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1), }",
      "{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }",
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
  };
  for (const char* dict : unsupported) EXPECT_EQ(code_of(with_header(dict, 4)), ErrorCode::unsupported) << dict;
  EXPECT_EQ(code_of(with_header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", 16)),
            ErrorCode::unsupported);
  EXPECT_EQ(code_of(with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 17)),
            ErrorCode::corrupted);
}

TEST_F(Npy, CutOrFlippedAnywhereIsNeverACrash) {
  NpyWriter writer(file("x.npy"), NpyType::float32, 2);
  std::vector<float> rows = {1, 2, 3, 4};
  writer.append(std::span<const float>(rows));
  writer.finish();
  std::string whole = base::read_file(file("x.npy"));
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_NE(code_of(put(whole.substr(0, length))), ErrorCode::internal) << length;
  }
  for (size_t bit = 0; bit < 128 * 8; bit += 7) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    code_of(put(flipped));
  }
}

TEST_F(Npy, UnfinishedWritersLeaveNothing) {
  { NpyWriter writer(file("x.npy"), NpyType::float32, 2); }
  EXPECT_FALSE(std::filesystem::exists(file("x.npy")));
  EXPECT_THROW(NpyWriter("-", NpyType::float32, 2), Error);
}

TEST(Half, EveryPatternSurvivesTheWayToFloatAndBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    auto half = static_cast<uint16_t>(bits);
    float value = half_to_float(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value))));
    } else {
      ASSERT_EQ(float_to_half(value), half) << bits;
    }
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(half_to_float(0x3C01), 1.0009765625f);
  base::Random random(1);
  for (int i = 0; i < 200000; ++i) {
    float value = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
    if (std::isnan(value) || std::abs(value) >= 65520) continue;
    uint16_t half = float_to_half(value);
    double error = std::abs(static_cast<double>(half_to_float(half)) - value);
    for (int step : {-1, 1}) {
      auto neighbour = static_cast<uint16_t>(half + step);
      double other = std::abs(static_cast<double>(half_to_float(neighbour)) - value);
      if (std::isnan(other)) continue;
      ASSERT_LE(error, other) << value;
      if (error == other) {
        ASSERT_EQ(half & 1, 0) << value;
      }
    }
  }
  EXPECT_EQ(float_to_half(65520.0f), 0x7C00);
  EXPECT_EQ(float_to_half(65519.996f), 0x7BFF);
  EXPECT_EQ(float_to_half(-1e-10f), 0x8000);
}

}  // namespace
}  // namespace sextant::io
