// io/duckdb.h: DuckDB (duckdb.org), which reads and writes Parquet: its library, where it is found, and a session of
// it.
//
// The library is no part of Sextant and is loaded when it is first needed. It is looked for as
//   $SEXTANT_DUCKDB                                       a file; where this is set, nothing else is tried
//   libduckdb.so beside the program, in ../lib and ../lib/sextant of it
//   ~/.local/lib/sextant/libduckdb.so                     where tools/duckdb.sh puts it
//   libduckdb.so                                          on the system's library path
// A session is a database in memory that may open one file and nothing else: no other path, no network, no extension.
// Threads: finding the library from any; a session one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "io/duckdb_api.h"
#include "sextant/error.h"

namespace sextant::io {

// Throws unsupported, which says how to get it, where there is none or it is older than 1.0. PURPOSE begins the
// message: "reading Parquet".
const duck::Api& duckdb_library(std::string_view purpose = "reading Parquet");
bool has_duckdb();
// "v1.5.6"; empty where there is none.
std::string duckdb_version();

// What it takes to run queries over one file, under a limit of memory.
struct DuckSessionOptions {
  // The one path that queries may read or write; "/proc/self/fd/N" for a file that is open, whatever its name.
  std::string allowed_path = {};
  std::string shown_name = {};  // what messages call that path
  bool writes = false;          // the file is made, so that what goes wrong is not its fault
  uint64_t memory_bytes_max = uint64_t{1} << 30;
  size_t thread_count = 1;
};

class DuckResult;

class DuckSession {
 public:
  explicit DuckSession(const DuckSessionOptions& options);
  DuckSession(const DuckSession&) = delete;
  DuckSession& operator=(const DuckSession&) = delete;
  ~DuckSession();

  // The whole answer at once. Throws as fail() does.
  DuckResult query(const std::string& sql);
  // An answer whose chunks are made as they are fetched.
  DuckResult stream(const std::string& sql);

  const duck::Api& api() const { return api_; }
  duck::Connection connection() const { return connection_; }

  // Throws the library's MESSAGE on one line, with the file's own name: exhausted where memory or disk ran out,
  // otherwise corrupted for a file that is read, unavailable or invalid_argument for one that is written.
  [[noreturn]] void fail(const char* message) const;

 private:
  bool set(const std::string& setting);

  const duck::Api& api_;
  DuckSessionOptions options_;
  duck::Database database_ = nullptr;
  duck::Connection connection_ = nullptr;
};

// REQUIRES: does not outlive its session.
class DuckResult {
 public:
  explicit DuckResult(const DuckSession& session) : session_(&session) {}
  DuckResult(DuckResult&& other) noexcept : session_(other.session_), result_(other.result_) { other.result_ = {}; }
  DuckResult& operator=(DuckResult&&) = delete;
  ~DuckResult() { session_->api().destroy_result(&result_); }

  duck::Result* get() { return &result_; }
  size_t column_count() { return session_->api().column_count(&result_); }
  // Null at the end. Throws as DuckSession::fail. The caller destroys it.
  duck::Chunk next_chunk();

 private:
  const DuckSession* session_;
  duck::Result result_;
};

// NAME as an SQL identifier, TEXT as an SQL string.
std::string sql_name(std::string_view name);
std::string sql_text(std::string_view text);

}  // namespace sextant::io
