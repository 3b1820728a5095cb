#include "index/codes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernels.h"

namespace sextant::index {
namespace {

// The spacing of 16 even levels with the least squared error for a normal variable of deviation 1 (Max 1960, table II).
constexpr float kStep4 = 0.3352f;
constexpr float kMiddle4 = 7.5f;
constexpr float kLargest8 = 127;
// sq4: components of a block, low halves of its bytes first.
constexpr size_t kBlock = 64;
constexpr size_t kBlockBytes = 32;
// sq1: planes of a query, and what follows the signs: how many are positive, as a uint32.
constexpr size_t kPlanes = 4;
constexpr size_t kOnesBytes = sizeof(uint32_t);

}  // namespace

size_t Codes::row_bytes(CodeKind kind, size_t dim) {
  switch (kind) {
    case CodeKind::sq1:
      return dim / 8 + kOnesBytes;
    case CodeKind::sq4:
      return dim / 2;
    default:
      return dim;
  }
}

Codes::Codes(CodeKind kind, size_t dim, size_t capacity)
    : owned_codes_(capacity * row_bytes(kind, dim)),
      owned_factors_(capacity),
      codes_(owned_codes_.data()),
      factors_(owned_factors_.data()),
      kind_(kind),
      dim_(dim),
      row_bytes_(row_bytes(kind, dim)) {}

Codes::Codes(const Codes& others, std::span<const uint32_t> rows) : Codes(others.kind_, others.dim_, rows.size()) {
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(owned_codes_.data() + i * row_bytes_, others.codes_ + rows[i] * row_bytes_, row_bytes_);
    owned_factors_[i] = others.factors_[rows[i]];
  }
}

Codes::Codes(CodeKind kind, size_t dim, std::span<const std::byte> codes, std::span<const CodeFactors> factors)
    : codes_(codes.data()), factors_(factors.data()), kind_(kind), dim_(dim), row_bytes_(row_bytes(kind, dim)) {}

float Codes::encode(size_t row, const float* values, float length) {
  const simd::Kernels& k = simd::kernels();
  std::byte* code = owned_codes_.data() + row * row_bytes_;
  const double squared = k.dot_f32(values, values, dim_);
  double with_code = 0;     // <x, c - middle>
  double squared_code = 0;  // |c - middle|^2
  if (kind_ == CodeKind::sq4) {
    const float deviation = static_cast<float>(std::sqrt(squared / static_cast<double>(dim_)));
    const float per_step = deviation > 0 ? 1 / (deviation * kStep4) : 0;
    auto level = [&](float value) {
      // The middle of level c lies at c - 7.5 steps.
      const float at = std::clamp(value * per_step + 8.0f, 0.0f, 15.0f);
      return static_cast<uint8_t>(at);
    };
    float with = 0, coded = 0;
    for (size_t block = 0; block < dim_ / kBlock; ++block) {
      const float* from = values + block * kBlock;
      for (size_t j = 0; j < kBlockBytes; ++j) {
        const uint8_t low = level(from[j]);
        const uint8_t high = level(from[kBlockBytes + j]);
        code[block * kBlockBytes + j] = static_cast<std::byte>(low | high << 4);
        const float a = static_cast<float>(low) - kMiddle4, b = static_cast<float>(high) - kMiddle4;
        with += from[j] * a + from[kBlockBytes + j] * b;
        coded += a * a + b * b;
      }
    }
    with_code = with;
    squared_code = coded;
  } else if (kind_ == CodeKind::sq1) {
    k.f32_to_bits(values, dim_, reinterpret_cast<uint8_t*>(code));
    uint32_t ones = 0;
    for (size_t i = 0; i < dim_; ++i) {
      with_code += std::abs(values[i]);
      ones += values[i] > 0 ? 1 : 0;
    }
    std::memcpy(code + dim_ / 8, &ones, sizeof(ones));
    squared_code = static_cast<double>(dim_);
  } else {
    auto* levels = reinterpret_cast<int8_t*>(code);
    const float largest = k.max_abs_f32(values, dim_);
    k.f32_to_i8(values, dim_, largest > 0 ? kLargest8 / largest : 0, levels);
    for (size_t i = 0; i < dim_; ++i) {
      with_code += static_cast<double>(values[i]) * levels[i];
      squared_code += static_cast<double>(levels[i]) * levels[i];
    }
  }
  // <x, x> = scale * <x, c - middle>: what is coded has the product with x that x has.
  owned_factors_[row] = {with_code > 0 ? static_cast<float>(squared / with_code) : 0, length};
  if (squared <= 0 || squared_code <= 0) return 0;
  const double cosine_squared = with_code * with_code / (squared * squared_code);
  return static_cast<float>(std::max(0.0, 1 / cosine_squared - 1));
}

void Codes::make_planes(const float* values, CodedQuery& query) const {
  constexpr int kHighest = (1 << kPlanes) - 1;
  const size_t bytes = dim_ / 8;
  query.values.assign(kPlanes * bytes, 0);
  const float largest = simd::kernels().max_abs_f32(values, dim_);
  query.scale = 2 * largest / kHighest;
  query.low = -0.5f * kHighest;
  const float per_step = largest > 0 ? 1 / query.scale : 0;
  size_t sum = 0;
  for (size_t i = 0; i < dim_; ++i) {
    const auto level = static_cast<unsigned>(
        std::clamp(values[i] * per_step + 0.5f * kHighest + 0.5f, 0.0f, static_cast<float>(kHighest)));
    sum += level;
    for (size_t p = 0; p < kPlanes; ++p) {
      auto& byte = query.values[p * bytes + i / 8];
      byte = static_cast<int8_t>(byte | static_cast<int>(level >> p & 1) << (7 - i % 8));
    }
  }
  query.middle = query.low * static_cast<float>(dim_) + static_cast<float>(sum);
}

