// io/lines.h: the lines of a file, of standard input, or of a zstd stream, one at a time.
//
// A line ends with LF or CR LF, neither of which belongs to it; the last may lack its end. A byte order mark at the
// start is skipped. NULs and invalid UTF-8 are passed on as they are.
// Memory: the longest line seen, at most line_bytes_max, plus ByteReader's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "io/bytes.h"

namespace sextant::io {

struct LineOptions {
  size_t line_bytes_max = size_t{1} << 26;
};

class LineReader {
 public:
  explicit LineReader(const std::string& path, const LineOptions& options = {});

  // Sets LINE, valid until the next call. False at the end. Throws exhausted for a line longer than line_bytes_max.
  bool next(std::string_view& line);

  uint64_t line_number() const { return line_number_; }  // of the line last returned, from 1
  const std::string& name() const { return bytes_.name(); }

 private:
  ByteReader bytes_;
  size_t line_bytes_max_;
  std::string buffer_;
  size_t begin_ = 0;  // unread bytes of buffer_ are [begin_, end_)
  size_t end_ = 0;
  bool at_end_ = false;
  uint64_t line_number_ = 0;
};

}  // namespace sextant::io
