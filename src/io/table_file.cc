#include "io/table_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/duck_value.h"
#include "io/duckdb.h"
#include "io/json_text.h"
#include "io/jsonl.h"
#include "io/vector_file.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

// A file that is open for reading, under a name that means it whatever it is called.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) {
      const int error = errno;
      throw Error(error == ENOENT || error == ENOTDIR ? ErrorCode::not_found : ErrorCode::unavailable,
                  fmt::format("{}: cannot open: {}", path, std::strerror(error)));
    }
    struct stat info {};
    if (::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(descriptor_);
      throw Error(ErrorCode::invalid_argument, path + ": is not a regular file");
    }
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() { ::close(descriptor_); }

  std::string path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

 private:
  int descriptor_;
};

// The query's table: DuckDB's reader of this kind of file over what lies at PLACE.
std::string table_of(std::string_view name, const std::string& place) {
  std::string_view plain = name;
  std::string packed;
  if (plain.ends_with(".gz")) {
    packed = ", compression = 'gzip'";
    plain.remove_suffix(3);
  } else if (plain.ends_with(".zst")) {
    packed = ", compression = 'zstd'";
    plain.remove_suffix(4);
  }
  const std::string file = sql_text(place);
  if (plain.ends_with(".parquet") && packed.empty()) {
    return fmt::format("read_parquet({}, hive_partitioning = false)", file);
  }
  if (plain.ends_with(".csv") || plain.ends_with(".tsv") || plain.ends_with(".tab")) {
    return fmt::format(
        "read_csv({}{}, hive_partitioning = false, header = true, sample_size = -1, "
        "delim = '{}')",
        file, packed, plain.ends_with(".csv") ? "," : "\\t");
  }
  if (plain.ends_with(".jsonl") || plain.ends_with(".ndjson") || plain.ends_with(".json")) {
    return fmt::format("read_json({}{}, hive_partitioning = false, sample_size = -1, format = '{}')", file, packed,
                       plain.ends_with(".json") ? "auto" : "newline_delimited");
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: is not a table's file, expected a name that ends in .parquet, or in .csv, .tsv, .tab, "
                          ".json, .jsonl or .ndjson, plain, .gz or .zst",
                          name));
}

bool may_be_id(const DuckType& type) {
  using duck::TypeId;
  return (type.id >= TypeId::int8 && type.id <= TypeId::uint64) || type.id == TypeId::int128 ||
         type.id == TypeId::uint128 || type.id == TypeId::uuid || type.id == TypeId::enumeration ||
         (type.id == TypeId::text && !type.is_json);
}

bool may_be_vector(const DuckType& type) { return DuckVector::holds_numbers(type) || type.id == duck::TypeId::text; }

// What stays an object in JSON. A plain text may hold one, where it is asked for.
bool may_be_payload(const DuckType& type, bool asked_for) {
  return type.id == duck::TypeId::structure || type.id == duck::TypeId::map || type.is_json ||
         (asked_for && type.id == duck::TypeId::text);
}

}  // namespace

struct TableReader::Impl {
  OpenFile file;
  DuckSession session;
  std::vector<std::string> names;  // of all columns
  std::vector<DuckType> types;
  std::vector<TableColumn> columns;
  std::optional<uint64_t> row_count;
  std::optional<size_t> id, text, vector, payload;
  std::vector<size_t> fields;  // what the payload is made of
  std::optional<DuckResult> result;
  duck::Chunk chunk = nullptr;
  std::vector<DuckVector> vectors;  // of the chunk, one a column of the query
  std::vector<size_t> slots;        // the columns of the query
  std::vector<size_t> slot_of;      // of each column of the file that is one of them
  uint64_t row = 0;                 // of the chunk
  uint64_t chunk_rows = 0;
  bool done = false;

  Impl(const std::string& path, const RowOptions& options)
      : file(path),
        session({.allowed_path = file.path(),
                 .shown_name = path,
                 .memory_bytes_max = options.memory_bytes_max,
                 .thread_count = options.thread_count}) {}
  ~Impl() {
    if (chunk != nullptr) session.api().destroy_data_chunk(&chunk);
  }

