#include "store/payload/geo.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/random.h"

namespace sextant::store {
namespace {

constexpr GeoPoint kBerlin = {13.404954, 52.520008}, kMoscow = {37.621380, 55.753628}, kFiji = {178.0, -18.0};

// Corners, edges and the rest of the globe.
GeoPoint any_point(base::Random& random) {
  constexpr double kLons[] = {-180, -90, 0, 90, 180}, kLats[] = {-90, -45, 0, 45, 90};
  return {random.below(4) == 0 ? kLons[random.below(5)] : random.uniform() * 360 - 180,
          random.below(4) == 0 ? kLats[random.below(5)] : random.uniform() * 180 - 90};
}

bool within(const std::vector<GeoBounds>& bounds, const GeoPoint& point) {
  for (const GeoBounds& one : bounds) {
    if (one.contains(point)) return true;
  }
  return false;
}

TEST(Geo, MeasuresDistancesOnTheSphere) {
  EXPECT_NEAR(geo_distance_m(kBerlin, kMoscow), 1'608'000, 5'000);
  EXPECT_NEAR(geo_distance_m({0, 0}, {180, 0}), 20'015'115, 1'000);
  EXPECT_EQ(geo_distance_m(kBerlin, kBerlin), 0);
  EXPECT_TRUE((GeoCircle{{13.423637, 52.511}, 2000}.contains(kBerlin)));
  EXPECT_FALSE((GeoCircle{{20.423637, 52.511}, 2000}.contains(kBerlin)));
}

TEST(Geo, BoxesGoOverTheDateLine) {
  const GeoBox around{{170, 0}, {-170, -30}};
  EXPECT_TRUE(around.contains(kFiji));
  EXPECT_FALSE(around.contains({0, -10}));
  EXPECT_FALSE(around.contains({170, -10}));  // on its edge
  EXPECT_FALSE((GeoBox{{-170, 0}, {170, -30}}.contains(kFiji)));
}

TEST(Geo, PolygonsHaveHolesAndNoEdges) {
  const GeoPolygon polygon{{{0, 0}, {10, 0}, {10, 10}, {0, 10}, {0, 0}}, {{{4, 4}, {6, 4}, {6, 6}, {4, 6}, {4, 4}}}};
  EXPECT_TRUE(polygon.contains({1, 1}));
  EXPECT_FALSE(polygon.contains({5, 5}));
  EXPECT_FALSE(polygon.contains({0, 5}));
  EXPECT_FALSE(polygon.contains({4, 5}));
  EXPECT_FALSE(polygon.contains({11, 5}));
}

TEST(Geo, BoundsHoldTheirAreas) {
  base::Random random(3);
  size_t inside = 0;
  for (int i = 0; i < 20'000; ++i) {
    const GeoPoint point = any_point(random), other = any_point(random);
    const GeoCircle circle{other, std::exp(random.uniform() * 17)};
    if (circle.contains(point)) {
      ++inside;
      ASSERT_TRUE(within(bounds_of(circle), point))
          << other.lon << ' ' << other.lat << ' ' << circle.radius_m << ' ' << point.lon << ' ' << point.lat;
    }
    const GeoBox box{other, any_point(random)};
    if (box.contains(point)) {
      ++inside;
      ASSERT_TRUE(within(bounds_of(box), point));
    }
    // Near the centre, where circles are small.
    const GeoPoint near{std::clamp(other.lon + random.normal() * 1e-4, -180.0, 180.0),
                        std::clamp(other.lat + random.normal() * 1e-4, -90.0, 90.0)};
    if (circle.contains(near)) {
      ASSERT_TRUE(within(bounds_of(circle), near));
    }
  }
  EXPECT_GT(inside, 2000u);
}

TEST(Geo, RangesOfCodesHoldEveryPointWithinBounds) {
  base::Random random(4);
  for (int i = 0; i < 2'000; ++i) {
    GeoPoint a = any_point(random), b = any_point(random);
    if (random.below(2) == 0) b = {std::min(180.0, a.lon + random.uniform() * 0.01), std::min(90.0, a.lat + 0.01)};
    const GeoBounds bounds{std::min(a.lon, b.lon), std::min(a.lat, b.lat), std::max(a.lon, b.lon),
                           std::max(a.lat, b.lat)};
    const size_t most = 1 + random.below(64);
    const std::vector<CodeRange> ranges = geo_ranges(bounds, most);
    ASSERT_LE(ranges.size(), most);
    for (size_t r = 1; r < ranges.size(); ++r) ASSERT_GT(ranges[r].first, ranges[r - 1].last);
    for (int j = 0; j < 20; ++j) {
      const GeoPoint point{bounds.west + random.uniform() * (bounds.east - bounds.west),
                           bounds.south + random.uniform() * (bounds.north - bounds.south)};
      const uint64_t code = geo_code(point);
      bool found = false;
      for (const CodeRange& range : ranges) found |= code >= range.first && code <= range.last;
      ASSERT_TRUE(found) << i;
    }
  }
  // They are no mere rectangle of everything.
  const std::vector<CodeRange> small = geo_ranges({13, 52, 13.1, 52.1}, 32);
  const uint64_t far = geo_code(kMoscow);
  for (const CodeRange& range : small) EXPECT_FALSE(far >= range.first && far <= range.last);
}

}  // namespace
}  // namespace sextant::store
