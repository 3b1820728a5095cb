#include "store/payload/json_shown.h"

#include <simdjson.h>

#include "base/utf8.h"

namespace sextant::store {
namespace {

constexpr size_t kShownMax = 64;

}  // namespace

std::string shown_string(std::string_view text) {
  std::string out = "\"";
  // What would break the line is left out.
  for (const char c : base::repair_utf8(text.substr(0, kShownMax)))
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  if (text.size() > kShownMax) out += "...";
  return out + '"';
}

std::string json_shown(const simdjson::dom::element& element) {
  std::string_view text;
  if (element.get(text) == simdjson::SUCCESS) return shown_string(text);
  if (element.is_array()) return "a list";
  if (element.is_object()) return "an object";
  return simdjson::minify(element);
}

}  // namespace sextant::store
