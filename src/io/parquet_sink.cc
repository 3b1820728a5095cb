#include "io/parquet_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/files.h"
#include "io/duckdb.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr size_t kChunkRows = 2048;  // the library's own
constexpr size_t kBatchBytes = size_t{8} << 20;
constexpr size_t kGroupBytes = size_t{64} << 20;
constexpr size_t kGroupRowsMin = 1024;
constexpr size_t kGroupRowsMax = 122880;

struct SinkBatch {
  std::vector<std::optional<std::string>> ids, texts;
  std::vector<std::string> payloads;
  std::vector<float> vectors;  // [rows, dim]
  size_t rows = 0;
  size_t bytes = 0;
};

}  // namespace

struct ParquetSink::Impl {
  size_t dim;
  SinkOptions options;
  base::FileReplacement file;
  DuckSession session;
  SinkBatch filling;

  // Between the two threads, under the mutex.
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<SinkBatch> ready;  // waits to be taken
  bool ended = false;              // nothing comes behind READY
  bool given_up = false;           // nobody wants the file any more
  bool done = false;               // the query has ended
  std::exception_ptr error;        // why, where it did so too early

  std::thread writer;

  Impl(const std::string& path, size_t vector_dim, const SinkOptions& sink_options)
      : dim(vector_dim),
        options(sink_options),
        // Without the library no file is begun.
        file((duckdb_library("writing Parquet"), path)),
        session(
            {.allowed_path = fmt::format("/proc/self/fd/{}", file.descriptor()), .shown_name = path, .writes = true}) {}

  void start() {
    const duck::Api& api = session.api();
    duck::TableFunction function = api.create_table_function();
    api.table_function_set_name(function, "sextant_rows");
    api.table_function_set_extra_info(function, this, nullptr);
    api.table_function_set_bind(function, [](duck::BindInfo info) { bind(info); });
    api.table_function_set_init(function, [](duck::InitInfo) {});
    api.table_function_set_function(function, [](duck::FunctionInfo info, duck::Chunk chunk) { fill(info, chunk); });
    const duck::State state = api.register_table_function(session.connection(), function);
    api.destroy_table_function(&function);
    if (state != duck::kSuccess) session.fail("DuckDB does not take a table of ours");
    const size_t row_bytes = dim * sizeof(float) + 256;
    const std::string sql = fmt::format(
        "COPY (SELECT id{}{}{} FROM sextant_rows()) TO '/proc/self/fd/{}' "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {}, USE_TMP_FILE false)",
        options.has_text ? ", text" : "", options.has_payload ? ", payload::JSON AS payload" : "",
        dim > 0 ? ", vector" : "", file.descriptor(),
        std::clamp(kGroupBytes / row_bytes, kGroupRowsMin, kGroupRowsMax));
    writer = std::thread([this, sql] {
      std::exception_ptr failure;
      try {
        session.query(sql);
      } catch (...) {
        failure = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      error = failure;
      done = true;
      changed.notify_all();
    });
  }

  ~Impl() {
    if (!writer.joinable()) return;
    {
      const std::lock_guard lock(mutex);
      given_up = true;
      changed.notify_all();
    }
    writer.join();
  }

