#include "index/storable.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "index/rows.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::index {

void check_finite(size_t dim, std::span<const float> vectors, size_t first_number) {
  const size_t bad = first_not_finite(vectors.data(), vectors.size());
  if (bad < vectors.size()) {
    throw Error(ErrorCode::invalid_argument, fmt::format("vector {}: component {} is {}, expected a finite number",
                                                         first_number + bad / dim, bad % dim, vectors[bad]));
  }
}

void check_lengths(size_t dim, std::span<const float> vectors, size_t first_number) {
  for (size_t first = 0; first < vectors.size(); first += dim) {
    const float squared = simd::kernels().dot_f32(vectors.data() + first, vectors.data() + first, dim);
    if (squared <= kSquaredLengthMax) continue;
    throw Error(ErrorCode::invalid_argument, fmt::format("vector {}: its squared length is {}, expected at most {}",
                                                         first_number + first / dim, squared, kSquaredLengthMax));
  }
}

// Nothing is cut off or turned into something else in silence.
void check_range(ElementType type, size_t dim, std::span<const float> vectors, size_t first_number) {
  float low = 0, high = 0;
  bool whole = false;
  switch (type) {
    case ElementType::float32:
      return;
    case ElementType::float16:
      high = 65504;
      low = -high;
      break;
    case ElementType::bfloat16:
      high = 0x1.fep127f;
      low = -high;
      break;
    case ElementType::int8:
      low = -128;
      high = 127;
      whole = true;
      break;
    case ElementType::uint8:
      high = 255;
      whole = true;
      break;
    case ElementType::bit:
      high = 1;
      whole = true;
      break;
  }
  for (size_t i = 0; i < vectors.size(); ++i) {
    const float value = vectors[i];
    if (value >= low && value <= high && (!whole || value == std::round(value))) continue;
    const std::string expected = type == ElementType::bit
                                     ? "0 or 1"
                                     : fmt::format("a {} from {} to {}", whole ? "whole number" : "number", low, high);
    throw Error(ErrorCode::invalid_argument, fmt::format("vector {}: component {} is {}, expected {} for type {}",
                                                         first_number + i / dim, i % dim, value, expected, name(type)));
  }
}

void check_storable(ElementType type, size_t dim, std::span<const float> vectors, size_t first_number) {
  check_finite(dim, vectors, first_number);
  check_range(type, dim, vectors, first_number);
  check_lengths(dim, vectors, first_number);
}

}  // namespace sextant::index
