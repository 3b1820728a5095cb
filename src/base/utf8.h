// base/utf8.h: UTF-8 in and out, one code point at a time.
//
// Invalid bytes decode to U+FFFD one maximal subpart at a time (Unicode 15, section 3.9, best practice), which is what
// Python's errors="replace" and browsers do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sextant::base {

inline constexpr char32_t kReplacement = 0xFFFD;

// The code point at text[position]; advances position past it, at least one byte. REQUIRES: position < text.size().
// valid, where given, is set to false when bytes were replaced and left alone otherwise.
char32_t decode_utf8(std::string_view text, size_t& position, bool* valid = nullptr);

void append_utf8(std::string& out, char32_t code_point);

bool is_valid_utf8(std::string_view text);

// The text with every invalid sequence replaced by U+FFFD; unchanged when valid.
std::string repair_utf8(std::string_view text);

// Number of code points of valid text.
size_t count_code_points(std::string_view text);

}  // namespace sextant::base
