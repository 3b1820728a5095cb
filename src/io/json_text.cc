#include "io/json_text.h"

#include <simdjson.h>

#include <algorithm>

#include "io/jsonl.h"

namespace sextant::io {
namespace {

// Texts of this many bytes and fewer reuse one buffer; what a longer one needs is given back.
constexpr size_t kKeptBytesMax = size_t{1} << 20;

template <class Use>
bool with_parsed(std::string_view text, Use use) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element element;
  const bool parsed = parser.parse(text.data(), text.size()).get(element) == simdjson::SUCCESS && use(element);
  if (text.size() > kKeptBytesMax) parser = simdjson::dom::parser();
  return parsed;
}

}  // namespace

bool append_compact_json(std::string& out, std::string_view text) {
  return with_parsed(text, [&](simdjson::dom::element element) {
    out += simdjson::minify(element);
    return true;
  });
}

bool append_compact_object(std::string& out, std::string_view text, std::span<const std::string> fields) {
  return with_parsed(text, [&](simdjson::dom::element element) {
    simdjson::dom::object object;
    if (element.get(object) != simdjson::SUCCESS) return false;
    if (fields.empty()) {
      out += simdjson::minify(element);
      return true;
    }
    const size_t start = out.size();
    for (auto [key, value] : object) {
      if (std::find(fields.begin(), fields.end(), key) == fields.end()) continue;
      out += out.size() == start ? '{' : ',';
      append_json_string(out, key);
      out += ':';
      out += simdjson::minify(value);
    }
    out += out.size() == start ? "{}" : "}";
    return true;
  });
}

bool parse_json_floats(std::string_view text, std::vector<float>& out) {
  out.clear();
  return with_parsed(text, [&](simdjson::dom::element element) {
    simdjson::dom::array list;
    if (element.get(list) != simdjson::SUCCESS) return false;
    out.reserve(list.size());
    for (simdjson::dom::element item : list) {
      double number = 0;
      if (item.get(number) != simdjson::SUCCESS) return false;
      out.push_back(static_cast<float>(number));
    }
    return true;
  });
}

}  // namespace sextant::io
