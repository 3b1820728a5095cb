#include "index/scorer.h"

#include <algorithm>

#include "simd/kernels.h"

namespace sextant::index {

void Scorer::set_query(const float* query) {
  if (vectors_.rows->type() == ElementType::bit) {
    form_ = Form::bits;
    bits_.resize(vectors_.rows->row_bytes());
    return pack_bits(query, vectors_.rows->dim(), bits_.data());
  }
  if (vectors_.codes == nullptr) {
    form_ = Form::exact;
    values_.assign(query, query + vectors_.rows->dim());
    return;
  }
  values_.resize(vectors_.space->padded_dim());
  squared_length_ = vectors_.space->transform_query(query, values_.data());
  vectors_.codes->make_query(values_.data(), query_);
  form_ = vectors_.space->metric() == Metric::l2 ? Form::euclidean : Form::product;
}

void Scorer::set_new_row(const float* row) {
  if (vectors_.codes == nullptr) {
    set_query(row);
    if (vectors_.space->metric() != Metric::dot) return;
    form_ = Form::lifted_exact;
    squared_length_ = simd::kernels().dot_f32(row, row, vectors_.rows->dim());
    lift_ = vectors_.space->lift(squared_length_);
    return;
  }
  values_.resize(vectors_.space->padded_dim());
  squared_length_ = vectors_.space->transform_row(row, values_.data());
  vectors_.codes->make_query(values_.data(), query_);
  lift_ = vectors_.space->lift(squared_length_);
  form_ = vectors_.space->metric() == Metric::dot ? Form::lifted : Form::euclidean;
}

void Scorer::set_row(uint32_t row) {
  if (vectors_.rows->type() == ElementType::bit) {
    form_ = Form::bits;
    const auto* bits = reinterpret_cast<const uint8_t*>(vectors_.rows->at(row));
    bits_.assign(bits, bits + vectors_.rows->row_bytes());
    return;
  }
  if (vectors_.codes == nullptr) {
    row_.resize(vectors_.rows->dim());
    vectors_.rows->read(row, row_.data());
    return set_new_row(row_.data());
  }
  vectors_.codes->make_query(row, query_);
  squared_length_ = vectors_.codes->length(row);
  lift_ = vectors_.space->lift(squared_length_);
  form_ = vectors_.space->metric() == Metric::dot ? Form::lifted : Form::euclidean;
}

void Scorer::distances(const uint32_t* rows, size_t count, float* out) const {
  if (form_ == Form::lifted_exact) {
    vectors_.rows->squared_lengths(rows, count, out);
    std::vector<float> products(count);
    vectors_.rows->score(Metric::dot, values_.data(), rows, count, products.data());
    for (size_t i = 0; i < count; ++i) {
      const float difference = lift_ - vectors_.space->lift(out[i]);
      out[i] += squared_length_ - 2 * products[i] + difference * difference;
    }
    return;
  }
  if (form_ == Form::bits) return vectors_.rows->score_bits(bits_.data(), rows, count, out);
  if (form_ == Form::exact) {
    const Metric metric = vectors_.space->metric();
    vectors_.rows->score(metric, values_.data(), rows, count, out);
    if (higher_is_nearer(metric)) {
      for (size_t i = 0; i < count; ++i) out[i] = -out[i];
    }
    return;
  }
  vectors_.codes->products(query_, rows, count, out);
  from_products(
      *vectors_.codes, count, [&](size_t i) { return rows[i]; }, out);
}

void Scorer::first_distances(std::span<const std::byte> bits, size_t count, float* out) const {
  constexpr size_t kStep = 256;
  const size_t bytes = bits_.size();
  uint32_t sums[kStep];
  for (size_t begin = 0; begin < count; begin += kStep) {
    const size_t n = std::min(kStep, count - begin);
    const auto* rows = reinterpret_cast<const uint8_t*>(bits.data()) + begin * bytes;
    simd::kernels().hamming_rows(bits_.data(), {rows, n, bytes, bytes}, sums);
    for (size_t i = 0; i < n; ++i) out[begin + i] = static_cast<float>(static_cast<int32_t>(sums[i]));
  }
}

void Scorer::first_distances(const Codes& codes, size_t count, float* out) const {
  codes.first_products(query_, count, out);
  from_products(
      codes, count, [](size_t i) { return static_cast<uint32_t>(i); }, out);
}

// In place; the i-th is of row row_at(i).
template <class RowAt>
void Scorer::from_products(const Codes& codes, size_t count, RowAt row_at, float* out) const {
  switch (form_) {
    case Form::product:
      for (size_t i = 0; i < count; ++i) out[i] = -out[i];
      return;
    case Form::euclidean:
      for (size_t i = 0; i < count; ++i) out[i] = squared_length_ + codes.length(row_at(i)) - 2 * out[i];
      return;
    case Form::lifted:
      for (size_t i = 0; i < count; ++i) {
        const float length = codes.length(row_at(i));
        const float difference = lift_ - vectors_.space->lift(length);
        out[i] = squared_length_ + length - 2 * out[i] + difference * difference;
      }
      return;
    case Form::exact:
    case Form::lifted_exact:
    case Form::bits:
      return;
  }
}

}  // namespace sextant::index
