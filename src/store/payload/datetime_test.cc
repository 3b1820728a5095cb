#include "store/payload/datetime.h"

#include <gmock/gmock.h>

#include "base/random.h"

namespace sextant::store {
namespace {

TEST(Datetimes, AreReadInEveryFormThatQdrantTakes) {
  const int64_t noon = 1'709'208'000'000'000;  // 2024-02-29T12:00:00Z
  for (const char* text :
       {"2024-02-29T12:00:00Z", "2024-02-29t12:00:00z", "2024-02-29 12:00:00Z", "2024-02-29T13:00:00+01:00",
        "2024-02-29T13:00:00+0100", "2024-02-29T13:00:00+01", "2024-02-29T06:30:00-05:30", "2024-02-29T12:00:00",
        "2024-02-29 12:00:00", "2024-02-29 12:00", "2024-02-29 12:00:00 UTC", "2024-02-29 12:00:00 +00:00",
        "2024-02-29T12:00:00.000", "2024-02-29T12:00:00.0000000009Z", "2024-02-29T11:59:60Z"}) {
    EXPECT_EQ(read_datetime(text), noon) << text;
  }
  EXPECT_EQ(read_datetime("2024-02-29"), noon - int64_t{12} * 3600 * 1'000'000);
  EXPECT_EQ(read_datetime("1970-01-01T00:00:00.123456789Z"), 123'456);
  EXPECT_EQ(read_datetime("1969-12-31T23:59:59.999999Z"), -1);
}

TEST(Datetimes, RefuseWhatIsNone) {
  for (const char* text : {"", "2024", "2024-02-30", "2023-02-29", "2024-13-01", "2024-00-01", "2024-1-1",
                           "2024-02-29T", "2024-02-29T12", "2024-02-29T12:00", "2024-02-29T24:00:00Z",
                           "2024-02-29T12:00:00.Z", "2024-02-29T12:00:00 Zx", "2024-02-29T12:00:00+1:00",
                           "2024-02-29T12:00:00+01:0", "2024-02-29x12:00:00", " 2024-02-29", "2024-02-29 ", "red"}) {
    EXPECT_FALSE(read_datetime(text)) << text;
  }
}

TEST(Datetimes, AreReadBackAsTheyAreWritten) {
  EXPECT_EQ(datetime_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(datetime_text(-1), "1969-12-31T23:59:59.999999Z");
  const int64_t first = read_datetime("0000-01-01").value(),
                last = read_datetime("9999-12-31T23:59:59.999999Z").value();
  EXPECT_FALSE(is_writable_datetime(first - 1));
  EXPECT_FALSE(is_writable_datetime(last + 1));
  base::Random random(7);
  for (int i = 0; i < 10'000; ++i) {
    const int64_t moment = first + static_cast<int64_t>(random.below(static_cast<uint64_t>(last - first + 1)));
    ASSERT_TRUE(is_writable_datetime(moment));
    ASSERT_EQ(read_datetime(datetime_text(moment)), moment) << datetime_text(moment);
  }
}

}  // namespace
}  // namespace sextant::store
