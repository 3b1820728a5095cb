#include "index/rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "simd/kernels.h"

namespace sextant::index {
namespace {

// Rows that are asked for before the one that is being compared, and how much of each: the processor follows on its
// own once it has seen where a row begins, and whole rows would fill its queue.
constexpr size_t kRowsAhead = 4;
constexpr size_t kBytesAhead = 128;
// The same of rows of bits, which are short.
constexpr size_t kBitRowsAhead = 32;

void prefetch(const std::byte* row, size_t bytes) {
  for (size_t offset = 0; offset < std::min(bytes, kBytesAhead); offset += 64) __builtin_prefetch(row + offset);
}

}  // namespace

size_t row_bytes(ElementType type, size_t dim) {
  switch (type) {
    case ElementType::float32:
      return 4 * dim;
    case ElementType::float16:
    case ElementType::bfloat16:
      return 2 * dim;
    case ElementType::int8:
    case ElementType::uint8:
      return dim;
    case ElementType::bit:
      return (dim + 7) / 8;
  }
  return 0;
}

void widen(ElementType type, const void* elements, size_t count, float* out) {
  const simd::Kernels& k = simd::kernels();
  switch (type) {
    case ElementType::float32:
      std::memcpy(out, elements, count * sizeof(float));
      return;
    case ElementType::float16:
      return k.f16_to_f32(static_cast<const simd::Float16*>(elements), count, out);
    case ElementType::bfloat16:
      return k.bf16_to_f32(static_cast<const simd::BFloat16*>(elements), count, out);
    case ElementType::int8:
      return k.i8_to_f32(static_cast<const int8_t*>(elements), count, 1.0f, out);
    case ElementType::uint8: {
      const auto* bytes = static_cast<const uint8_t*>(elements);
      for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(bytes[i]);
      return;
    }
    case ElementType::bit: {
      const auto* bytes = static_cast<const uint8_t*>(elements);
      for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(bytes[i / 8] >> (i % 8) & 1);
      return;
    }
  }
}

void narrow(ElementType type, const float* values, size_t count, std::byte* out) {
  const simd::Kernels& k = simd::kernels();
  switch (type) {
    case ElementType::float32:
      std::memcpy(out, values, count * sizeof(float));
      return;
    case ElementType::float16:
      return k.f32_to_f16(values, count, reinterpret_cast<simd::Float16*>(out));
    case ElementType::bfloat16:
      return k.f32_to_bf16(values, count, reinterpret_cast<simd::BFloat16*>(out));
    case ElementType::bit:
      return pack_bits(values, count, reinterpret_cast<uint8_t*>(out));
    case ElementType::int8:
    case ElementType::uint8:
      for (size_t i = 0; i < count; ++i) out[i] = static_cast<std::byte>(static_cast<int>(std::lround(values[i])));
      return;
  }
}

void pack_bits(const float* values, size_t dim, uint8_t* bits) {
  simd::kernels().f32_to_bits(values, dim, bits);
  // The kernel begins with a byte's highest bit: the bits of each byte are turned round, eight bytes at once.
  const size_t bytes = row_bytes(ElementType::bit, dim);
  for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
    const size_t part = std::min(bytes - i, sizeof(uint64_t));
    uint64_t word = 0;
    std::memcpy(&word, bits + i, part);
    word = (word & 0x0f0f0f0f0f0f0f0f) << 4 | (word >> 4 & 0x0f0f0f0f0f0f0f0f);
    word = (word & 0x3333333333333333) << 2 | (word >> 2 & 0x3333333333333333);
    word = (word & 0x5555555555555555) << 1 | (word >> 1 & 0x5555555555555555);
    std::memcpy(bits + i, &word, part);
  }
}

size_t first_not_bit(const float* values, size_t count) {
  constexpr size_t kBlock = 64;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(count, begin + kBlock);
    int others = 0;
    for (size_t i = begin; i < end; ++i) others |= (values[i] != 0.0f) & (values[i] != 1.0f);
    if (others == 0) continue;
    for (size_t i = begin; i < end; ++i) {
      if (values[i] != 0.0f && values[i] != 1.0f) return i;
    }
  }
  return count;
}

size_t first_not_finite(const float* values, size_t count) {
  // A sum of zeros unless some value is not finite: checked a block at a time, as compilers do well.
  constexpr size_t kBlock = 64;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const size_t end = std::min(count, begin + kBlock);
    float zero = 0;
    for (size_t i = begin; i < end; ++i) zero += values[i] * 0.0f;
    if (zero == 0) continue;
    for (size_t i = begin; i < end; ++i) {
      if (!std::isfinite(values[i])) return i;
    }
  }
  return count;
}

