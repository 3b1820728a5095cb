// base/json.h: JSON to text and back, by nlohmann's library (https://github.com/nlohmann/json), in one place: its
// parser and its writer take a compiler seconds in each file that uses them itself.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace sextant::base {

// Throws nlohmann::json::parse_error.
nlohmann::json parse_json(std::string_view text);
// TOO_DEEP throws; it is called where lists and objects nest more than DEPTH_MAX deep.
nlohmann::json parse_json(std::string_view text, int depth_max, const std::function<void()>& too_deep);
nlohmann::ordered_json parse_ordered_json(std::string_view text);

// On one line, or with lines and INDENT spaces a level. What is not UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& json, int indent = -1);
std::string json_text(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace sextant::base
