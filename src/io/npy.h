// io/npy.h: numpy's .npy files, versions 1 to 3 (numpy.lib.format): one array, C order.
//
// Reading maps the file and converts row by row; nothing of it is trusted: a header whose promise differs from the
// file's length is refused. Writing streams rows and fills in their number at the end, so the array may be larger than
// memory. Big-endian, Fortran-ordered, structured and object arrays are refused by name.
// Threads: NpyFile is immutable; NpyWriter one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "io/bytes.h"

namespace sextant::io {

enum class NpyType { boolean, int8, uint8, int16, uint16, int32, uint32, int64, uint64, float16, float32, float64 };

size_t size_bytes(NpyType type);
std::string_view name(NpyType type);  // numpy's: "float32"

// What a file's header says, before anybody has looked at the data.
struct NpyHeader {
  NpyType type = NpyType::float32;
  std::vector<size_t> shape;  // one dimension or more
  size_t rows = 0;            // the first of them
  size_t cols = 1;            // the product of all others
  size_t data_offset = 0;
};
// START is a file's first bytes: kNpyHeaderBytesMax of them, or all where there are fewer. Throws corrupted or
// unsupported, naming FILE.
inline constexpr size_t kNpyHeaderBytesMax = (size_t{1} << 16) + 12;
NpyHeader parse_npy_header(std::string_view start, const std::string& file);

class NpyFile {
 public:
  // Throws not_found, corrupted (not what its header says) or unsupported (a kind of array named above).
  explicit NpyFile(const std::filesystem::path& path);

  NpyType type() const { return header_.type; }
  const std::vector<size_t>& shape() const { return header_.shape; }  // one dimension or more
  size_t dimensions() const { return header_.shape.size(); }
  size_t rows() const { return header_.rows; }  // the first dimension
  size_t cols() const { return header_.cols; }  // the product of all others; 1 for an array of one dimension

  // The array's bytes, [rows, cols] of type().
  std::span<const std::byte> bytes() const { return bytes_; }

  // Rows [row, row + out.size() / cols) as floats. REQUIRES: out.size() is a multiple of cols, the rows exist.
  void read_floats(size_t row, std::span<float> out) const;
  // The whole array as floats. Throws exhausted when it does not fit into values_max.
  std::vector<float> floats(size_t values_max = size_t{1} << 32) const;

  const std::string& name() const { return name_; }

 private:
  std::string name_;
  base::MappedFile file_;
  NpyHeader header_;
  std::span<const std::byte> bytes_;
};

class NpyWriter {
 public:
  // An array [rows appended, cols], or [rows appended] where cols is 0. Appears at PATH only by finish().
  NpyWriter(const std::string& path, NpyType type, size_t cols);

  // Whole rows. REQUIRES: rows.size_bytes() is a multiple of a row, the element type is the writer's.
  template <class Value>
  void append(std::span<const Value> rows) {
    append_bytes({reinterpret_cast<const char*>(rows.data()), rows.size_bytes()});
  }
  void append_bytes(std::string_view rows);
  void finish();
  uint64_t row_count() const { return row_count_; }

 private:
  std::string header() const;

  ByteWriter out_;
  NpyType type_;
  size_t cols_;
  size_t row_bytes_;
  uint64_t row_count_ = 0;
};

// IEEE 754 binary16 and back, round to nearest even; for files, not for speed.
float half_to_float(uint16_t half);
uint16_t float_to_half(float value);

}  // namespace sextant::io
