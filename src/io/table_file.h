// io/table_file.h: rows of Parquet, and of what else DuckDB reads, streamed (io/rows.h, io/duckdb.h).
//
//   .parquet                          what io/rows.h opens
//   .csv .tsv .json .jsonl .ndjson    the same with DuckDB's own guesses of types; plain, .gz or .zst
// Types become JSON as io/duck_value.h says. The vector is a list or an array of numbers, or a text that is a JSON list
// of them; the id an integer, a UUID or a text; the payload all other columns, or the one column that is meant.
// The file is opened here and handed to DuckDB as what is open: no name of it is ever part of a query.
// Memory: a batch of 2,048 rows, and what DuckDB needs within options.memory_bytes_max: a row group's columns.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/rows.h"

namespace sextant::io {

struct TableColumn {
  std::string name;
  std::string type;  // "int64", "list of float32"
};

class TableReader : public RowSource {
 public:
  // Throws unsupported without DuckDB's library, not_found, invalid_argument (a column that is not there, or cannot be
  // what it is meant to be), corrupted.
  TableReader(const std::string& path, const RowOptions& row_options);
  ~TableReader() override;

  // All columns of the file, in its order.
  const std::vector<TableColumn>& columns() const;
  std::optional<uint64_t> row_count() const override;

 protected:
  bool read(Row& row) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant::io
