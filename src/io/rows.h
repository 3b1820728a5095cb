// io/rows.h: rows that people have in files: an id, a payload, a text, a vector, whatever the file's kind.
//
//   .jsonl .ndjson          an object a line                                  plain, .zst or .gz
//   .json                   a list of objects, or objects one after another   plain, .zst or .gz
//   .csv .tsv .tab          a header, then records; see below                 plain, .zst or .gz
//   .npy .fbin .u8bin .i8bin .fvecs .bvecs   vectors alone; the id is the row's number      plain or .zst
//   .parquet                columns; needs DuckDB's library (io/duckdb.h)
//   "-"                     JSON lines from standard input
// Which fields mean what is in RowOptions; docs/files.md says it for users. What is neither id, text nor vector is the
// payload. A file means the same on every machine: only Parquet is read by DuckDB.
// In a CSV an empty field is null. A column whose other fields are all integers, all numbers or all true or false is
// that in the payload, a column of anything else is text; the file is read twice to know.
// Nothing is trusted: every error names the file, the row and the field, what was found and what was expected.
// Memory: a row; of Parquet a batch of 2,048. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sextant::io {

struct Row {
  std::optional<std::string> id;    // an unsigned integer's digits, a UUID, or any text
  std::string payload_json;         // an object
  std::optional<std::string> text;  // none where the field is absent or null
  std::vector<float> vector;        // empty in a file without vectors; finite, of one length in all rows
  uint64_t number = 0;              // in the file, from 0
};

// Where no name is given, a column of the default name is taken if there is one; "" says that there is none.
struct RowOptions {
  std::optional<std::string> id_column = {};       // "id"
  std::optional<std::string> text_column = {};     // "text"
  std::optional<std::string> vector_column = {};   // "vector", else "embedding"
  std::optional<std::string> payload_column = {};  // "payload" where it holds an object: then that is the payload
  std::vector<std::string> payload_fields = {};    // the only ones that a payload is made of; empty: all
  bool has_payload = true;                         // false: none is made
  size_t row_bytes_max = size_t{1} << 26;          // of a line, an object, a record, a payload
  uint64_t memory_bytes_max = uint64_t{1} << 30;   // DuckDB's
  size_t thread_count = 1;                         // DuckDB's
};

class RowSource {
 public:
  RowSource(std::string name, const RowOptions& options);
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;
  virtual ~RowSource() = default;

  // Fills ROW anew; false at the end. Throws corrupted for a file or a row that is not what it must be, exhausted for
  // a row over the limit. After an error there is nothing to read on.
  bool next(Row& row);

  // Of the vectors; 0 before the first row and in a file without vectors.
  size_t dim() const { return dim_; }
  // How many rows there are, where the file says so.
  virtual std::optional<uint64_t> row_count() const { return std::nullopt; }
  // Fields that stood beside a payload and belong to nothing, and in how many rows; of the first kFieldsNamedMax names.
  const std::map<std::string, uint64_t, std::less<>>& fields_left_out() const { return left_out_; }
  const std::string& name() const { return name_; }

 protected:
  // The next row but for its number; payload_json stays "{}" where there is none.
  virtual bool read(Row& row) = 0;
  // What messages call the row that read() is at: "row 7", "line 8".
  virtual std::string place() const { return "row " + std::to_string(number_); }

  [[noreturn]] void fail(const std::string& what) const;
  void note_left_out(std::string_view field);
  const RowOptions& options() const { return options_; }
  uint64_t number() const { return number_; }

  // The names that count: those of the options or the defaults, "" for none. read() settles on one for the vector.
  std::string_view id_name() const { return name_or(options_.id_column, "id"); }
  std::string_view text_name() const { return name_or(options_.text_column, "text"); }
  std::string_view payload_name() const { return name_or(options_.payload_column, "payload"); }
  // Whether a payload is made of this field.
  bool is_wanted(std::string_view field) const;

  std::string vector_name_;

 private:
  static std::string_view name_or(const std::optional<std::string>& chosen, std::string_view otherwise) {
    return chosen ? std::string_view(*chosen) : otherwise;
  }
  void check_vector(const Row& row);

  std::string name_;
  RowOptions options_;
  uint64_t number_ = 0;  // of the row that read() is at
  size_t dim_ = 0;
  std::map<std::string, uint64_t, std::less<>> left_out_;
};

inline constexpr size_t kFieldsNamedMax = 100;

// PATH's ending says what it is. Throws not_found, invalid_argument (an ending that is not listed above, a column that
// is not there), unsupported (Parquet without DuckDB's library) and what the readers throw.
std::unique_ptr<RowSource> open_rows(const std::string& path, const RowOptions& options = {});

}  // namespace sextant::io
