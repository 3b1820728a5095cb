// io/json_text.h: JSON from somewhere else: checked, and written anew on one line.
//
// Numbers keep their value, strings and the order of fields stay as they are. What nests deeper than 1,024, holds an
// integer of more than 64 bits or is not UTF-8 is not taken. Threads: any number; each keeps a parser.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::io {

// Appends TEXT without white space. False, and nothing appended, where it is not one JSON value.
bool append_compact_json(std::string& out, std::string_view text);
// The same where it is an object; of its fields only those named, where any are.
bool append_compact_object(std::string& out, std::string_view text, std::span<const std::string> fields = {});
// TEXT as a list of numbers; false where it is anything else.
bool parse_json_floats(std::string_view text, std::vector<float>& out);

}  // namespace sextant::io