  // Hands over what was filled, once what was handed over before is taken.
  void flush(bool last) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !ready || done; });
    if (error) std::rethrow_exception(error);
    if (filling.rows > 0) ready = std::move(filling);
    filling = {};
    ended = last;
    changed.notify_all();
  }

  void join() {
    writer.join();
    if (error) std::rethrow_exception(error);
  }

  // The next batch; nothing at the end. Runs in the library's call.
  std::optional<SinkBatch> take() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready || ended || given_up; });
    if (given_up) throw Error(ErrorCode::unavailable, "the rows have been given up");
    std::optional<SinkBatch> batch = std::move(ready);
    ready.reset();
    changed.notify_all();
    return batch;
  }

  // The two calls that come from the library. Nothing may be thrown through it.
  static void bind(duck::BindInfo info) {
    const duck::Api& api = duckdb_library();
    const auto& impl = *static_cast<const Impl*>(api.bind_get_extra_info(info));
    auto column = [&](const char* name, duck::TypeId id) {
      duck::LogicalType type = api.create_logical_type(id);
      api.bind_add_result_column(info, name, type);
      api.destroy_logical_type(&type);
    };
    column("id", impl.options.numeric_ids ? duck::TypeId::uint64 : duck::TypeId::text);
    if (impl.options.has_text) column("text", duck::TypeId::text);
    if (impl.options.has_payload) column("payload", duck::TypeId::text);
    if (impl.dim > 0) {
      duck::LogicalType number = api.create_logical_type(duck::TypeId::float32);
      duck::LogicalType list = api.create_list_type(number);
      api.bind_add_result_column(info, "vector", list);
      api.destroy_logical_type(&list);
      api.destroy_logical_type(&number);
    }
  }

  static void fill(duck::FunctionInfo info, duck::Chunk chunk) {
    const duck::Api& api = duckdb_library();
    auto& impl = *static_cast<Impl*>(api.function_get_extra_info(info));
    try {
      const std::optional<SinkBatch> batch = impl.take();
      if (batch) impl.copy(*batch, chunk);
      api.data_chunk_set_size(chunk, batch ? batch->rows : 0);
    } catch (const std::exception& failure) {
      api.function_set_error(info, failure.what());
    }
  }

  void copy(const SinkBatch& batch, duck::Chunk chunk) const {
    const duck::Api& api = session.api();
    uint64_t column = 0;
    auto set_null = [&](duck::Vector vector, size_t row) {
      api.vector_ensure_validity_writable(vector);
      api.validity_set_row_invalid(api.vector_get_validity(vector), row);
    };
    auto copy_texts = [&](const auto& texts) {
      const duck::Vector vector = api.data_chunk_get_vector(chunk, column++);
      for (size_t row = 0; row < batch.rows; ++row) {
        if (texts[row]) {
          api.vector_assign_string_element_len(vector, row, texts[row]->data(), texts[row]->size());
        } else {
          set_null(vector, row);
        }
      }
    };
    if (options.numeric_ids) {
      const duck::Vector vector = api.data_chunk_get_vector(chunk, column++);
      auto* numbers = static_cast<uint64_t*>(api.vector_get_data(vector));
      for (size_t row = 0; row < batch.rows; ++row) {
        const std::string id = batch.ids[row].value_or("");
        if (id.empty()) set_null(vector, row);
        std::from_chars(id.data(), id.data() + id.size(), numbers[row]);
      }
    } else {
      copy_texts(batch.ids);
    }
    if (options.has_text) copy_texts(batch.texts);
    if (options.has_payload) {
      const duck::Vector vector = api.data_chunk_get_vector(chunk, column++);
      for (size_t row = 0; row < batch.rows; ++row) {
        api.vector_assign_string_element_len(vector, row, batch.payloads[row].data(), batch.payloads[row].size());
      }
    }
    if (dim > 0) {
      const duck::Vector vector = api.data_chunk_get_vector(chunk, column++);
      if (api.list_vector_reserve(vector, batch.rows * dim) != duck::kSuccess ||
          api.list_vector_set_size(vector, batch.rows * dim) != duck::kSuccess) {
        throw Error(ErrorCode::exhausted, "no memory for a batch of vectors");
      }
      std::memcpy(api.vector_get_data(api.list_vector_get_child(vector)), batch.vectors.data(),
                  batch.vectors.size() * sizeof(float));
      auto* entries = static_cast<duck::ListEntry*>(api.vector_get_data(vector));
      for (size_t row = 0; row < batch.rows; ++row) entries[row] = {row * dim, dim};
    }
  }
};

ParquetSink::ParquetSink(const std::string& path, size_t dim, const SinkOptions& options)
    : RowSink(path, dim), impl_(std::make_unique<Impl>(path, dim, options)) {
  impl_->start();
}

ParquetSink::~ParquetSink() = default;

void ParquetSink::append(const Row& row) {
  Impl& s = *impl_;
  if (s.options.numeric_ids && row.id) {
    uint64_t ignored = 0;
    auto [end, error] = std::from_chars(row.id->data(), row.id->data() + row.id->size(), ignored);
    if (error != std::errc() || end != row.id->data() + row.id->size()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: row {}: id '{}' is not an unsigned integer", name(), row_count(), *row.id));
    }
  }
  SinkBatch& batch = s.filling;
  batch.ids.push_back(row.id);
  batch.bytes += row.id ? row.id->size() : 0;
  if (s.options.has_text) {
    batch.texts.push_back(row.text);
    batch.bytes += row.text ? row.text->size() : 0;
  }
  if (s.options.has_payload) {
    batch.payloads.push_back(row.payload_json);
    batch.bytes += row.payload_json.size();
  }
  batch.vectors.insert(batch.vectors.end(), row.vector.begin(), row.vector.end());
  batch.bytes += row.vector.size() * sizeof(float);
  if (++batch.rows == kChunkRows || batch.bytes >= kBatchBytes) s.flush(false);
}

void ParquetSink::finish() {
  impl_->flush(true);
  impl_->join();
  impl_->file.commit();
}

}  // namespace sextant::io
