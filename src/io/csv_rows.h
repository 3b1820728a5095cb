// io/csv_rows.h: rows from CSV: a header, then a record a row (io/rows.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/csv.h"
#include "io/rows.h"

namespace sextant::io {

class CsvRows : public RowSource {
 public:
  // Reads the whole file once, to learn what its columns hold.
  CsvRows(const std::string& path, const RowOptions& row_options);
  std::optional<uint64_t> row_count() const override { return row_count_; }

 protected:
  bool read(Row& row) override;
  std::string place() const override;

 private:
  enum class Kind { empty, truth, integer, number, text };
  static Kind kind_of(std::string_view field);
  static Kind both(Kind a, Kind b);
  // Columns' places by name; nothing where the name is "" or a default that is not there.
  std::optional<size_t> find(const std::optional<std::string>& chosen, std::string_view otherwise) const;
  void append(std::string& out, size_t column, std::string_view field) const;

  CsvReader csv_;
  std::optional<size_t> id_, text_, vector_, payload_;
  std::vector<size_t> fields_;  // the columns that the payload is made of
  std::vector<Kind> kinds_;
  uint64_t row_count_ = 0;
};

}  // namespace sextant::io
