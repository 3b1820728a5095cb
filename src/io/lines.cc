#include "io/lines.h"

#include <fmt/format.h>

#include <cstring>

#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr size_t kStartBytes = size_t{1} << 18;

}  // namespace

LineReader::LineReader(const std::string& path, const LineOptions& options)
    : bytes_(path), line_bytes_max_(options.line_bytes_max) {
  buffer_.resize(kStartBytes);
}

bool LineReader::next(std::string_view& line) {
  size_t searched = 0;  // bytes from begin_ that hold no line end
  while (true) {
    const char* start = buffer_.data() + begin_;
    const void* found = std::memchr(start + searched, '\n', end_ - begin_ - searched);
    size_t length = found ? static_cast<size_t>(static_cast<const char*>(found) - start) : end_ - begin_;
    if (length > line_bytes_max_ + 1) {
      throw Error(ErrorCode::exhausted, fmt::format("{}: line {} is longer than the limit of {} bytes", name(),
                                                    line_number_ + 1, line_bytes_max_));
    }
    if (found || (at_end_ && length > 0)) {
      line = std::string_view(start, length);
      begin_ += length + (found ? 1 : 0);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line_number_++ == 0 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
      if (line.size() > line_bytes_max_) {
        throw Error(ErrorCode::exhausted, fmt::format("{}: line {} is {} bytes long, the limit is {}", name(),
                                                      line_number_, line.size(), line_bytes_max_));
      }
      return true;
    }
    if (at_end_) return false;
    searched = length;
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, length);
      end_ = length;
      begin_ = 0;
    }
    // Doubling keeps the work linear in the length of the line.
    if (end_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
    size_t n = bytes_.read(buffer_.data() + end_, buffer_.size() - end_);
    end_ += n;
    at_end_ = n == 0;
  }
}

}  // namespace sextant::io
