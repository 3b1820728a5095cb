#include "engine/embed_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/files.h"
#include "base/threads.h"
#include "io/bytes.h"
#include "io/jsonl.h"
#include "io/npy.h"
#include "io/table_writer.h"
#include "sextant/error.h"
#include "text/chunk.h"

namespace sextant::engine {
namespace {

constexpr size_t kSlicesPerThread = 4;  // in a batch, so that uneven texts balance
constexpr size_t kStagedRows = 4096;
constexpr size_t kBatchBytes = size_t{4} << 20;

// One row a call, in order.
class RowSink {
 public:
  virtual ~RowSink() = default;
  // ROWS are consecutive: [items.size(), row bytes of the precision].
  virtual void write(std::span<const uint64_t> items, std::span<const uint8_t> rows) = 0;
  virtual void finish() = 0;
};

class NpySink : public RowSink {
 public:
  NpySink(const std::string& path, const std::string& items_path, Precision precision, size_t dim)
      : rows_(path, type_of(precision), precision == Precision::float32 ? dim : row_bytes(precision, dim)) {
    if (!items_path.empty()) items_.emplace(items_path, io::NpyType::int64, 0);
  }
  void write(std::span<const uint64_t> items, std::span<const uint8_t> rows) override {
    rows_.append(rows);
    if (items_) items_->append(items);
  }
  void finish() override {
    rows_.finish();
    if (items_) items_->finish();
  }

 private:
  static io::NpyType type_of(Precision precision) {
    switch (precision) {
      case Precision::float32:
        return io::NpyType::float32;
      case Precision::int8:
      case Precision::binary:
        return io::NpyType::int8;
      case Precision::uint8:
      case Precision::ubinary:
        return io::NpyType::uint8;
    }
    return io::NpyType::float32;
  }
  io::NpyWriter rows_;
  std::optional<io::NpyWriter> items_;
};

// JSON lines and CSV.
class TextSink : public RowSink {
 public:
  enum class Form { json, csv, tsv };
  TextSink(const std::string& path, Form form, bool with_items, Precision precision, size_t dim)
      : out_(path), form_(form), with_items_(with_items), precision_(precision), row_bytes_(row_bytes(precision, dim)) {
    if (form == Form::json) return;
    line_ = with_items ? "index,item" : "index";
    size_t columns = precision == Precision::float32 ? dim : row_bytes_;
    for (size_t i = 0; i < columns; ++i) line_ += fmt::format(",v{}", i);
    end_line();
  }
  void write(std::span<const uint64_t> items, std::span<const uint8_t> rows) override {
    for (size_t i = 0; i < items.size(); ++i) write_row(items[i], rows.subspan(i * row_bytes_, row_bytes_));
  }
  void finish() override { out_.finish(); }

 private:
  void write_row(uint64_t item, std::span<const uint8_t> row) {
    if (form_ == Form::json) {
      line_ = with_items_ ? fmt::format("{{\"index\": {}, \"item\": {}, \"embedding\": [", row_count_, item)
                          : fmt::format("{{\"index\": {}, \"embedding\": [", row_count_);
      append_values(row, ", ", false);
      line_ += "]}";
    } else {
      line_ = with_items_ ? fmt::format("{},{}", row_count_, item) : fmt::format("{}", row_count_);
      append_values(row, ",", true);
    }
    ++row_count_;
    end_line();
  }
  void append_values(std::span<const uint8_t> row, std::string_view separator, bool leading) {
    const bool is_float = precision_ == Precision::float32;
    const bool is_signed = precision_ == Precision::int8 || precision_ == Precision::binary;
    const size_t count = is_float ? row.size() / sizeof(float) : row.size();
    for (size_t i = 0; i < count; ++i) {
      if (i > 0 || leading) line_ += separator;
      if (is_float) {
        float value = 0;
        std::copy_n(row.data() + i * sizeof value, sizeof value, reinterpret_cast<uint8_t*>(&value));
        io::append_json_number(line_, value);
      } else {
        line_ += std::to_string(is_signed ? static_cast<int8_t>(row[i]) : row[i]);
      }
    }
  }
  void end_line() {
    if (form_ == Form::tsv) std::replace(line_.begin(), line_.end(), ',', '\t');
    line_ += '\n';
    out_.write(line_);
  }