Rows::Rows(ElementType type, size_t dim, size_t capacity)
    : owned_(capacity * index::row_bytes(type, dim)),
      data_(owned_.data()),
      type_(type),
      dim_(dim),
      row_bytes_(index::row_bytes(type, dim)),
      capacity_(capacity) {}

Rows::Rows(ElementType type, size_t dim, std::span<const std::byte> bytes)
    : data_(bytes.data()),
      type_(type),
      dim_(dim),
      row_bytes_(index::row_bytes(type, dim)),
      capacity_(bytes.size() / row_bytes_) {}

Rows Rows::of_file(ElementType type, size_t dim, std::span<const std::byte> bytes, base::ScatteredReads& reads) {
  Rows rows(type, dim, bytes);
  rows.part_ = {reads, bytes};
  return rows;
}

void Rows::read_soon(std::span<const uint32_t> rows) const {
  // Rows that follow each other are asked for at once.
  for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    for (end = begin + 1; end < rows.size() && rows[end] == rows[end - 1] + 1; ++end) {
    }
    base::read_soon({at(rows[begin]), (end - begin) * row_bytes_});
  }
}

void Rows::set(size_t row, const void* elements) {
  std::memcpy(owned_.data() + row * row_bytes_, elements, row_bytes_);
}

void Rows::read(size_t row, float* out) const { widen(type_, at(row), dim_, out); }

void Rows::score(Metric metric, const float* query, const uint32_t* ids, size_t count, float* scores) const {
  const simd::Kernels& k = simd::kernels();
  const auto* floats = reinterpret_cast<const float*>(data_);
  if (type_ == ElementType::float32 && metric == Metric::dot) {
    return k.dot_f32_ids(query, floats, row_bytes_, dim_, ids, count, scores);
  }
  if (type_ == ElementType::float32 && metric == Metric::l2) {
    k.l2_squared_f32_ids(query, floats, row_bytes_, dim_, ids, count, scores);
    for (size_t i = 0; i < count; ++i) scores[i] = std::sqrt(scores[i]);
    return;
  }
  if (type_ == ElementType::bit && metric == Metric::hamming) {
    uint8_t packed[kDimMax / 8];
    pack_bits(query, dim_, packed);
    for (size_t i = 0; i < std::min(count, kBitRowsAhead); ++i) prefetch(at(ids[i]), row_bytes_);
    for (size_t begin = 0; begin < count; begin += kBitRowsAhead) {
      const size_t end = std::min(count, begin + kBitRowsAhead);
      for (size_t i = end; i < std::min(count, end + kBitRowsAhead); ++i) prefetch(at(ids[i]), row_bytes_);
      score_bits(packed, ids + begin, end - begin, scores + begin);
    }
    return;
  }
  std::vector<float> widened(type_ == ElementType::float32 ? 0 : dim_);
  for (size_t i = 0; i < std::min(count, kRowsAhead); ++i) prefetch(at(ids[i]), row_bytes_);
  for (size_t i = 0; i < count; ++i) {
    if (i + kRowsAhead < count) prefetch(at(ids[i + kRowsAhead]), row_bytes_);
    const std::byte* row = at(ids[i]);
    const float* values = reinterpret_cast<const float*>(row);
    if (!widened.empty()) {
      widen(type_, row, dim_, widened.data());
      values = widened.data();
    }
    switch (metric) {
      case Metric::cosine:
        scores[i] = k.cosine_f32(query, values, dim_);
        break;
      case Metric::dot:
        scores[i] = k.dot_f32(query, values, dim_);
        break;
      case Metric::l2:
        scores[i] = std::sqrt(k.l2_squared_f32(query, values, dim_));
        break;
      case Metric::l1:
        scores[i] = k.l1_f32(query, values, dim_);
        break;
      case Metric::hamming:  // of bits alone, above
        break;
    }
  }
}

void Rows::squared_lengths(const uint32_t* ids, size_t count, float* out) const {
  std::vector<float> values(dim_);
  for (size_t i = 0; i < count; ++i) {
    read(ids[i], values.data());
    out[i] = simd::kernels().dot_f32(values.data(), values.data(), dim_);
  }
}

void Rows::score_bits(const uint8_t* query, const uint32_t* ids, size_t count, float* scores) const {
  const simd::Kernels& k = simd::kernels();
  constexpr size_t kStep = 256;
  uint32_t sums[kStep];
  for (size_t begin = 0; begin < count; begin += kStep) {
    const size_t n = std::min(kStep, count - begin);
    k.hamming_ids(query, reinterpret_cast<const uint8_t*>(data_), row_bytes_, row_bytes_, ids + begin, n, sums);
    for (size_t i = 0; i < n; ++i) scores[begin + i] = static_cast<float>(static_cast<int32_t>(sums[i]));
  }
}

}  // namespace sextant::index
