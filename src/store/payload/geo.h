// store/payload/geo.h: places on the globe and the areas that filters name, as Qdrant takes them.
//
// Degrees; lon from -180 to 180, lat from -90 to 90. What lies on an area's edge is not inside. A box whose left edge
// is east of its right one goes over the date line. A polygon lies flat on longitude and latitude and never goes over
// it; a point is inside where the ring winds around it, outside of every hole. Threads: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sextant::store {

struct GeoPoint {
  double lon = 0, lat = 0;

  bool operator==(const GeoPoint&) const = default;
};
bool is_valid(const GeoPoint& point);

// The distance in metres on a sphere of the Earth's mean radius, 6,371,008.8 m (haversines).
double geo_distance_m(const GeoPoint& a, const GeoPoint& b);

struct GeoBox {
  GeoPoint top_left, bottom_right;

  bool contains(const GeoPoint& point) const;
  bool operator==(const GeoBox&) const = default;
};

struct GeoCircle {
  GeoPoint centre;
  double radius_m = 0;

  bool contains(const GeoPoint& point) const;
  bool operator==(const GeoCircle&) const = default;
};

// Rings are closed: the first point again at the end, four at least.
using GeoRing = std::vector<GeoPoint>;

struct GeoPolygon {
  GeoRing exterior;
  std::vector<GeoRing> interiors;

  bool contains(const GeoPoint& point) const;
  bool operator==(const GeoPolygon&) const = default;
};

// An area that holds another for sure: closed, west <= east, south <= north.
struct GeoBounds {
  double west = -180, south = -90, east = 180, north = 90;

  bool contains(const GeoPoint& point) const;
};
// One rectangle, or two where the area goes over the date line.
std::vector<GeoBounds> bounds_of(const GeoBox& box);
std::vector<GeoBounds> bounds_of(const GeoCircle& circle);
std::vector<GeoBounds> bounds_of(const GeoPolygon& polygon);

// The point's cell among 2^32 by 2^32, bits of lon and lat in turn (Morton, 1966): near cells often have near codes.
uint64_t geo_code(const GeoPoint& point);
struct CodeRange {
  uint64_t first, last;
};
// Ranges of codes, ascending and apart, that hold every point within BOUNDS; COUNT at most, so that some may hold
// others, too. REQUIRES: count >= 1.
std::vector<CodeRange> geo_ranges(const GeoBounds& bounds, size_t count);

}  // namespace sextant::store