  io::ByteWriter out_;
  Form form_;
  bool with_items_;
  Precision precision_;
  size_t row_bytes_;
  std::string line_;
  uint64_t row_count_ = 0;
};

class ParquetSink : public RowSink {
 public:
  ParquetSink(const std::string& path, bool with_items, Precision precision, size_t dim) : with_items_(with_items) {
    if (precision != Precision::float32) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("precision {} is not for {}, whose vectors are float32; expected an output that ends in "
                              ".npy, .jsonl, .csv or .tsv",
                              name(precision), path));
    }
    rows_ = io::open_sink(path, dim, {.has_text = false, .has_payload = with_items, .numeric_ids = true});
  }
  void write(std::span<const uint64_t> items, std::span<const uint8_t> rows) override {
    for (size_t i = 0; i < items.size(); ++i) {
      row_.id = std::to_string(rows_->row_count());
      row_.payload_json = with_items_ ? fmt::format("{{\"item\": {}}}", items[i]) : "{}";
      row_.vector.resize(rows_->dim());
      const size_t row_bytes = row_.vector.size() * sizeof(float);
      std::copy_n(rows.data() + i * row_bytes, row_bytes, reinterpret_cast<uint8_t*>(row_.vector.data()));
      rows_->write(row_);
    }
  }
  void finish() override { rows_->finish(); }

 private:
  std::unique_ptr<io::RowSink> rows_;
  io::Row row_;
  bool with_items_;
};

std::string items_path(const std::string& output) { return output.substr(0, output.size() - 4) + ".items.npy"; }

std::unique_ptr<RowSink> open_sink(const EmbedStreamOptions& options, size_t dim) {
  const std::string& path = options.output;
  const bool with_items = options.on_overflow == OnOverflow::chunk;
  auto text = [&](TextSink::Form form) {
    return std::make_unique<TextSink>(path.empty() ? "-" : path, form, with_items, options.precision, dim);
  };
  if (path.empty() || path == "-" || path.ends_with(".jsonl")) return text(TextSink::Form::json);
  if (path.ends_with(".csv")) return text(TextSink::Form::csv);
  if (path.ends_with(".tsv")) return text(TextSink::Form::tsv);
  if (path.ends_with(".parquet")) return std::make_unique<ParquetSink>(path, with_items, options.precision, dim);
  if (path.ends_with(".npy")) {
    return std::make_unique<NpySink>(path, with_items ? items_path(path) : "", options.precision, dim);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("output '{}' has an unknown ending, expected .npy, .parquet, .jsonl, .csv or .tsv", path));
}

Ranges read_calibration(const std::string& path, size_t dim) {
  io::NpyFile file(path);
  if (file.dimensions() != 2 || file.cols() != dim) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: has {} columns, the vectors have {}", path,
                                                         file.dimensions() == 2 ? file.cols() : 1, dim));
  }
  Ranges ranges(dim);
  std::vector<float> row(dim);
  for (size_t i = 0; i < file.rows(); ++i) {
    file.read_floats(i, row);
    ranges.add(row);
  }
  if (!ranges.any()) throw Error(ErrorCode::invalid_argument, path + ": holds no vector to take ranges from");
  return ranges;
}

