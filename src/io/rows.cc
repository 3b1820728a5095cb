#include "io/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/files.h"
#include "io/csv_rows.h"
#include "io/json_rows.h"
#include "io/table_file.h"
#include "io/vector_file.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr size_t kVectorBlockBytes = size_t{1} << 18;

// Every row of a file of vectors; what it is called is where it stands.
class VectorRows : public RowSource {
 public:
  VectorRows(const std::string& path, const RowOptions& row_options)
      : RowSource(path, row_options), file_(VectorFile::open(path)) {
    // Such a file has no names: one that was asked for is not there.
    for (const auto& [what, column] :
         {std::pair("id", &row_options.id_column), std::pair("text", &row_options.text_column),
          std::pair("vector", &row_options.vector_column), std::pair("payload", &row_options.payload_column)}) {
      if (!column->has_value() || (*column)->empty()) continue;
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("{}: has no column '{}' for the {}: it is a file of vectors alone", path, **column, what));
    }
    vector_name_ = "vector";
    block_rows_ = std::max<size_t>(kVectorBlockBytes / (file_.dim() * sizeof(float)), 1);
  }
  std::optional<uint64_t> row_count() const override { return file_.rows(); }

 protected:
  bool read(Row& row) override {
    const uint64_t at = number();
    if (at == file_.rows()) return false;
    if (at == block_end_) {
      const size_t count = std::min<size_t>(block_rows_, file_.rows() - at);
      block_.resize(count * file_.dim());
      file_.read(at, count, block_);
      file_.give_up_pages();
      block_begin_ = at;
      block_end_ = at + count;
    }
    const float* values = block_.data() + (at - block_begin_) * file_.dim();
    row.id = std::to_string(at);
    row.vector.assign(values, values + file_.dim());
    return true;
  }

 private:
  VectorFile file_;
  size_t block_rows_ = 1;
  std::vector<float> block_;  // rows [block_begin_, block_end_)
  uint64_t block_begin_ = 0;
  uint64_t block_end_ = 0;
};

using Open = std::unique_ptr<RowSource> (*)(const std::string& path, const RowOptions& options);

template <class Source>
std::unique_ptr<RowSource> open(const std::string& path, const RowOptions& options) {
  return std::make_unique<Source>(path, options);
}

struct Kind {
  std::string_view ending;
  Open open;
  std::string_view packed;  // what may stand behind the ending
};

constexpr std::array<Kind, 13> kKinds = {{
    {".jsonl", open<JsonLineRows>, ".zst .gz"},
    {".ndjson", open<JsonLineRows>, ".zst .gz"},
    {".json", open<JsonRows>, ".zst .gz"},
    {".csv", open<CsvRows>, ".zst .gz"},
    {".tsv", open<CsvRows>, ".zst .gz"},
    {".tab", open<CsvRows>, ".zst .gz"},
    {".parquet", open<TableReader>, ""},
    {".npy", open<VectorRows>, ".zst"},
    {".fbin", open<VectorRows>, ".zst"},
    {".u8bin", open<VectorRows>, ".zst"},
    {".i8bin", open<VectorRows>, ".zst"},
    {".fvecs", open<VectorRows>, ".zst"},
    {".bvecs", open<VectorRows>, ".zst"},
}};

}  // namespace

RowSource::RowSource(std::string name, const RowOptions& options) : name_(std::move(name)), options_(options) {}

void RowSource::fail(const std::string& what) const {
  throw Error(ErrorCode::corrupted, fmt::format("{}: {}: {}", name_, place(), what));
}

void RowSource::note_left_out(std::string_view field) {
  auto found = left_out_.find(field);
  if (found != left_out_.end()) {
    ++found->second;
  } else if (left_out_.size() < kFieldsNamedMax) {
    left_out_.emplace(field, 1);
  }
}

bool RowSource::is_wanted(std::string_view field) const {
  const auto& fields = options_.payload_fields;
  return options_.has_payload && (fields.empty() || std::find(fields.begin(), fields.end(), field) != fields.end());
}

bool RowSource::next(Row& row) {
  row.id.reset();
  row.payload_json = "{}";
  row.text.reset();
  row.vector.clear();
  row.number = number_;
  if (!read(row)) return false;
  if (row.payload_json.size() > options_.row_bytes_max) {
    throw Error(ErrorCode::exhausted, fmt::format("{}: {}: its payload is {} bytes long, the limit is {}", name_,
                                                  place(), row.payload_json.size(), options_.row_bytes_max));
  }
  check_vector(row);
  ++number_;
  return true;
}

void RowSource::check_vector(const Row& row) {
  const size_t size = row.vector.size();
  if (number_ == 0) {
    if (size > kVectorDimMax) {
      fail(fmt::format("field '{}' has {} numbers, expected at most {}", vector_name_, size, kVectorDimMax));
    }
    dim_ = size;
  } else if (size != dim_) {
    auto numbers = [](size_t n) {
      return n == 0 ? std::string("no vector") : fmt::format("a vector of {} numbers", n);
    };
    fail(fmt::format("field '{}': has {}, the first row has {}", vector_name_, numbers(size), numbers(dim_)));
  }
  for (size_t i = 0; i < size; ++i) {
    if (std::isfinite(row.vector[i])) continue;
    fail(fmt::format("field '{}': component {} is {}, expected a finite number", vector_name_, i, row.vector[i]));
  }
}

std::unique_ptr<RowSource> open_rows(const std::string& path, const RowOptions& options) {
  if (path == "-") return std::make_unique<JsonLineRows>(path, options);
  for (const Kind& kind : kKinds) {
    std::string_view plain = path;
    for (std::string_view packed : {".zst", ".gz"}) {
      if (plain.ends_with(packed) && kind.packed.find(packed) != std::string_view::npos) {
        plain.remove_suffix(packed.size());
        break;
      }
    }
    if (plain.ends_with(kind.ending)) return kind.open(path, options);
  }
  std::string known;
  for (const Kind& kind : kKinds) known += fmt::format("{}{}", known.empty() ? "" : ", ", kind.ending);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: is not a known kind of rows' file, expected a name that ends in {}; text may end in "
                          ".zst or .gz besides, vectors in .zst",
                          path, known));
}

}  // namespace sextant::io
