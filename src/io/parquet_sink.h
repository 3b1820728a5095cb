// io/parquet_sink.h: rows into Parquet through DuckDB (io/table_writer.h).
#pragma once

#include <memory>
#include <string>

#include "io/table_writer.h"

namespace sextant::io {

// DuckDB asks for rows where we have them to give: its query runs in a thread of its own and waits for batches.
class ParquetSink : public RowSink {
 public:
  ParquetSink(const std::string& path, size_t dim, const SinkOptions& options);
  ~ParquetSink() override;
  void finish() override;

 protected:
  void append(const Row& row) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant::io
