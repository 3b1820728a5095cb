#include "io/csv_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "io/json_text.h"
#include "io/jsonl.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

size_t count_digits(std::string_view text) {
  const size_t end = text.find_first_not_of("0123456789");
  return end == std::string_view::npos ? text.size() : end;
}

// A number as JSON writes it, so that it can stand in JSON as it is; "007" and "+1" are not.
bool is_json_number(std::string_view text, bool& integer) {
  if (text.starts_with('-')) text.remove_prefix(1);
  size_t digits = count_digits(text);
  if (digits == 0 || (digits > 1 && text[0] == '0')) return false;
  text.remove_prefix(digits);
  integer = text.empty();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    digits = count_digits(text);
    if (digits == 0) return false;
    text.remove_prefix(digits);
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    digits = count_digits(text);
    if (digits == 0) return false;
    text.remove_prefix(digits);
  }
  return text.empty();
}

template <class Number>
bool fits(std::string_view text) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

CsvRows::Kind CsvRows::kind_of(std::string_view field) {
  if (field.empty()) return Kind::empty;
  for (std::string_view word : {"true", "false", "True", "False", "TRUE", "FALSE"}) {
    if (field == word) return Kind::truth;
  }
  bool integer = false;
  if (!is_json_number(field, integer)) return Kind::text;
  // An integer that no reader of JSON holds, a number beyond all floats: what it says is all that is known of it.
  if (integer) return fits<int64_t>(field) || fits<uint64_t>(field) ? Kind::integer : Kind::text;
  return fits<double>(field) ? Kind::number : Kind::text;
}

CsvRows::Kind CsvRows::both(Kind a, Kind b) {
  if (a == b || b == Kind::empty) return a;
  if (a == Kind::empty) return b;
  const auto [less, more] = std::minmax(a, b);
  return less == Kind::integer && more == Kind::number ? Kind::number : Kind::text;
}

CsvRows::CsvRows(const std::string& path, const RowOptions& row_options)
    : RowSource(path, row_options), csv_(path, {.record_bytes_max = row_options.row_bytes_max}) {
  const std::vector<std::string>& names = csv_.names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::find(names.begin(), names.begin() + static_cast<ptrdiff_t>(i), names[i]) ==
        names.begin() + static_cast<ptrdiff_t>(i)) {
      continue;
    }
    throw Error(ErrorCode::corrupted, fmt::format("{}: line 1: has two columns '{}'", path, names[i]));
  }
  id_ = find(row_options.id_column, "id");
  text_ = find(row_options.text_column, "text");
  vector_ = find(row_options.vector_column, "vector");
  if (!vector_ && !row_options.vector_column) vector_ = find({}, "embedding");
  if (vector_) vector_name_ = names[*vector_];
  payload_ = find(row_options.payload_column, "");
  for (size_t i = 0; i < names.size(); ++i) {
    if (i == id_ || i == text_ || i == vector_ || i == payload_ || !is_wanted(names[i])) continue;
    fields_.push_back(i);
  }
  kinds_.assign(names.size(), Kind::empty);
  CsvReader first(path, {.record_bytes_max = row_options.row_bytes_max});
  while (first.next()) {
    for (size_t column : fields_) {
      if (kinds_[column] != Kind::text) kinds_[column] = both(kinds_[column], kind_of(first.fields()[column]));
    }
    ++row_count_;
  }
}

std::optional<size_t> CsvRows::find(const std::optional<std::string>& chosen, std::string_view otherwise) const {
  const std::string_view wanted = chosen ? std::string_view(*chosen) : otherwise;
  if (wanted.empty()) return std::nullopt;
  const std::vector<std::string>& names = csv_.names();
  const auto found = std::find(names.begin(), names.end(), wanted);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  if (!chosen) return std::nullopt;
  return csv_.column(wanted);  // a number, or the error that lists the columns
}

std::string CsvRows::place() const { return "line " + std::to_string(csv_.line_number()); }

void CsvRows::append(std::string& out, size_t column, std::string_view field) const {
  const Kind kind = kinds_[column];
  if (field.empty()) {
    out += "null";
  } else if (kind == Kind::text || both(kind, kind_of(field)) != kind) {
    // The second where the file has changed since it was looked through.
    append_json_string(out, field);
  } else if (kind == Kind::truth) {
    out += field[0] == 't' || field[0] == 'T' ? "true" : "false";
  } else {
    out += field;
  }
}

bool CsvRows::read(Row& row) {
  if (!csv_.next()) return false;
  const std::span<const std::string_view> record = csv_.fields();
  if (id_ && !record[*id_].empty()) row.id = std::string(record[*id_]);
  if (text_ && !record[*text_].empty()) row.text = std::string(record[*text_]);
  if (vector_) {
    if (!parse_json_floats(record[*vector_], row.vector) || row.vector.empty()) {
      fail(fmt::format("field '{}' is '{}', expected a list of numbers like [0.5, -1]", vector_name_,
                       record[*vector_].substr(0, 40)));
    }
  }
  std::string& out = row.payload_json;
  if (payload_) {
    for (size_t column : fields_) note_left_out(csv_.names()[column]);
    if (record[*payload_].empty()) return true;
    out.clear();
    if (!append_compact_object(out, record[*payload_], options().payload_fields)) {
      fail(fmt::format("field '{}' is '{}', expected a JSON object", csv_.names()[*payload_],
                       record[*payload_].substr(0, 40)));
    }
    return true;
  }
  out = "{";
  for (size_t column : fields_) {
    if (out.size() > 1) out += ',';
    append_json_string(out, csv_.names()[column]);
    out += ':';
    append(out, column, record[column]);
  }
  out += '}';
  return true;
}

}  // namespace sextant::io
