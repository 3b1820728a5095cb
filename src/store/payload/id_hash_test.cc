#include "store/payload/id_hash.h"

#include <gmock/gmock.h>

#include <array>

#include "store/payload/filter.h"

namespace sextant::store {
namespace {

TEST(IdHashes, AreThoseOfSipHashsPaper) {
  std::array<uint8_t, 15> bytes{};
  for (uint8_t i = 0; i < 15; ++i) bytes[i] = i;
  EXPECT_EQ(siphash24(0x0706050403020100u, 0x0f0e0d0c0b0a0908u, bytes), 0xa129ca6149be45e5u);
}

TEST(IdSlices, AreDisjointAndTogetherEverything) {
  for (uint64_t number = 0; number < 1000; ++number) {
    for (const PointId& id : {PointId::of(number), PointId::of_uuid({static_cast<uint8_t>(number), 1, 2})}) {
      int found = 0;
      for (uint32_t index = 0; index < 5; ++index) found += IdSlice{index, 5}.contains(id) ? 1 : 0;
      ASSERT_EQ(found, 1);
      // A smaller sample lies within a larger one.
      if (IdSlice{1, 4}.contains(id)) {
        ASSERT_TRUE((IdSlice{1, 2}.contains(id)));
      }
    }
  }
}

}  // namespace
}  // namespace sextant::store
