// store/payload/json_shown.h: JSON as messages show it: short, on one line.
#pragma once

#include <string>
#include <string_view>

namespace simdjson::dom {
class element;
}

namespace sextant::store {

// Scalars as they are written, up to 64 bytes; "a list", "an object".
std::string json_shown(const simdjson::dom::element& element);
// In quotes, up to 64 bytes.
std::string shown_string(std::string_view text);

}  // namespace sextant::store
