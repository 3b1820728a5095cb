#include "io/json_rows.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cstring>

#include "io/jsonl.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr size_t kJsonBufferBytes = size_t{1} << 18;

std::string_view kind_of(simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "a list";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::STRING:
      return "text";
    case simdjson::dom::element_type::BOOL:
      return "true or false";
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

struct JsonObjectRows::Parser {
  simdjson::dom::parser parser;
  std::string padded;  // simdjson reads past the end by SIMDJSON_PADDING bytes
};

JsonObjectRows::JsonObjectRows(const std::string& path, const RowOptions& row_options)
    : RowSource(path == "-" ? "standard input" : path, row_options), parser_(std::make_unique<Parser>()) {}

JsonObjectRows::~JsonObjectRows() = default;

void JsonObjectRows::parse(std::string_view text, Row& row) {
  using Element = simdjson::dom::element;
  std::string& padded = parser_->padded;
  if (padded.size() < text.size() + simdjson::SIMDJSON_PADDING) {
    padded.resize(2 * text.size() + simdjson::SIMDJSON_PADDING);
  }
  std::memcpy(padded.data(), text.data(), text.size());
  Element root;
  if (auto error = parser_->parser.parse(padded.data(), text.size(), false).get(root)) {
    fail(fmt::format("not valid JSON: {}", simdjson::error_message(error)));
  }
  simdjson::dom::object object;
  if (root.get(object) != simdjson::SUCCESS) fail(fmt::format("is {}, expected an object", kind_of(root)));

  auto has = [&](std::string_view name) {
    Element ignored;
    return !name.empty() && object.at_key(name).get(ignored) == simdjson::SUCCESS;
  };
  auto must_have = [&](const std::optional<std::string>& name) {
    if (name && !name->empty() && !has(*name)) fail(fmt::format("has no field '{}'", *name));
  };
  must_have(options().id_column);
  must_have(options().text_column);
  must_have(options().vector_column);
  must_have(options().payload_column);
  if (number() == 0) {
    const auto& chosen = options().vector_column;
    vector_name_ = chosen ? *chosen : has("embedding") && !has("vector") ? "embedding" : "vector";
  }
  const std::string_view id_field = id_name(), text_field = text_name(), payload_field = payload_name();

  auto read_id = [&](Element value) {
    std::string_view name;
    uint64_t number = 0;
    if (value.get(name) == simdjson::SUCCESS) {
      row.id = std::string(name);
    } else if (value.get(number) == simdjson::SUCCESS) {
      row.id = std::to_string(number);
    } else if (!value.is_null()) {
      fail(fmt::format("field '{}' is {}, expected an unsigned integer or text", id_field,
                       value.is_number() ? simdjson::minify(value) : std::string(kind_of(value))));
    }
  };
  auto read_text = [&](Element value) {
    std::string_view found;
    if (value.get(found) == simdjson::SUCCESS) {
      row.text = std::string(found);
    } else if (!value.is_null()) {
      fail(fmt::format("field '{}' is {}, expected text", text_field, kind_of(value)));
    }
  };
  auto read_vector = [&](Element value) {
    simdjson::dom::array list;
    if (value.get(list) != simdjson::SUCCESS) {
      fail(fmt::format("field '{}' is {}, expected a list of numbers", vector_name_, kind_of(value)));
    }
    for (Element item : list) {
      double number = 0;
      if (item.get(number) != simdjson::SUCCESS) {
        fail(fmt::format("field '{}': component {} is {}, expected a number", vector_name_, row.vector.size(),
                         kind_of(item)));
      }
      row.vector.push_back(static_cast<float>(number));
    }
    if (row.vector.empty()) fail(fmt::format("field '{}' is an empty list, expected numbers", vector_name_));
  };

  // A payload of its own is all of the payload.
  simdjson::dom::object payload = object;
  bool own_payload = false;
  if (Element value; !payload_field.empty() && object.at_key(payload_field).get(value) == simdjson::SUCCESS) {
    own_payload = value.get(payload) == simdjson::SUCCESS;
    if (!own_payload) payload = object;
    if (!own_payload && options().payload_column && !value.is_null()) {
      fail(fmt::format("field '{}' is {}, expected an object", payload_field, kind_of(value)));
    }
  }
  std::string& out = row.payload_json;
  out = "{";
  auto append = [&](std::string_view key, Element value) {
    if (!is_wanted(key)) return;
    if (out.size() > 1) out += ',';
    append_json_string(out, key);
    out += ':';
    out += simdjson::minify(value);
  };
  for (auto [key, value] : object) {
    if (!id_field.empty() && key == id_field) {
      read_id(value);
    } else if (!text_field.empty() && key == text_field) {
      read_text(value);
    } else if (!vector_name_.empty() && key == vector_name_) {
      row.vector.clear();
      read_vector(value);
    } else if (!own_payload) {
      // Where a payload was asked for and is null, there is none.
      if (options().payload_column && !options().payload_column->empty() && key == payload_field) continue;
      append(key, value);
    } else if (key != payload_field) {
      note_left_out(key);
    }
  }
  if (own_payload) {
    for (auto [key, value] : payload) append(key, value);
  }
  out += '}';
}

JsonLineRows::JsonLineRows(const std::string& path, const RowOptions& row_options)
    : JsonObjectRows(path, row_options), lines_(path, {.line_bytes_max = row_options.row_bytes_max}) {}

bool JsonLineRows::read(Row& row) {
  std::string_view line;
  do {
    if (!lines_.next(line)) return false;
  } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
  parse(line, row);
  return true;
}

std::string JsonLineRows::place() const { return "line " + std::to_string(lines_.line_number()); }

JsonRows::JsonRows(const std::string& path, const RowOptions& row_options)
    : JsonObjectRows(path, row_options), bytes_(path) {
  buffer_.resize(kJsonBufferBytes);
}

void JsonRows::fail_at(const std::string& what) const {
  throw Error(ErrorCode::corrupted, fmt::format("{}: byte {}: {}", name(), taken_ + begin_, what));
}

bool JsonRows::peek(char& byte) {
  if (begin_ == end_) {
    taken_ += end_;
    begin_ = 0;
    end_ = bytes_.read(buffer_.data(), buffer_.size());
    if (end_ == 0) return false;
  }
  byte = buffer_[begin_];
  return true;
}

bool JsonRows::skip_space(char& byte) {
  while (peek(byte)) {
    if (!is_json_space(byte)) return true;
    ++begin_;
  }
  return false;
}

std::string_view JsonRows::take_object() {
  size_t at = begin_;
  size_t depth = 0;
  bool in_string = false;
  while (true) {
    for (; at < end_; ++at) {
      const char c = buffer_[at];
      if (in_string) {
        // What follows a backslash is not looked at; at the buffer's end it waits for the next bytes.
        if (c == '\\') {
          if (at + 1 == end_) break;
          ++at;
        } else if (c == '"') {
          in_string = false;
        }
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && --depth == 0) {
        const std::string_view object(buffer_.data() + begin_, at + 1 - begin_);
        begin_ = at + 1;
        return object;
      }
    }
    if (end_ - begin_ > options().row_bytes_max) {
      throw Error(ErrorCode::exhausted, fmt::format("{}: the object at byte {} is longer than the limit of {} bytes",
                                                    name(), taken_ + begin_, options().row_bytes_max));
    }
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    at -= begin_;
    end_ -= begin_;
    taken_ += begin_;
    begin_ = 0;
    // Doubling keeps the work linear in the length of the object.
    if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    const size_t n = bytes_.read(buffer_.data() + end_, buffer_.size() - end_);
    if (n == 0) fail_at("the object that begins here has no end; the file is cut short");
    end_ += n;
  }
}

bool JsonRows::read(Row& row) {
  char byte = 0;
  if (form_ == Form::done) return false;
  if (form_ == Form::unknown) {
    for (char expected : kByteOrderMark) {
      if (taken_ + begin_ < kByteOrderMark.size() && peek(byte) && byte == expected) ++begin_;
    }
    if (!skip_space(byte)) return false;
    form_ = byte == '[' ? Form::list : Form::sequence;
    if (byte == '[') {
      ++begin_;
      if (!skip_space(byte)) fail_at("the list has no end; the file is cut short");
    }
  } else {
    const bool more = skip_space(byte);
    if (form_ == Form::sequence && !more) return false;
    if (form_ == Form::list) {
      if (!more) fail_at("the list has no end; the file is cut short");
      if (byte == ',') {
        ++begin_;
        if (!skip_space(byte)) fail_at("the list has no end; the file is cut short");
        if (byte == ']') fail_at("found ']' behind a comma, expected an object");
      } else if (byte != ']') {
        fail_at(fmt::format("found '{}' behind an object of the list, expected a comma or ']'", byte));
      }
    }
  }
  if (form_ == Form::list && byte == ']') {
    form_ = Form::done;
    ++begin_;
    if (skip_space(byte)) fail_at("something follows the list");
    return false;
  }
  if (byte != '{') fail_at(fmt::format("found '{}', expected an object", byte));
  parse(take_object(), row);
  return true;
}

}  // namespace sextant::io
