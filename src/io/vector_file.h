// io/vector_file.h: files of vectors as benchmarks and other tools leave them, one reader for all.
//
//   .fbin .u8bin .i8bin   u32 rows, u32 dim, then [rows, dim] of float32, uint8 or int8
//   .npy                  a 2-D array of float32, float16, uint8 or int8 (io/npy.h)
//   .fvecs .bvecs         each row: i32 dim, then dim values of float32 or uint8
//   any of these + .zst   the same, compressed
// All numbers are little-endian. A plain file is mapped and read anywhere. A compressed one is a stream: open() decodes
// it once to learn that it is whole, read() decodes it again on the way, and it is never held in memory.
// Nothing is trusted: what open() returned has the rows and the dim it says; only the dims that .fvecs and .bvecs
// repeat in front of every row are compared when the row is read. NaN and infinities are passed on. Threads: read()
// from many where the file is mapped(), one at a time where it is compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/files.h"
#include "io/bytes.h"

namespace sextant::io {

enum class ElementType { float32, float16, uint8, int8 };

size_t size_bytes(ElementType type);
std::string_view name(ElementType type);

// What simd's kernels promise to take.
inline constexpr size_t kVectorDimMax = 65536;

class VectorFile {
 public:
  // The name's ending says what it is. Throws not_found, invalid_argument (an ending that is not listed above),
  // corrupted (not what its header or its size says) or unsupported (an array of another kind, too many dimensions).
  static VectorFile open(const std::filesystem::path& path);

  size_t rows() const { return layout_.rows; }
  size_t dim() const { return layout_.dim; }  // 1 to kVectorDimMax
  ElementType type() const { return layout_.type; }
  const std::string& name() const { return name_; }
  // Whether any row can be read at any time at the same price.
  bool is_mapped() const { return !compressed_; }

  // Rows [first, first + count) as float32 into out [count, dim]. Of a compressed file, rows should be asked for in
  // ascending order: going back starts at the beginning again. Throws corrupted, naming the row, where a row of .fvecs
  // or .bvecs has another dim, or where a compressed file has changed since open().
  // REQUIRES: the rows exist, out.size() == count * dim().
  void read(size_t first, size_t count, std::span<float> out);

  // The rows as they are in the file, [rows, dim] of type(), aligned to their elements; empty where the file is
  // compressed, where something lies between the rows (.fvecs, .bvecs), or where a .npy is not aligned.
  std::span<const std::byte> mapped() const;
  // Takes no more memory for mapped pages that were read so far.
  void give_up_pages() const { file_.give_up_pages(); }

  struct Layout {
    ElementType type = ElementType::float32;
    size_t rows = 0;
    size_t dim = 0;
    size_t data_offset = 0;
    size_t row_prefix_bytes = 0;  // the dim in front of a row
    size_t row_bytes() const { return row_prefix_bytes + dim * size_bytes(type); }
  };

 private:
  VectorFile() = default;
  void read_stream(size_t first, size_t count, std::span<float> out);
  // ROWS [count] with their prefixes into out [count, dim]; FIRST is the number of the first of them.
  void widen_rows(const std::byte* rows, size_t first, size_t count, float* out) const;

  std::string name_;
  Layout layout_;
  bool compressed_ = false;
  base::MappedFile file_;             // of a plain file
  std::optional<ByteReader> stream_;  // of a compressed one, before row next_row_; none where it starts anew
  size_t next_row_ = 0;
};

// Writes a .fbin; the number of rows is filled in at the end, so they may be more than fit into memory. Appears at PATH
// only by finish(). Threads: one at a time.
class VectorFileWriter {
 public:
  // REQUIRES: dim is 1 to kVectorDimMax.
  VectorFileWriter(const std::string& path, size_t dim);

  // rows [n, dim]. Throws invalid_argument where the format's 2^32 - 1 rows are exceeded.
  void append(std::span<const float> rows);
  void finish();
  uint64_t row_count() const { return row_count_; }

 private:
  ByteWriter out_;
  size_t dim_;
  uint64_t row_count_ = 0;
};

}  // namespace sextant::io
