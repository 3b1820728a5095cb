// engine/quantize.h: vectors in fewer bits, to the bit as sentence-transformers' quantize_embeddings gives them.
//
//   uint8   = clip(floor((x - min) / step), 0, 255) with step = (max - min) / 255 per dimension, in f32
//   int8    = uint8 - 128
//   ubinary = one bit a value, 1 where x > 0, first value in the highest bit; the last byte filled up with 0
//   binary  = ubinary - 128, as int8
// Departs from it: a NaN, and every value of a dimension whose min equals its max, becomes 0 before the 128 are taken.
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sextant::engine {

enum class Precision { float32, int8, uint8, binary, ubinary };

// Throws invalid_argument for other names and lists these.
Precision parse_precision(std::string_view name);
std::string_view name(Precision precision);
// Whether quantising needs ranges.
constexpr bool needs_ranges(Precision precision) {
  return precision == Precision::int8 || precision == Precision::uint8;
}
// Bytes of a row of dim values.
size_t row_bytes(Precision precision, size_t dim);

// The smallest and the largest value of each dimension; NaN is left out.
struct Ranges {
  std::vector<float> min;  // [dim]
  std::vector<float> max;  // [dim]

  explicit Ranges(size_t dim);
  // rows [n, dim]
  void add(std::span<const float> rows);
  // False before the first row.
  bool any() const;
};

// rows [n, dim] to out [n, row_bytes]. RANGES may be nullptr where needs_ranges() is false.
void quantize(Precision precision, std::span<const float> rows, size_t dim, const Ranges* ranges,
              std::span<uint8_t> out);

}  // namespace sextant::engine