class RowsStream {
 public:
  RowsStream(const Embedder& model, const EmbedStreamOptions& options)
      : model_(model),
        options_(options),
        pool_(base::ThreadPool::shared(options.thread_count)),
        dim_(options.embed.dim ? options.embed.dim : model.dim()),
        slice_rows_(std::max<size_t>(1, model.preferred_batch())),
        batch_items_(slice_rows_ * pool_.thread_count() * kSlicesPerThread) {
    if (dim_ > model.dim()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("dim {}, but model '{}' has {}", dim_, model.name(), model.dim()));
    }
    if (!options.calibration.empty() && !needs_ranges(options.precision)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("a calibration is for precision int8 and uint8, not {}", name(options.precision)));
    }
    tokens_max_ = options.embed.max_length ? options.embed.max_length : model.max_length();
    if (options.on_overflow == OnOverflow::chunk && tokens_max_ > 0) {
      std::vector<TokenId> ids;
      model.tokenizer().encode_ids(options.embed.prompt, {.add_special_tokens = false}, ids);
      chunker_.emplace(model.tokenizer(), text::ChunkOptions{tokens_max_ - std::min(tokens_max_, ids.size()), 0});
    }
    if (needs_ranges(options.precision)) {
      if (options.calibration.empty()) {
        staged_path_ = (folder_.path() / "vectors.npy").string();
        staged_.emplace(staged_path_, io::NpyType::float32, dim_);
        staged_ranges_.emplace(dim_);
      } else {
        ranges_ = read_calibration(options.calibration, dim_);
      }
    }
    sink_ = open_sink(options, dim_);
    if (options.on_overflow == OnOverflow::chunk && options.output.ends_with(".npy")) {
      report_.items_output = items_path(options.output);
    }
  }

  void add(SourceItem&& item) {
    uint64_t index = report_.item_count++;
    std::vector<text::Chunk> chunks;
    if (chunker_ && overflows(item.text)) {
      text::Section whole{0, item.text.size(), {}};
      chunks = chunker_->chunk(item.text, {&whole, 1});
    }
    for (const text::Chunk& chunk : chunks) {
      batch_.push_back({index, item.name, item.text.substr(chunk.begin, chunk.end - chunk.begin)});
    }
    batch_bytes_ += item.text.size();
    if (chunks.empty()) batch_.push_back({index, std::move(item.name), std::move(item.text)});
    if (batch_.size() >= batch_items_ || batch_bytes_ >= kBatchBytes) flush();
  }

  EmbedStreamReport finish(base::Progress* progress) {
    flush();
    if (staged_) write_staged(progress);
    sink_->finish();
    return std::move(report_);
  }

 private:
  struct Row {
    uint64_t item;
    std::string name;
    std::string text;
  };

  // Whether the model would drop a part of the text. Counting first is cheap and settles nearly all texts.
  bool overflows(const std::string& text) {
    ids_.clear();
    model_.tokenizer().encode_ids(options_.embed.prompt + text, {}, ids_);
    if (ids_.size() <= tokens_max_) return false;
    std::vector<float> vector(dim_);
    EmbedReport report;
    std::string_view view = text;
    model_.embed({&view, 1}, options_.embed, vector, &report);
    return !report.truncated.empty();
  }

  void flush() {
    std::vector<float> vectors(batch_.size() * dim_);
    // A model that shares out a call's work itself gets all at once.
    const size_t slice_rows = model_.uses_threads() ? std::max<size_t>(1, batch_.size()) : slice_rows_;
    const size_t slices = (batch_.size() + slice_rows - 1) / slice_rows;
    std::vector<EmbedReport> reports(slices);
    EmbedOptions embed = options_.embed;
    if (model_.uses_threads()) embed.threads = pool_.thread_count();
    pool_.parallel_for(slices, [&](size_t slice, size_t) {
      size_t begin = slice * slice_rows;
      size_t end = std::min(batch_.size(), begin + slice_rows);
      std::vector<std::string_view> texts;
      for (size_t i = begin; i < end; ++i) texts.push_back(batch_[i].text);
      model_.embed(texts, embed, std::span(vectors).subspan(begin * dim_, (end - begin) * dim_), &reports[slice]);
    });
    for (size_t slice = 0; slice < slices; ++slice) {
      const EmbedReport& report = reports[slice];
      report_.token_count += report.token_count;
      report_.unknown_count += report.unknown_count;
      report_.empty_count += report.empty.size();
      for (const auto& truncation : report.truncated) {
        const Row& row = batch_[slice * slice_rows + truncation.item];
        note_truncation(report_, options_.on_overflow, row.name, row.item, truncation.tokens_dropped, tokens_max_);
      }
    }
    std::vector<uint64_t> items;
    for (const Row& row : batch_) items.push_back(row.item);
    if (staged_) {
      staged_->append(std::span<const float>(vectors));
      staged_ranges_->add(vectors);
      if (options_.on_overflow == OnOverflow::chunk)
        staged_items_.insert(staged_items_.end(), items.begin(), items.end());
    } else {
      write(items, vectors, ranges_ ? &*ranges_ : nullptr);
    }
    report_.row_count += batch_.size();
    batch_.clear();
    batch_bytes_ = 0;
  }

  void write(std::span<const uint64_t> items, std::span<const float> vectors, const Ranges* ranges) {
    codes_.resize(items.size() * row_bytes(options_.precision, dim_));
    quantize(options_.precision, vectors, dim_, ranges, codes_);
    sink_->write(items, codes_);
  }

  // The second pass: the ranges of the whole input are known now.
  void write_staged(base::Progress* progress) {
    staged_->finish();
    io::NpyFile file(staged_path_);
    if (progress) progress->begin("quantising", "vectors", file.rows());
    std::vector<float> vectors;
    for (size_t row = 0; row < file.rows(); row += kStagedRows) {
      size_t count = std::min(kStagedRows, file.rows() - row);
      vectors.resize(count * dim_);
      file.read_floats(row, vectors);
      std::vector<uint64_t> items(count);
      for (size_t i = 0; i < count; ++i) items[i] = staged_items_.empty() ? row + i : staged_items_[row + i];
      write(items, vectors, &*staged_ranges_);
      if (progress) progress->report(row + count);
    }
    if (progress) progress->end();
  }

  const Embedder& model_;
  const EmbedStreamOptions& options_;
  base::ThreadPool& pool_;
  size_t dim_;
  size_t slice_rows_;
  size_t batch_items_;
  size_t tokens_max_ = 0;
  std::optional<text::Chunker> chunker_;
  std::optional<Ranges> ranges_;  // of the calibration
  base::TemporaryFolder folder_;
  std::string staged_path_;
  std::optional<io::NpyWriter> staged_;
  std::optional<Ranges> staged_ranges_;
  std::vector<uint64_t> staged_items_;
  std::unique_ptr<RowSink> sink_;
  std::vector<Row> batch_;
  size_t batch_bytes_ = 0;
  std::vector<TokenId> ids_;
  std::vector<uint8_t> codes_;
  EmbedStreamReport report_;
};

}  // namespace