  void describe(const std::string& table) {
    DuckResult empty = session.query("SELECT * FROM " + table + " LIMIT 0");
    for (size_t i = 0; i < empty.column_count(); ++i) {
      names.emplace_back(session.api().column_name(empty.get(), i));
      duck::LogicalType type = session.api().column_logical_type(empty.get(), i);
      types.push_back(describe_type(session.api(), type));
      session.api().destroy_logical_type(&type);
      columns.push_back({names.back(), types.back().name()});
    }
  }

  uint64_t count_rows(const std::string& place) {
    DuckResult answer =
        session.query(fmt::format("SELECT num_rows::UBIGINT FROM parquet_file_metadata({})", sql_text(place)));
    duck::Chunk one = answer.next_chunk();
    if (one == nullptr || session.api().data_chunk_get_size(one) == 0) return 0;
    const auto* values =
        static_cast<const uint64_t*>(session.api().vector_get_data(session.api().data_chunk_get_vector(one, 0)));
    const uint64_t count = values[0];
    session.api().destroy_data_chunk(&one);
    return count;
  }

  std::optional<size_t> find(std::string_view name) const {
    const auto found = std::find(names.begin(), names.end(), name);
    if (name.empty() || found == names.end()) return std::nullopt;
    return static_cast<size_t>(found - names.begin());
  }

  // The column that is meant, by its name or by the first of the defaults that is there.
  std::optional<size_t> choose(const std::string& path, const std::optional<std::string>& chosen,
                               std::initializer_list<std::string_view> defaults) const {
    if (!chosen) {
      for (std::string_view name : defaults) {
        if (auto found = find(name)) return found;
      }
      return std::nullopt;
    }
    auto found = find(*chosen);
    if (found || chosen->empty()) return found;
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: has no column '{}', expected one of: {}", path, *chosen,
                                                         fmt::format("{}", fmt::join(names, ", ")).substr(0, 400)));
  }

  void require(const std::string& path, std::optional<size_t> column, bool fits, std::string_view expected) const {
    if (!column || fits) return;
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: column '{}' is {}, expected {}", path, names[*column],
                                                         types[*column].name(), expected));
  }

  bool next_chunk() {
    if (done) return false;
    if (chunk != nullptr) session.api().destroy_data_chunk(&chunk);
    vectors.clear();
    chunk = result->next_chunk();
    row = 0;
    chunk_rows = chunk == nullptr ? 0 : session.api().data_chunk_get_size(chunk);
    if (chunk_rows == 0) {
      done = true;
      return false;
    }
    for (size_t slot = 0; slot < slots.size(); ++slot) {
      vectors.emplace_back(session.api(), types[slots[slot]], session.api().data_chunk_get_vector(chunk, slot));
    }
    return true;
  }

  const DuckVector& at(size_t column) const { return vectors[slot_of[column]]; }
};

TableReader::TableReader(const std::string& path, const RowOptions& row_options)
    : RowSource(path, row_options), impl_(std::make_unique<Impl>(path, row_options)) {
  Impl& s = *impl_;
  const std::string table = table_of(path, s.file.path());
  s.describe(table);
  if (path.ends_with(".parquet")) s.row_count = s.count_rows(s.file.path());
  s.id = s.choose(path, row_options.id_column, {"id"});
  s.text = s.choose(path, row_options.text_column, {"text"});
  s.vector = s.choose(path, row_options.vector_column, {"vector", "embedding"});
  s.payload = s.choose(path, row_options.payload_column, {"payload"});
  s.require(path, s.id, s.id && may_be_id(s.types[*s.id]), "an integer, a UUID or text");
  s.require(path, s.text, s.text && s.types[*s.text].id == duck::TypeId::text, "text");
  s.require(path, s.vector, s.vector && may_be_vector(s.types[*s.vector]), "a list of numbers");
  if (s.payload && !may_be_payload(s.types[*s.payload], row_options.payload_column.has_value())) {
    s.require(path, s.payload, !row_options.payload_column, "a structure, a map or JSON");
    s.payload.reset();  // an ordinary column that has this name
  }
  if (!row_options.has_payload) s.payload.reset();
  if (s.vector) vector_name_ = s.names[*s.vector];
  for (size_t i = 0; i < s.names.size(); ++i) {
    if (i == s.id || i == s.text || i == s.vector || i == s.payload) continue;
    if (s.payload) {
      note_left_out(s.names[i]);
    } else if (is_wanted(s.names[i])) {
      s.fields.push_back(i);
    }
  }
  for (std::optional<size_t> column : {s.id, s.text, s.vector, s.payload}) {
    if (column) s.slots.push_back(*column);
  }
  s.slots.insert(s.slots.end(), s.fields.begin(), s.fields.end());
  std::string wanted;
  s.slot_of.resize(s.names.size());
  for (size_t slot = 0; slot < s.slots.size(); ++slot) {
    const size_t column = s.slots[slot];
    s.slot_of[column] = slot;
    if (!wanted.empty()) wanted += ", ";
    if (s.types[column].is_known) {
      wanted += sql_name(s.names[column]);
    } else {
      // The rarest types have a form that only the library knows.
      wanted += fmt::format("to_json({})", sql_name(s.names[column]));
      s.types[column] = {.id = duck::TypeId::text, .is_json = true};
    }
  }
  // Without any column wanted, the rows are counted all the same.
  if (wanted.empty()) wanted = "1";
  s.result.emplace(s.session.stream("SELECT " + wanted + " FROM " + table));
}

