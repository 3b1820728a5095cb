// io/table_writer.h: rows out, in the forms that io/rows.h reads.
//
//   .parquet        columns id, text, payload (JSON), vector (a list of float32); needs DuckDB's library (io/duckdb.h)
//   .jsonl .ndjson  {"id", "text", "vector", "payload"} a line, what a row does not have left out
//   .npy .fbin      the vectors alone
// A file appears complete, by finish(), or not at all. Memory: a few thousand rows; of Parquet a row group of about
// 64 MB and what DuckDB needs to pack it. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "io/rows.h"

namespace sextant::io {

struct SinkOptions {
  bool has_text = true;      // of Parquet: whether there are such columns
  bool has_payload = true;   //
  bool numeric_ids = false;  // of Parquet: ids are unsigned integers, and so is their column; else text
};

class RowSink {
 public:
  RowSink(std::string name, size_t dim) : name_(std::move(name)), dim_(dim) {}
  RowSink(const RowSink&) = delete;
  RowSink& operator=(const RowSink&) = delete;
  virtual ~RowSink() = default;

  // Throws invalid_argument where the row's vector has not dim() numbers, exhausted where the disk is full; afterwards
  // nothing can be written.
  void write(const Row& row);
  // REQUIRES: called at most once, nothing is written afterwards.
  virtual void finish() = 0;

  // What of a row this form has no place for: "ids, texts and payloads"; empty where it has one for all.
  virtual std::string_view leaves_out() const { return {}; }
  size_t dim() const { return dim_; }
  uint64_t row_count() const { return row_count_; }
  const std::string& name() const { return name_; }

 protected:
  virtual void append(const Row& row) = 0;

 private:
  std::string name_;
  size_t dim_;
  uint64_t row_count_ = 0;
};

// DIM is 0 for rows without vectors. Throws invalid_argument for an ending that is not listed above, unsupported for
// Parquet without DuckDB's library.
std::unique_ptr<RowSink> open_sink(const std::string& path, size_t dim, const SinkOptions& options = {});

}  // namespace sextant::io
