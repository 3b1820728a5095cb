#include "io/jsonl.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <cstring>

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::io {

struct JsonLineReader::Impl {
  LineReader lines;
  simdjson::dom::parser parser;
  simdjson::dom::element object;
  std::string padded;  // simdjson reads past the end by SIMDJSON_PADDING bytes
  size_t length = 0;

  Impl(const std::string& path, const LineOptions& options) : lines(path, options) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::corrupted, fmt::format("{}: line {}: {}", lines.name(), lines.line_number(), what));
  }

  bool find(std::string_view field, simdjson::dom::element& value) const {
    auto result = field.starts_with('/') ? object.at_pointer(field) : object.at_key(field);
    return result.get(value) == simdjson::SUCCESS && !value.is_null();
  }

  std::string_view as_text(std::string_view field, const simdjson::dom::element& value) const {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) fail(fmt::format("field '{}' is not a string", field));
    return text;
  }
};

JsonLineReader::JsonLineReader(const std::string& path, const LineOptions& options)
    : impl_(std::make_unique<Impl>(path, options)) {}
JsonLineReader::JsonLineReader(JsonLineReader&&) noexcept = default;
JsonLineReader& JsonLineReader::operator=(JsonLineReader&&) noexcept = default;
JsonLineReader::~JsonLineReader() = default;

uint64_t JsonLineReader::line_number() const { return impl_->lines.line_number(); }
const std::string& JsonLineReader::name() const { return impl_->lines.name(); }
std::string_view JsonLineReader::raw() const { return std::string_view(impl_->padded).substr(0, impl_->length); }

bool JsonLineReader::next() {
  Impl& s = *impl_;
  std::string_view line;
  do {
    if (!s.lines.next(line)) return false;
  } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
  s.length = line.size();
  if (s.padded.size() < line.size() + simdjson::SIMDJSON_PADDING) {
    s.padded.resize(2 * line.size() + simdjson::SIMDJSON_PADDING);
  }
  std::memcpy(s.padded.data(), line.data(), line.size());
  auto error = s.parser.parse(s.padded.data(), s.length, false).get(s.object);
  if (error) s.fail(fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  if (!s.object.is_object()) s.fail("is not a JSON object, expected one object a line");
  return true;
}

std::string_view JsonLineReader::text(std::string_view field) const {
  simdjson::dom::element value;
  if (!impl_->find(field, value)) impl_->fail(fmt::format("has no field '{}'", field));
  return impl_->as_text(field, value);
}

std::optional<std::string_view> JsonLineReader::find_text(std::string_view field) const {
  simdjson::dom::element value;
  if (!impl_->find(field, value)) return std::nullopt;
  return impl_->as_text(field, value);
}

std::optional<double> JsonLineReader::find_number(std::string_view field) const {
  simdjson::dom::element value;
  if (!impl_->find(field, value)) return std::nullopt;
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS) impl_->fail(fmt::format("field '{}' is not a number", field));
  return number;
}

bool JsonLineReader::has(std::string_view field) const {
  simdjson::dom::element value;
  return impl_->find(field, value);
}

void JsonLineReader::for_each_text(
    const std::function<void(std::string_view field, std::string_view text)>& visit) const {
  simdjson::dom::object object = impl_->object.get_object().value_unsafe();
  for (auto member : object) {
    std::string_view text;
    if (member.value.get(text) == simdjson::SUCCESS) visit(member.key, text);
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t position = 0;
  while (position < text.size()) {
    auto byte = static_cast<unsigned char>(text[position]);
    if (byte >= 0x80) {
      base::append_utf8(out, base::decode_utf8(text, position));
      continue;
    }
    ++position;
    switch (byte) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (byte < 0x20) {
          out += fmt::format("\\u{:04x}", byte);
        } else {
          out += static_cast<char>(byte);
        }
    }
  }
  out += '"';
}

namespace {

// fmt's {} is the shortest form that reads back; JSON has no NaN and no infinities.
template <class Number>
void append_number(std::string& out, Number value) {
  if (!std::isfinite(value)) {
    out += "null";
  } else {
    out += fmt::format("{}", value);
  }
}

}  // namespace

void append_json_number(std::string& out, float value) { append_number(out, value); }
void append_json_number(std::string& out, double value) { append_number(out, value); }

}  // namespace sextant::io
