// index/rows.h: the vectors of an index as they were given: appended one by one, or looked at where they lie.
//
// Rows have dim elements of one type and lie one after another. They are the truth that a search's last candidates are
// compared with.
// Threads: one appends; others may read the rows that they were told of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/growing_array.h"
#include "base/scattered_reads.h"
#include "sextant/index.h"

namespace sextant::index {

size_t row_bytes(ElementType type, size_t dim);

class Rows {
 public:
  Rows() = default;
  // Room for capacity rows, in address space alone.
  Rows(ElementType type, size_t dim, size_t capacity);
  // A view of count rows that must outlive this.
  Rows(ElementType type, size_t dim, std::span<const std::byte> bytes);
  // The same of rows in a mapped file that will be read here and there.
  static Rows of_file(ElementType type, size_t dim, std::span<const std::byte> bytes,
                      base::ScatteredReads& reads = base::ScatteredReads::vectors());

  ElementType type() const { return type_; }
  size_t dim() const { return dim_; }
  size_t row_bytes() const { return row_bytes_; }
  size_t capacity() const { return capacity_; }
  const std::byte* at(size_t row) const { return data_ + row * row_bytes_; }

  // Whether rows lie in a file; whether memory has no room for it. Then whoever is going to read some does well to say
  // which.
  bool are_mapped() const { return part_.is_registered(); }
  bool are_far() const { return part_.is_far(); }
  void read_soon(std::span<const uint32_t> rows) const;

  // REQUIRES: not a view; row < capacity().
  void set(size_t row, const void* elements);
  // Elements [dim] as floats, nothing lost.
  void read(size_t row, float* out) const;

  // Scores of rows ids[0..count) with query [dim], as Metric says: distances are not squared. The same bytes as a
  // FlatIndex over the same rows.
  void score(Metric metric, const float* query, const uint32_t* ids, size_t count, float* scores) const;
  // Squared lengths of those rows.
  void squared_lengths(const uint32_t* ids, size_t count, float* out) const;
  // Of rows of bits by hamming, with a query that pack_bits made. Asks for no row before it needs it.
  void score_bits(const uint8_t* query, const uint32_t* ids, size_t count, float* scores) const;

 private:
  base::GrowingArray<std::byte> owned_;
  const std::byte* data_ = nullptr;
  ElementType type_ = ElementType::float32;
  size_t dim_ = 0;
  size_t row_bytes_ = 0;
  size_t capacity_ = 0;
  base::ScatteredReads::Part part_;
};

// FROM elements of TYPE as floats.
void widen(ElementType type, const void* elements, size_t count, float* out);

// COUNT floats as elements of TYPE, rounded; of bits, as a row. REQUIRES: they passed check_storable.
void narrow(ElementType type, const float* values, size_t count, std::byte* out);

// Components [dim], each 0 or 1, as a row of ElementType::bit; what is left of the last byte is 0.
void pack_bits(const float* values, size_t dim, uint8_t* bits);

// The first element that is neither 0 nor 1; COUNT where there is none.
size_t first_not_bit(const float* values, size_t count);

// The first element that is NaN or infinite; COUNT where there is none.
size_t first_not_finite(const float* values, size_t count);

// Components that a vector may have.
inline constexpr size_t kDimMax = 65536;

// Squared lengths up to which float32 can tell how far two vectors are.
inline constexpr float kSquaredLengthMax = 1e37f;

}  // namespace sextant::index
