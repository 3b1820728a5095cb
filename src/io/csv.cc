#include "io/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr size_t kCsvBufferBytes = size_t{1} << 17;
constexpr size_t kFieldsMax = size_t{1} << 16;
constexpr const char* kAfterQuote = "text follows a closing quote; a quote inside a quoted field is written twice";

char delimiter_for(std::string_view path) {
  if (path.ends_with(".zst")) path.remove_suffix(4);
  return path.ends_with(".tsv") || path.ends_with(".tab") ? '\t' : ',';
}

}  // namespace

CsvReader::CsvReader(const std::string& path, const CsvOptions& options) : bytes_(path), options_(options) {
  if (options_.delimiter == '\0') options_.delimiter = delimiter_for(path);
  if (options_.delimiter == '"' || options_.delimiter == '\n' || options_.delimiter == '\r') {
    throw Error(ErrorCode::invalid_argument, "a CSV delimiter cannot be a quote or a line end");
  }
  buffer_.resize(kCsvBufferBytes);
  if (!read_record()) return;
  field_count_ = fields_.size();
  if (options_.header) {
    names_.assign(fields_.begin(), fields_.end());
  } else {
    pending_ = true;
  }
}

void CsvReader::fail(uint64_t line, const std::string& what) const {
  throw Error(ErrorCode::corrupted, fmt::format("{}: line {}: {}", name(), line, what));
}

bool CsvReader::fill() {
  if (begin_ < end_) return true;
  begin_ = 0;
  end_ = bytes_.read(buffer_.data(), buffer_.size());
  if (at_start_) {
    at_start_ = false;
    while (end_ < kByteOrderMark.size()) {
      size_t n = bytes_.read(buffer_.data() + end_, buffer_.size() - end_);
      if (n == 0) break;
      end_ += n;
    }
    if (std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) begin_ = kByteOrderMark.size();
  }
  return begin_ < end_ || (begin_ > 0 && begin_ == end_ && fill());
}

bool CsvReader::read_record() {
  while (true) {
    record_.clear();
    bounds_.clear();
    fields_.clear();
    record_line_ = line_;
    bool any = false;      // a byte of this record was seen
    bool quoted = false;   // inside quotes
    bool closed = false;   // the field's closing quote was seen
    bool started = false;  // the field has a byte, or had a quote
    uint64_t quote_line = 0;
    bool carriage = false;  // record_ ends with a CR that is not inside quotes
    while (true) {
      if (!fill()) {
        if (quoted) fail(quote_line, "a quote opened here is never closed");
        if (!any) return false;
        break;
      }
      any = true;
      const char* from = buffer_.data() + begin_;
      size_t available = end_ - begin_;
      // Copies the stretch without special bytes at once.
      size_t plain = 0;
      if (quoted) {
        const void* quote = std::memchr(from, '"', available);
        plain = quote ? static_cast<size_t>(static_cast<const char*>(quote) - from) : available;
        line_ += static_cast<uint64_t>(std::count(from, from + plain, '\n'));
      } else {
        while (plain < available && from[plain] != options_.delimiter && from[plain] != '\n' && from[plain] != '"') {
          ++plain;
        }
      }
      if (record_.size() + plain > options_.record_bytes_max) {
        throw Error(
            ErrorCode::exhausted,
            fmt::format("{}: the record that begins in line {} is longer than the limit of {} bytes{}", name(),
                        record_line_, options_.record_bytes_max,
                        quoted ? fmt::format("; a quote opened in line {} is not closed yet", quote_line) : ""));
      }
      if (plain > 0) {
        if (closed && std::string_view(from, plain) != "\r") {
          fail(line_, kAfterQuote);
        }
        record_.append(from, plain);
        begin_ += plain;
        carriage = !quoted && record_.back() == '\r';
        started = true;
        if (begin_ == end_) continue;
      }
      char c = buffer_[begin_++];
      if (quoted) {
        // Whether this quote closes the field depends on the byte after it.
        if (fill() && buffer_[begin_] == '"') {
          record_ += '"';
          ++begin_;
        } else {
          quoted = false;
          closed = true;
        }
      } else if (c == '"') {
        if (!started && options_.quotes) {
          quoted = true;
          started = true;
          quote_line = line_;
        } else if (closed) {
          fail(line_, kAfterQuote);
        } else {
          record_ += c;
          started = true;
          carriage = false;
        }
      } else {
        if (c == '\n') {
          ++line_;
          break;
        }
        if (closed && carriage) fail(line_, kAfterQuote);
        bounds_.push_back(record_.size());
        if (bounds_.size() >= (field_count_ ? field_count_ : kFieldsMax)) {
          fail(record_line_, fmt::format("has more than {} fields", field_count_ ? field_count_ : kFieldsMax));
        }
        started = closed = carriage = false;
      }
    }
    if (carriage) record_.pop_back();
    if (bounds_.empty() && record_.empty() && !closed) continue;  // an empty line
    bounds_.push_back(record_.size());
    size_t start = 0;
    for (size_t bound : bounds_) {
      fields_.push_back(std::string_view(record_).substr(start, bound - start));
      start = bound;
    }
    return true;
  }
}

bool CsvReader::next() {
  if (pending_) {
    pending_ = false;
    return true;
  }
  if (field_count_ == 0 || !read_record()) return false;
  if (fields_.size() != field_count_) {
    fail(record_line_, fmt::format("has {} fields, the first record has {}", fields_.size(), field_count_));
  }
  return true;
}

size_t CsvReader::column(std::string_view name_or_number) const {
  for (size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name_or_number) return i;
  }
  size_t number = 0;
  const char* last = name_or_number.data() + name_or_number.size();
  auto [end, error] = std::from_chars(name_or_number.data(), last, number);
  if (error == std::errc() && end == last && number < field_count_) return number;
  std::string known = names_.empty() ? fmt::format("numbers 0 to {}", field_count_ ? field_count_ - 1 : 0)
                                     : fmt::format("{}", fmt::join(names_, ", "));
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: has no column '{}', expected one of: {}", name(), name_or_number, known.substr(0, 400)));
}

void CsvWriter::write(std::span<const std::string_view> fields) {
  line_.clear();
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line_ += delimiter_;
    std::string_view field = fields[i];
    // A single empty field would be an empty line, which readers skip.
    bool must_quote = (field.empty() && fields.size() == 1) ||
                      field.find_first_of("\"\r\n") != std::string_view::npos ||
                      field.find(delimiter_) != std::string_view::npos;
    if (!must_quote) {
      line_ += field;
      continue;
    }
    line_ += '"';
    for (char c : field) {
      if (c == '"') line_ += '"';
      line_ += c;
    }
    line_ += '"';
  }
  line_ += '\n';
  out_.write(line_);
}

}  // namespace sextant::io
