#include "store/payload/geo.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sextant::store {
namespace {

constexpr double kEarthRadius_m = 6'371'008.8;
constexpr double kRadians = std::numbers::pi / 180;

enum class Side : uint8_t { inside, edge, outside };

// The winding number of RING around POINT (Sunday, 2001), with a look at the edges first.
Side side_of(const GeoRing& ring, const GeoPoint& point) {
  int winding = 0;
  for (size_t i = 0; i + 1 < ring.size(); ++i) {
    const GeoPoint &a = ring[i], &b = ring[i + 1];
    const double left = (b.lon - a.lon) * (point.lat - a.lat) - (point.lon - a.lon) * (b.lat - a.lat);
    if (left == 0 && point.lon >= std::min(a.lon, b.lon) && point.lon <= std::max(a.lon, b.lon) &&
        point.lat >= std::min(a.lat, b.lat) && point.lat <= std::max(a.lat, b.lat)) {
      return Side::edge;
    }
    if (a.lat <= point.lat && b.lat > point.lat && left > 0) ++winding;
    if (a.lat > point.lat && b.lat <= point.lat && left < 0) --winding;
  }
  return winding != 0 ? Side::inside : Side::outside;
}

// 0 to 2^32 - 1.
uint32_t cell_of(double value, double extent) {
  const double cell = (value + extent) / (2 * extent) * 0x1p32;
  if (!(cell > 0)) return 0;
  return cell >= 0x1p32 ? UINT32_MAX : static_cast<uint32_t>(cell);
}

uint64_t spread(uint32_t bits) {
  uint64_t x = bits;
  x = (x | x << 16) & 0x0000'FFFF'0000'FFFFu;
  x = (x | x << 8) & 0x00FF'00FF'00FF'00FFu;
  x = (x | x << 4) & 0x0F0F'0F0F'0F0F'0F0Fu;
  x = (x | x << 2) & 0x3333'3333'3333'3333u;
  return (x | x << 1) & 0x5555'5555'5555'5555u;
}

// A square of the quad tree: LEVEL halvings down, with its lowest cells.
struct Square {
  uint32_t lon, lat;
  int level;

  uint32_t side() const { return level == 0 ? UINT32_MAX : (uint32_t{1} << (32 - level)) - 1; }
  CodeRange codes() const {
    const uint64_t first = spread(lon) << 1 | spread(lat);
    return {first, level == 0 ? UINT64_MAX : first + ((uint64_t{1} << (64 - 2 * level)) - 1)};
  }
};

}  // namespace

bool is_valid(const GeoPoint& point) {
  return point.lon >= -180 && point.lon <= 180 && point.lat >= -90 && point.lat <= 90;
}

double geo_distance_m(const GeoPoint& a, const GeoPoint& b) {
  const double lat_a = a.lat * kRadians, lat_b = b.lat * kRadians;
  const double lat = std::sin((lat_b - lat_a) / 2), lon = std::sin((b.lon - a.lon) * kRadians / 2);
  const double h = lat * lat + std::cos(lat_a) * std::cos(lat_b) * lon * lon;
  return 2 * kEarthRadius_m * std::asin(std::sqrt(std::min(1.0, h)));
}

bool GeoBox::contains(const GeoPoint& point) const {
  const bool lon = top_left.lon > bottom_right.lon ? point.lon > top_left.lon || point.lon < bottom_right.lon
                                                   : point.lon > top_left.lon && point.lon < bottom_right.lon;
  return lon && point.lat > bottom_right.lat && point.lat < top_left.lat;
}

bool GeoCircle::contains(const GeoPoint& point) const { return geo_distance_m(centre, point) < radius_m; }

bool GeoPolygon::contains(const GeoPoint& point) const {
  if (side_of(exterior, point) != Side::inside) return false;
  return std::all_of(interiors.begin(), interiors.end(),
                     [&](const GeoRing& hole) { return side_of(hole, point) == Side::outside; });
}

bool GeoBounds::contains(const GeoPoint& point) const {
  return point.lon >= west && point.lon <= east && point.lat >= south && point.lat <= north;
}

