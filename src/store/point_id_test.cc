#include "store/point_id.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <vector>

#include "sextant/error.h"

namespace sextant::store {
namespace {

TEST(PointIds, ReadsEveryFormThatClientsWrite) {
  const PointId uuid = PointId::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_TRUE(uuid.is_uuid());
  EXPECT_EQ(PointId::parse("6BA7B8109DAD11D180B400C04FD430C8"), uuid);
  EXPECT_EQ(PointId::parse("urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"), uuid);
  EXPECT_EQ(PointId::parse("{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"), uuid);
  EXPECT_EQ(uuid.text(), "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_EQ(uuid.json(), "\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"");
  EXPECT_EQ(PointId::parse("18446744073709551615"), PointId::of(UINT64_MAX));
  EXPECT_EQ(PointId::of(42).json(), "42");
}

TEST(PointIds, RefusesWhatIsNeitherNumberNorUuid) {
  for (const char* text : {"", "-1", "18446744073709551616", "1.0", " 1", "6ba7b810-9dad-11d1-80b4-00c04fd430c",
                           "6ba7b8109-dad-11d1-80b4-00c04fd430c8", "zba7b8109dad11d180b400c04fd430c8"}) {
    EXPECT_FALSE(PointId::read(text)) << text;
    EXPECT_THROW(PointId::parse(text), Error) << text;
  }
}

TEST(PointIds, SortAsTheirKeysDo) {
  std::vector<PointId> ids = {PointId::of(0),
                              PointId::of(1),
                              PointId::of(256),
                              PointId::of(UINT64_MAX),
                              PointId::parse("00000000-0000-0000-0000-000000000000"),
                              PointId::parse("00000000-0000-0000-8000-000000000000"),
                              PointId::parse("ffffffff-ffff-ffff-ffff-ffffffffffff")};
  ASSERT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(PointId::of_key(ids[i].key()), ids[i]);
    if (i > 0) {
      EXPECT_LT(ids[i - 1].key(), ids[i].key());
    }
  }
  EXPECT_FALSE(PointId::of_key("short"));
  EXPECT_FALSE(PointId::of_key(ids[0].key() + "x"));
}

}  // namespace
}  // namespace sextant::store