uint32_t Codes::ones(size_t row) const {
  uint32_t ones;
  std::memcpy(&ones, codes_ + row * row_bytes_ + dim_ / 8, sizeof(ones));
  return ones;
}

// From sums of COUNT rows, the i-th of which is number(i), to products.
template <class Number>
void Codes::finish(const CodedQuery& query, const Sums& sums, size_t count, Number number, float* products) const {
  if (kind_ == CodeKind::sq1) {
    for (size_t i = 0; i < count; ++i) {
      const size_t row = number(i);
      // Signs are 2 c - 1 of bits c, and the query's components low + level.
      const float with_ones = query.low * static_cast<float>(ones(row)) + static_cast<float>(sums.of_bits[i]);
      products[i] = factors_[row].scale * query.scale * (2 * with_ones - query.middle);
    }
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    products[i] = factors_[number(i)].scale * query.scale * (static_cast<float>(sums.of_levels[i]) - query.middle);
  }
}

void Codes::make_query(const float* values, CodedQuery& query) const {
  if (kind_ == CodeKind::sq1) return make_planes(values, query);
  const simd::Kernels& k = simd::kernels();
  query.values.resize(dim_);
  const float largest = k.max_abs_f32(values, dim_);
  query.scale = largest / kLargest8;
  k.f32_to_i8(values, dim_, largest > 0 ? kLargest8 / largest : 0, query.values.data());
  int sum = 0;
  for (int8_t value : query.values) sum += value;
  query.middle = kind_ == CodeKind::sq4 ? kMiddle4 * static_cast<float>(sum) : 0;
}

void Codes::make_query(size_t row, CodedQuery& query) const {
  query.values.resize(dim_);
  const auto* code = reinterpret_cast<const uint8_t*>(codes_ + row * row_bytes_);
  if (kind_ == CodeKind::sq8) {
    std::copy_n(reinterpret_cast<const int8_t*>(code), dim_, query.values.begin());
    query.scale = factors_[row].scale;
    query.middle = 0;
    return;
  }
  int sum = 0;
  for (size_t block = 0; block < dim_ / kBlock; ++block) {
    int8_t* to = query.values.data() + block * kBlock;
    for (size_t j = 0; j < kBlockBytes; ++j) {
      // Twice the distance from the middle, which is a whole number.
      to[j] = static_cast<int8_t>(2 * (code[block * kBlockBytes + j] & 15) - 15);
      to[kBlockBytes + j] = static_cast<int8_t>(2 * (code[block * kBlockBytes + j] >> 4) - 15);
      sum += to[j] + to[kBlockBytes + j];
    }
  }
  query.scale = factors_[row].scale / 2;
  query.middle = kMiddle4 * static_cast<float>(sum);
}

void Codes::products(const CodedQuery& query, const uint32_t* ids, size_t count, float* products) const {
  Sums sums;
  const simd::Kernels& k = simd::kernels();
  const auto* codes = reinterpret_cast<const uint8_t*>(codes_);
  for (size_t begin = 0; begin < count; begin += kGroup) {
    const size_t n = std::min(kGroup, count - begin);
    const uint32_t* group = ids + begin;
    switch (kind_) {
      case CodeKind::sq1:
        k.dot_u1_ids(query.planes(), codes, row_bytes_, dim_ / 8, group, n, sums.of_bits);
        break;
      case CodeKind::sq4:
        k.dot_u4_ids(query.values.data(), codes, row_bytes_, dim_, group, n, sums.of_levels);
        break;
      default:
        k.dot_i8_ids(query.values.data(), reinterpret_cast<const int8_t*>(codes), row_bytes_, dim_, group, n,
                     sums.of_levels);
    }
    finish(
        query, sums, n, [&](size_t i) { return group[i]; }, products + begin);
  }
}

void Codes::first_products(const CodedQuery& query, size_t count, float* products) const {
  Sums sums;
  const simd::Kernels& k = simd::kernels();
  for (size_t begin = 0; begin < count; begin += kGroup) {
    const size_t n = std::min(kGroup, count - begin);
    const auto* codes = reinterpret_cast<const uint8_t*>(codes_ + begin * row_bytes_);
    switch (kind_) {
      case CodeKind::sq1:
        k.dot_u1_rows(query.planes(), {codes, n, dim_ / 8, row_bytes_}, sums.of_bits);
        break;
      case CodeKind::sq4:
        k.dot_u4_rows(query.values.data(), {codes, n, dim_, row_bytes_}, sums.of_levels);
        break;
      default:
        k.dot_i8_rows(query.values.data(), {reinterpret_cast<const int8_t*>(codes), n, dim_, row_bytes_},
                      sums.of_levels);
    }
    finish(
        query, sums, n, [&](size_t i) { return begin + i; }, products + begin);
  }
}

}  // namespace sextant::index
