#include "io/table_writer.h"

#include <fmt/format.h>

#include <charconv>

#include "io/bytes.h"
#include "io/jsonl.h"
#include "io/npy.h"
#include "io/parquet_sink.h"
#include "io/vector_file.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr std::string_view kAllButVectors = "ids, texts and payloads";

class JsonLineSink : public RowSink {
 public:
  JsonLineSink(const std::string& path, size_t vector_dim) : RowSink(path, vector_dim), out_(path) {}
  void finish() override { out_.finish(); }

 protected:
  void append(const Row& row) override {
    line_ = "{";
    auto begin = [&](std::string_view key) {
      if (line_.size() > 1) line_ += ',';
      line_.append("\"").append(key).append("\":");
    };
    if (row.id) {
      begin("id");
      if (is_number(*row.id)) {
        line_ += *row.id;
      } else {
        append_json_string(line_, *row.id);
      }
    }
    if (row.text) {
      begin("text");
      append_json_string(line_, *row.text);
    }
    if (!row.vector.empty()) {
      begin("vector");
      line_ += '[';
      for (size_t i = 0; i < row.vector.size(); ++i) {
        if (i > 0) line_ += ',';
        append_json_number(line_, row.vector[i]);
      }
      line_ += ']';
    }
    if (row.payload_json != "{}") {
      begin("payload");
      line_ += row.payload_json;
    }
    line_ += "}\n";
    out_.write(line_);
  }

 private:
  // Whether the digits are those of a number of 64 bits and of nothing else: "007" is a name.
  static bool is_number(const std::string& id) {
    uint64_t value = 0;
    auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), value);
    return error == std::errc() && end == id.data() + id.size() && (id[0] != '0' || id.size() == 1);
  }

  ByteWriter out_;
  std::string line_;
};

class NpySink : public RowSink {
 public:
  NpySink(const std::string& path, size_t vector_dim)
      : RowSink(path, vector_dim), out_(path, NpyType::float32, vector_dim) {}
  void finish() override { out_.finish(); }
  std::string_view leaves_out() const override { return kAllButVectors; }

 protected:
  void append(const Row& row) override { out_.append(std::span<const float>(row.vector)); }

 private:
  NpyWriter out_;
};

class FbinSink : public RowSink {
 public:
  FbinSink(const std::string& path, size_t vector_dim) : RowSink(path, vector_dim), out_(path, vector_dim) {}
  void finish() override { out_.finish(); }
  std::string_view leaves_out() const override { return kAllButVectors; }

 protected:
  void append(const Row& row) override { out_.append(row.vector); }

 private:
  VectorFileWriter out_;
};

}  // namespace

void RowSink::write(const Row& row) {
  if (row.vector.size() != dim_) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: row {}: its vector has {} numbers, expected {}", name_,
                                                         row_count_, row.vector.size(), dim_));
  }
  append(row);
  ++row_count_;
}

std::unique_ptr<RowSink> open_sink(const std::string& path, size_t dim, const SinkOptions& options) {
  if (dim > kVectorDimMax) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: vectors of {} numbers, expected at most {}", path, dim, kVectorDimMax));
  }
  if (path.ends_with(".parquet")) return std::make_unique<ParquetSink>(path, dim, options);
  if (path == "-" || path.ends_with(".jsonl") || path.ends_with(".ndjson")) {
    return std::make_unique<JsonLineSink>(path, dim);
  }
  if (path.ends_with(".npy") || path.ends_with(".fbin")) {
    if (dim == 0) throw Error(ErrorCode::invalid_argument, path + ": holds vectors, and these rows have none");
    if (path.ends_with(".npy")) return std::make_unique<NpySink>(path, dim);
    return std::make_unique<FbinSink>(path, dim);
  }
  throw Error(ErrorCode::invalid_argument, fmt::format("output '{}' has an unknown ending, expected .parquet, .jsonl, "
                                                       ".ndjson, .npy or .fbin",
                                                       path));
}

}  // namespace sextant::io
