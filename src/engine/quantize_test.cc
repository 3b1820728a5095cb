#include "engine/quantize.h"

#include <gtest/gtest.h>

#include <limits>

#include "sextant/error.h"

namespace sextant::engine {
namespace {

std::vector<int> codes(Precision precision, std::vector<float> rows, size_t dim, const Ranges* ranges) {
  std::vector<uint8_t> out(rows.size() / dim * row_bytes(precision, dim));
  quantize(precision, rows, dim, ranges, out);
  std::vector<int> values;
  bool is_signed = precision == Precision::int8 || precision == Precision::binary;
  for (uint8_t code : out) values.push_back(is_signed ? static_cast<int8_t>(code) : code);
  return values;
}

// Worked out by hand from the formula in quantize.h.
TEST(Quantize, EightBitCodesAreLevelsOfEachDimensionsRange) {
  Ranges ranges(2);
  ranges.add(std::vector<float>{0, -255, 255, 255});
  EXPECT_EQ(codes(Precision::uint8, {0, -255, 255, 255, 127.5f, 0}, 2, &ranges),
            (std::vector<int>{0, 0, 255, 255, 127, 127}));
  EXPECT_EQ(codes(Precision::int8, {0, -255, 255, 255, 127.5f, 0}, 2, &ranges),
            (std::vector<int>{-128, -128, 127, 127, -1, -1}));
}

TEST(Quantize, DividesInSinglePrecisionAsNumpyDoes) {
  // 2 / 255 rounds up in f32, so the largest value of the range [-1, 1] lands just below level 255.
  Ranges ranges(1);
  ranges.add(std::vector<float>{-1, 1});
  EXPECT_EQ(codes(Precision::uint8, {1}, 1, &ranges), (std::vector<int>{254}));
}

TEST(Quantize, ValuesOutsideTheRangeAreHeldAtItsEnds) {
  Ranges ranges(1);
  ranges.add(std::vector<float>{0, 255});
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(codes(Precision::uint8, {-5, 300, inf, -inf, nan}, 1, &ranges), (std::vector<int>{0, 255, 255, 0, 0}));
  Ranges flat(1);
  flat.add(std::vector<float>{3, 3});
  EXPECT_EQ(codes(Precision::int8, {3, 9}, 1, &flat), (std::vector<int>{-128, -128}));
}

TEST(Quantize, BinaryPacksSignsHighestBitFirst) {
  std::vector<float> row = {1, -1, 0, 0.5f, -2, 3, 3, -1, 1e-9f, -0.0f};
  EXPECT_EQ(codes(Precision::ubinary, row, 10, nullptr), (std::vector<int>{0b10010110, 0b10000000}));
  EXPECT_EQ(codes(Precision::binary, row, 10, nullptr), (std::vector<int>{0b10010110 - 128, 0}));
}

TEST(Quantize, RangesLeaveNanOutAndKnowWhenTheySawNothing) {
  Ranges ranges(2);
  EXPECT_FALSE(ranges.any());
  ranges.add(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN(), -1, 2});
  EXPECT_TRUE(ranges.any());
  EXPECT_EQ(ranges.min, (std::vector<float>{-1, 2}));
  EXPECT_EQ(ranges.max, (std::vector<float>{1, 2}));
}

TEST(Quantize, NamesRoundTripAndOthersAreRefused) {
  for (Precision precision :
       {Precision::float32, Precision::int8, Precision::uint8, Precision::binary, Precision::ubinary}) {
    EXPECT_EQ(parse_precision(name(precision)), precision);
  }
  EXPECT_THROW(parse_precision("int4"), Error);
  EXPECT_EQ(row_bytes(Precision::binary, 9), 2u);
}

}  // namespace
}  // namespace sextant::engine
