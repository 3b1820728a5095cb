// io/testing_duckdb.h: for tests: files that DuckDB writes by an SQL query.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "io/duckdb.h"

// Where DuckDB's library is not installed there is nothing to test.
#define SEXTANT_NEEDS_DUCKDB() \
  if (!sextant::io::has_duckdb()) GTEST_SKIP() << "DuckDB's library is not here: run tools/duckdb.sh"

namespace sextant::io {

// The answer to QUERY as a Parquet file (or what FORMAT says) at PATH.
inline void write_by_duckdb(const std::string& path, const std::string& query,
                            const std::string& format = "FORMAT parquet") {
  DuckSession session({.allowed_path = path, .shown_name = path});
  session.query("COPY (" + query + ") TO " + sql_text(path) + " (USE_TMP_FILE false, " + format + ")");
}

}  // namespace sextant::io
