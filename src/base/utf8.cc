#include "base/utf8.h"

#include <cstring>

namespace sextant::base {

char32_t decode_utf8(std::string_view text, size_t& position, bool* valid) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  unsigned char lead = bytes[position++];
  if (lead < 0x80) return lead;
  size_t more = 0;
  char32_t code_point = 0;
  // The second byte's range is narrower for some leads: no overlong forms, no surrogates, nothing above U+10FFFF.
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    more = 1;
    code_point = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    more = 2;
    code_point = lead & 0x0F;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    more = 3;
    code_point = lead & 0x07;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    if (valid) *valid = false;
    return kReplacement;
  }
  for (size_t i = 0; i < more; ++i) {
    if (position >= text.size() || bytes[position] < low || bytes[position] > high) {
      if (valid) *valid = false;
      return kReplacement;
    }
    code_point = (code_point << 6) | (bytes[position++] & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return code_point;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  size_t position = 0;
  bool valid = true;
  while (position < text.size()) {
    // Eight ASCII bytes at a time: most text is mostly ASCII.
    if (position + 8 <= text.size()) {
      uint64_t word = 0;
      std::memcpy(&word, text.data() + position, 8);
      if ((word & 0x8080808080808080ull) == 0) {
        position += 8;
        continue;
      }
    }
    decode_utf8(text, position, &valid);
    if (!valid) return false;
  }
  return true;
}

std::string repair_utf8(std::string_view text) {
  if (is_valid_utf8(text)) return std::string(text);
  std::string out;
  out.reserve(text.size());
  size_t position = 0;
  while (position < text.size()) append_utf8(out, decode_utf8(text, position));
  return out;
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

}  // namespace sextant::base
