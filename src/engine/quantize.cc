#include "engine/quantize.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::engine {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"float32", "int8", "uint8", "binary", "ubinary"};

}  // namespace

Precision parse_precision(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Precision>(i);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("precision '{}' is unknown; expected float32, int8, uint8, binary or ubinary", name));
}

std::string_view name(Precision precision) { return kNames[static_cast<size_t>(precision)]; }

size_t row_bytes(Precision precision, size_t dim) {
  switch (precision) {
    case Precision::float32:
      return dim * sizeof(float);
    case Precision::int8:
    case Precision::uint8:
      return dim;
    case Precision::binary:
    case Precision::ubinary:
      return (dim + 7) / 8;
  }
  return 0;
}

Ranges::Ranges(size_t dim)
    : min(dim, std::numeric_limits<float>::infinity()), max(dim, -std::numeric_limits<float>::infinity()) {}

void Ranges::add(std::span<const float> rows) {
  const size_t dim = min.size();
  for (size_t i = 0; i + dim <= rows.size(); i += dim) {
    for (size_t d = 0; d < dim; ++d) {
      float value = rows[i + d];
      if (value < min[d]) min[d] = value;
      if (value > max[d]) max[d] = value;
    }
  }
}

bool Ranges::any() const {
  for (size_t d = 0; d < min.size(); ++d) {
    if (min[d] <= max[d]) return true;
  }
  return false;
}

void quantize(Precision precision, std::span<const float> rows, size_t dim, const Ranges* ranges,
              std::span<uint8_t> out) {
  const size_t count = dim ? rows.size() / dim : 0;
  const size_t stride = row_bytes(precision, dim);
  for (size_t row = 0; row < count; ++row) {
    const float* in = rows.data() + row * dim;
    uint8_t* to = out.data() + row * stride;
    switch (precision) {
      case Precision::float32:
        std::memcpy(to, in, stride);
        break;
      case Precision::int8:
      case Precision::uint8: {
        const int shift = precision == Precision::int8 ? 128 : 0;
        for (size_t d = 0; d < dim; ++d) {
          float step = (ranges->max[d] - ranges->min[d]) / 255.0f;
          float level = std::floor((in[d] - ranges->min[d]) / step);
          int code = !(level > 0) || !(step > 0) ? 0 : level > 255 ? 255 : static_cast<int>(level);
          to[d] = static_cast<uint8_t>(code - shift);
        }
        break;
      }
      case Precision::binary:
      case Precision::ubinary:
        simd::kernels().f32_to_bits(in, dim, to);
        if (precision == Precision::binary) {
          for (size_t i = 0; i < stride; ++i) to[i] = static_cast<uint8_t>(to[i] - 128);
        }
        break;
    }
  }
}

}  // namespace sextant::engine
