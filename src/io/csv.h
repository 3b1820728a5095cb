// io/csv.h: comma- and tab-separated values (RFC 4180), streamed in both directions.
//
// A field in double quotes may hold delimiters, line ends and doubled quotes; a quote inside a field that did not
// begin with one is an ordinary character. Lines end with LF or CR LF. Empty lines are skipped; a byte order mark is
// skipped. Every record must have as many fields as the first. Errors name the file and the line.
// Memory: the longest record, at most record_bytes_max.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/bytes.h"

namespace sextant::io {

struct CsvOptions {
  char delimiter = '\0';  // '\0': a tab for names ending in .tsv, .tab, .tsv.zst or .tab.zst, else a comma
  bool header = true;     // the first record names the columns
  bool quotes = true;     // false: quotes are ordinary characters and a record is a line
  size_t record_bytes_max = size_t{1} << 26;
};

class CsvReader {
 public:
  explicit CsvReader(const std::string& path, const CsvOptions& options = {});

  // Moves to the next record; false at the end. Throws corrupted for a quote that is never closed, for text after a
  // closing quote and for a wrong number of fields; exhausted for a record longer than record_bytes_max.
  bool next();
  // The fields of the current record, valid until next().
  std::span<const std::string_view> fields() const { return fields_; }

  // The names in the header; empty without one.
  const std::vector<std::string>& names() const { return names_; }
  // The index of a column by name, or by number from 0 where no column has that name. Throws invalid_argument and
  // lists the columns that there are.
  size_t column(std::string_view name_or_number) const;

  uint64_t line_number() const { return record_line_; }  // where the current record begins, from 1
  const std::string& name() const { return bytes_.name(); }

 private:
  bool read_record();
  bool fill();
  [[noreturn]] void fail(uint64_t line, const std::string& what) const;

  ByteReader bytes_;
  CsvOptions options_;
  std::string buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool at_start_ = true;
  std::string record_;          // the unquoted fields, end to end
  std::vector<size_t> bounds_;  // where each field of record_ ends
  std::vector<std::string_view> fields_;
  std::vector<std::string> names_;
  bool pending_ = false;    // the first record was read ahead to count the fields
  size_t field_count_ = 0;  // of every record; 0 before the first
  uint64_t line_ = 1;
  uint64_t record_line_ = 0;
};

// One record a call; fields are quoted where they must be. Lines end with LF.
class CsvWriter {
 public:
  explicit CsvWriter(const std::string& path, char delimiter = ',') : out_(path), delimiter_(delimiter) {}
  void write(std::span<const std::string_view> fields);
  void finish() { out_.finish(); }

 private:
  ByteWriter out_;
  char delimiter_;
  std::string line_;
};

}  // namespace sextant::io
