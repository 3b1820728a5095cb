// index/scorer.h: how far rows are from one query, estimated from their codes. Lower is nearer.
//
// For a search, whatever orders rows as the metric does; for building, squared Euclidean distances of index/space.h,
// which can be compared between pairs.     Threads: one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "index/codes.h"
#include "index/rows.h"
#include "index/space.h"

namespace sextant::index {

class Landmarks;

// The parts of an index that tell how far rows are.
struct Vectors {
  const Space* space = nullptr;
  const Rows* rows = nullptr;
  const Codes* codes = nullptr;  // nullptr: the rows themselves are compared
  std::atomic<const Landmarks*> landmarks = nullptr;
};

class Scorer {
 public:
  // VECTORS must stay where they are.
  explicit Scorer(const Vectors& vectors) : vectors_(vectors) {}

  // query [dim], as given.
  void set_query(const float* query);
  // A vector that is to become a row, or one that is: distances of building.
  void set_new_row(const float* row);
  void set_row(uint32_t row);

  void distances(const uint32_t* rows, size_t count, float* out) const;
  // The same of the first COUNT rows of CODES, which are others' but of the kind of codes().
  void first_distances(const Codes& codes, size_t count, float* out) const;
  // The same of BITS, one row after another. REQUIRES: rows are of bits.
  void first_distances(std::span<const std::byte> bits, size_t count, float* out) const;
  float distance(uint32_t row) const {
    float out;
    distances(&row, 1, &out);
    return out;
  }
  // Asks for what distances() will read of a row.
  Prefetch prefetch() const {
    if (vectors_.codes != nullptr) return vectors_.codes->prefetch();
    return {vectors_.rows->at(0), vectors_.rows->row_bytes(), nullptr};
  }
  // none where the rows themselves are compared.
  CodeKind codes() const { return vectors_.codes != nullptr ? vectors_.codes->kind() : CodeKind::none; }
  const Landmarks* landmarks() const { return vectors_.landmarks.load(std::memory_order_acquire); }
  // Squared length of the query in the space of codes.
  float squared_length() const { return squared_length_; }

 private:
  enum class Form {
    product,       // -<q, x>
    euclidean,     // |q|^2 + |x|^2 - 2 <q, x>
    lifted,        // the same with Space's additional component
    exact,         // the metric itself
    lifted_exact,  // lifted, of the rows themselves
    bits,          // hamming of rows of bits
  };

  template <class RowAt>
  void from_products(const Codes& codes, size_t count, RowAt row_at, float* out) const;

  const Vectors& vectors_;
  Form form_ = Form::product;
  CodedQuery query_;
  float squared_length_ = 0;
  float lift_ = 0;
  std::vector<float> values_;  // the query, transformed, or as it was given
  std::vector<float> row_;     // set_row's memory
  std::vector<uint8_t> bits_;  // the query, where rows are bits
};

}  // namespace sextant::index
