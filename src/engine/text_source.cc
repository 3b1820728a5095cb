#include "engine/text_source.h"

#include <fmt/format.h>

#include <filesystem>

#include "io/csv.h"
#include "io/jsonl.h"
#include "io/lines.h"
#include "io/rows.h"
#include "sextant/error.h"

namespace sextant::engine {
namespace {

class GivenTexts : public TextSource {
 public:
  explicit GivenTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {}
  bool next(SourceItem& item) override {
    if (next_ == texts_.size()) return false;
    item = {texts_[next_], fmt::format("text {}", next_)};
    ++next_;
    return true;
  }
  uint64_t expected_count() const override { return texts_.size(); }

 private:
  std::vector<std::string> texts_;
  size_t next_ = 0;
};

class Lines : public TextSource {
 public:
  explicit Lines(const std::string& path) : lines_(path) {}
  bool next(SourceItem& item) override {
    std::string_view line;
    if (!lines_.next(line)) return false;
    item = {std::string(line), fmt::format("line {}", lines_.line_number())};
    return true;
  }

 private:
  io::LineReader lines_;
};

class JsonField : public TextSource {
 public:
  JsonField(const std::string& path, const std::string& field) : lines_(path), field_(field.empty() ? "text" : field) {}
  bool next(SourceItem& item) override {
    if (!lines_.next()) return false;
    item = {std::string(lines_.text(field_)), fmt::format("line {}", lines_.line_number())};
    return true;
  }

 private:
  io::JsonLineReader lines_;
  std::string field_;
};

class CsvColumn : public TextSource {
 public:
  CsvColumn(const std::string& path, const std::string& column) : csv_(path) {
    // With a single column there is nothing to choose.
    column_ = column.empty() && csv_.names().size() == 1 ? 0 : csv_.column(column.empty() ? "text" : column);
  }
  bool next(SourceItem& item) override {
    if (!csv_.next()) return false;
    item = {std::string(csv_.fields()[column_]), fmt::format("line {}", csv_.line_number())};
    return true;
  }

 private:
  io::CsvReader csv_;
  size_t column_ = 0;
};

// A column of Parquet, a field of a .json file.
class RowTexts : public TextSource {
 public:
  RowTexts(const std::string& path, const std::string& column)
      : rows_(io::open_rows(path, {.id_column = "",
                                   .text_column = column.empty() ? "text" : column,
                                   .vector_column = "",
                                   .payload_column = "",
                                   .has_payload = false})),
        column_(column.empty() ? "text" : column) {}
  bool next(SourceItem& item) override {
    io::Row row;
    if (!rows_->next(row)) return false;
    if (!row.text) {
      throw Error(ErrorCode::corrupted,
                  fmt::format("{}: row {}: has no text in '{}'", rows_->name(), row.number, column_));
    }
    item = {std::move(*row.text), fmt::format("row {}", row.number)};
    return true;
  }
  uint64_t expected_count() const override { return rows_->row_count().value_or(0); }

 private:
  std::unique_ptr<io::RowSource> rows_;
  std::string column_;
};

class Documents : public TextSource {
 public:
  explicit Documents(const std::string& path) : reader_({path}) {}
  bool next(SourceItem& item) override {
    io::Document document;
    if (!reader_.next(document)) return false;
    item = {std::move(document.text), std::move(document.path)};
    return true;
  }
  std::vector<io::SkippedFile> skipped() const override { return reader_.skipped(); }
  uint64_t expected_count() const override { return reader_.file_count(); }

 private:
  io::DocumentReader reader_;
};

bool ends_with_any(std::string_view path, std::initializer_list<std::string_view> endings) {
  for (std::string_view ending : endings) {
    if (path.ends_with(ending)) return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<TextSource> open_text_source(const SourceOptions& options) {
  if (!options.field.empty() && !options.column.empty()) {
    throw Error(ErrorCode::invalid_argument, "--field is for JSON lines and --column for CSV; expected one of them");
  }
  if (options.input.empty()) {
    if (!options.field.empty() || !options.column.empty()) {
      throw Error(ErrorCode::invalid_argument, "--field and --column need --input");
    }
    if (options.texts.empty()) {
      throw Error(ErrorCode::invalid_argument, "nothing to embed: expected texts, or --input with a file, folder or -");
    }
    return std::make_unique<GivenTexts>(options.texts);
  }
  if (!options.texts.empty()) {
    throw Error(ErrorCode::invalid_argument, "expected texts or --input, not both");
  }
  std::string_view path = options.input;
  if (path != "-" && std::filesystem::is_directory(options.input)) return std::make_unique<Documents>(options.input);
  if (path.ends_with(".zst")) path.remove_suffix(4);
  if (path.ends_with(".gz")) path.remove_suffix(3);
  if (ends_with_any(path, {".parquet", ".json"})) {
    return std::make_unique<RowTexts>(options.input, options.field.empty() ? options.column : options.field);
  }
  if (!options.field.empty() || ends_with_any(path, {".jsonl", ".ndjson"})) {
    return std::make_unique<JsonField>(options.input, options.field);
  }
  if (!options.column.empty() || ends_with_any(path, {".csv", ".tsv", ".tab"})) {
    return std::make_unique<CsvColumn>(options.input, options.column);
  }
  if (ends_with_any(options.input, {".md", ".markdown", ".html", ".htm", ".pdf"})) {
    return std::make_unique<Documents>(options.input);
  }
  return std::make_unique<Lines>(options.input);
}

}  // namespace sextant::engine