std::vector<GeoBounds> bounds_of(const GeoBox& box) {
  const double south = box.bottom_right.lat, north = box.top_left.lat;
  if (south > north) return {};
  if (box.top_left.lon <= box.bottom_right.lon) return {{box.top_left.lon, south, box.bottom_right.lon, north}};
  return {{-180, south, box.bottom_right.lon, north}, {box.top_left.lon, south, 180, north}};
}

std::vector<GeoBounds> bounds_of(const GeoCircle& circle) {
  // A little more than the circle needs, for what rounding takes away.
  const double angle = circle.radius_m / kEarthRadius_m * (1 + 1e-9) + 1e-9;
  const double degrees = angle / kRadians;
  const double south = circle.centre.lat - degrees, north = circle.centre.lat + degrees;
  // Over a pole every longitude is near.
  if (!(south > -90 && north < 90)) return {{-180, std::max(-90.0, south), 180, std::min(90.0, north)}};
  const double sine = std::sin(angle) / std::cos(circle.centre.lat * kRadians);
  if (!(sine < 1)) return {{-180, south, 180, north}};
  const double wide = std::asin(sine) / kRadians * (1 + 1e-9) + 1e-7;
  const double west = circle.centre.lon - wide, east = circle.centre.lon + wide;
  if (wide >= 180) return {{-180, south, 180, north}};
  if (west < -180) return {{-180, south, std::min(180.0, east), north}, {west + 360, south, 180, north}};
  if (east > 180) return {{-180, south, east - 360, north}, {std::max(-180.0, west), south, 180, north}};
  // The two ends of the date line are one place.
  std::vector<GeoBounds> out = {{west, south, east, north}};
  if (west <= -180) out.push_back({180, south, 180, north});
  if (east >= 180) out.push_back({-180, south, -180, north});
  return out;
}

std::vector<GeoBounds> bounds_of(const GeoPolygon& polygon) {
  GeoBounds out{180, 90, -180, -90};
  for (const GeoPoint& point : polygon.exterior) {
    out.west = std::min(out.west, point.lon);
    out.east = std::max(out.east, point.lon);
    out.south = std::min(out.south, point.lat);
    out.north = std::max(out.north, point.lat);
  }
  return {out};
}

uint64_t geo_code(const GeoPoint& point) {
  return spread(cell_of(point.lon, 180)) << 1 | spread(cell_of(point.lat, 90));
}

std::vector<CodeRange> geo_ranges(const GeoBounds& bounds, size_t count) {
  const uint32_t west = cell_of(bounds.west, 180), east = cell_of(bounds.east, 180);
  const uint32_t south = cell_of(bounds.south, 90), north = cell_of(bounds.north, 90);
  if (west > east || south > north) return {};
  // Squares are quartered, the largest first, until that would make too many; then all that are left are taken whole.
  std::vector<Square> open = {{0, 0, 0}}, next;
  std::vector<CodeRange> out;
  while (!open.empty()) {
    next.clear();
    for (const Square& square : open) {
      const uint32_t side = square.side();
      const bool whole =
          square.lon >= west && square.lon + side <= east && square.lat >= south && square.lat + side <= north;
      if (whole || square.level == 32 || out.size() + open.size() + next.size() + 4 > count) {
        out.push_back(square.codes());
        continue;
      }
      const uint32_t half = square.level == 0 ? uint32_t{1} << 31 : (side >> 1) + 1;
      for (const uint32_t lon : {square.lon, square.lon + half}) {
        for (const uint32_t lat : {square.lat, square.lat + half}) {
          if (lon <= east && lon + (half - 1) >= west && lat <= north && lat + (half - 1) >= south) {
            next.push_back({lon, lat, square.level + 1});
          }
        }
      }
    }
    std::swap(open, next);
  }
  std::sort(out.begin(), out.end(), [](const CodeRange& a, const CodeRange& b) { return a.first < b.first; });
  size_t kept = 0;
  for (size_t i = 1; i < out.size(); ++i) {
    if (out[i].first == out[kept].last + 1) {
      out[kept].last = out[i].last;
    } else {
      out[++kept] = out[i];
    }
  }
  out.resize(kept + 1);
  return out;
}

}  // namespace sextant::store