OnOverflow parse_on_overflow(std::string_view name) {
  if (name == "truncate") return OnOverflow::truncate;
  if (name == "error") return OnOverflow::error;
  if (name == "chunk") return OnOverflow::chunk;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("on-overflow '{}' is unknown; expected truncate, error or chunk", name));
}

void note_truncation(EmbedStreamReport& report, OnOverflow on_overflow, const std::string& name, uint64_t item,
                     uint64_t tokens_dropped, size_t tokens_max) {
  if (on_overflow == OnOverflow::error) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{} (item {}) has {} tokens more than the limit{}; shorten it, or choose another --on-overflow",
                    name, item, tokens_dropped, tokens_max > 0 ? fmt::format(" of {}", tokens_max) : ""));
  }
  ++report.truncated_count;
  report.tokens_dropped += tokens_dropped;
  if (report.truncated.size() < kTruncationsNamedMax) report.truncated.push_back({name, item, tokens_dropped});
}

EmbedStreamReport embed_stream(const Embedder& model, TextSource& source, const EmbedStreamOptions& options,
                               base::Progress* progress) {
  RowsStream stream(model, options);
  for_each_item(source, progress, [&](SourceItem&& item) { stream.add(std::move(item)); });
  EmbedStreamReport report = stream.finish(progress);
  report.skipped = source.skipped();
  return report;
}

}  // namespace sextant::engine
