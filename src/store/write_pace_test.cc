#include "store/write_pace.h"

#include <gtest/gtest.h>

namespace sextant::store {
namespace {

using std::chrono::milliseconds;

TEST(WritePaces, FollowASteadyStream) {
  WritePace pace;
  WritePace::Clock::time_point now{};
  EXPECT_EQ(pace.rows_per_second(now), 0);
  for (int i = 0; i < 300; ++i) pace.add(50, now += milliseconds(10));
  EXPECT_NEAR(pace.rows_per_second(now), 5000, 200);
  for (int i = 0; i < 300; ++i) pace.add(10, now += milliseconds(10));
  EXPECT_NEAR(pace.rows_per_second(now), 1000, 40);
}

TEST(WritePaces, ForgetABurstWithinSeconds) {
  WritePace pace;
  const WritePace::Clock::time_point now{};
  pace.add(1'000'000, now);
  EXPECT_EQ(pace.rows_per_second(now), 4'000'000);
  EXPECT_LT(pace.rows_per_second(now + std::chrono::seconds(4)), 1);
}

}  // namespace
}  // namespace sextant::store
