#include "base/growing_array.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "sextant/error.h"

namespace sextant::base {
namespace {

TEST(GrowingArray, reserves_far_more_than_there_is_memory_and_reads_as_zeros) {
  GrowingArray<uint64_t> array(size_t{1} << 36);  // half a terabyte
  uint64_t* const begin = array.data();
  EXPECT_EQ(array[12345678901], 0u);
  array[0] = 1;
  array[12345678901] = 2;
  EXPECT_EQ(array.data(), begin);
  EXPECT_EQ(array[0] + array[12345678901], 3u);
}

TEST(GrowingArray, moves_without_moving_what_it_holds) {
  GrowingArray<int> first(1000);
  first[999] = 7;
  int* const begin = first.data();
  GrowingArray<int> second(std::move(first));
  EXPECT_EQ(second.data(), begin);
  EXPECT_EQ(second[999], 7);
  EXPECT_EQ(first.data(), nullptr);
  GrowingArray<int> none(0);
  EXPECT_EQ(none.data(), nullptr);
  none = std::move(second);
  EXPECT_EQ(none[999], 7);
}

TEST(GrowingArray, says_how_much_cannot_be_reserved) {
  try {
    GrowingArray<char> array(size_t{1} << 62);
    FAIL() << "nobody has so many addresses";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_EQ(std::string(error.what()).rfind("4611686018427387904 bytes of address space", 0), 0u) << error.what();
  }
}

}  // namespace
}  // namespace sextant::base