TableReader::~TableReader() = default;

const std::vector<TableColumn>& TableReader::columns() const { return impl_->columns; }
std::optional<uint64_t> TableReader::row_count() const { return impl_->row_count; }

bool TableReader::read(Row& row) {
  Impl& s = *impl_;
  if (s.row == s.chunk_rows && !s.next_chunk()) {
    if (s.row_count && *s.row_count != number()) {
      throw Error(ErrorCode::corrupted,
                  fmt::format("{}: has {} rows, its header promises {}", name(), number(), *s.row_count));
    }
    return false;
  }
  const uint64_t at = s.row++;
  if (s.id && !s.at(*s.id).is_null(at)) {
    row.id = s.at(*s.id).as_id(at);
    if (!row.id) {
      std::string found;
      s.at(*s.id).append_json(found, at);
      fail(fmt::format("column '{}' is {}, expected an unsigned integer, a UUID or text", s.names[*s.id], found));
    }
  }
  if (s.text && !s.at(*s.text).is_null(at)) row.text = std::string(s.at(*s.text).bytes(at));
  if (s.vector) {
    const DuckVector& column = s.at(*s.vector);
    if (column.is_null(at)) fail(fmt::format("column '{}' is null, expected a list of numbers", vector_name_));
    if (column.type().id == duck::TypeId::text) {
      if (!parse_json_floats(column.bytes(at), row.vector)) {
        fail(fmt::format("column '{}' is not a list of numbers like [0.5, -1]", vector_name_));
      }
    } else {
      const duck::ListEntry entry = column.list(at);
      if (entry.length > kVectorDimMax) {
        fail(fmt::format("column '{}' has {} numbers, expected at most {}", vector_name_, entry.length, kVectorDimMax));
      }
      row.vector.resize(entry.length);
      if (!column.elements().read_floats(entry.offset, entry.length, row.vector.data())) {
        fail(fmt::format("column '{}' has a null among its numbers", vector_name_));
      }
    }
    if (row.vector.empty()) fail(fmt::format("column '{}' is an empty list, expected numbers", vector_name_));
  }
  std::string& out = row.payload_json;
  if (s.payload) {
    const DuckVector& column = s.at(*s.payload);
    if (column.is_null(at)) return true;
    out.clear();
    if (column.type().id == duck::TypeId::text) {
      if (!append_compact_object(out, column.bytes(at), options().payload_fields)) {
        fail(fmt::format("column '{}' is '{}', expected a JSON object", s.names[*s.payload],
                         column.bytes(at).substr(0, 40)));
      }
    } else if (options().payload_fields.empty()) {
      column.append_json(out, at);
    } else {
      std::string all;
      column.append_json(all, at);
      append_compact_object(out, all, options().payload_fields);
    }
    // A map whose keys are lists is no object.
    if (!out.starts_with('{')) fail(fmt::format("column '{}' is no object", s.names[*s.payload]));
    return true;
  }
  out = "{";
  for (size_t column : s.fields) {
    if (out.size() > 1) out += ',';
    append_json_string(out, s.names[column]);
    out += ':';
    s.at(column).append_json(out, at);
  }
  out += '}';
  return true;
}

}  // namespace sextant::io
