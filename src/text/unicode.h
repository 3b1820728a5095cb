// text/unicode.h: what kind of character a code point is, in one table look-up.
//
// The table is filled from ICU in blocks of 256 code points, each when it is first asked for, so that starting costs
// nothing and a look-up costs two loads.
// Threads: everything may be called from many.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace sextant::text {

using CharClasses = uint16_t;

// The versions in brackets are those of Unicode that the reference's tables were made from: what came later has none of
// these properties there, and ids depend on it.
inline constexpr CharClasses kWhiteSpace = 1 << 0;      // White_Space
inline constexpr CharClasses kPunctuation = 1 << 1;     // category P* [8.0], or ASCII punctuation
inline constexpr CharClasses kNumeric = 1 << 2;         // category N*
inline constexpr CharClasses kLetter = 1 << 3;          // category L*
inline constexpr CharClasses kMark = 1 << 4;            // category M* [9.0]
inline constexpr CharClasses kMarkNonspacing = 1 << 5;  // category Mn [8.0]
inline constexpr CharClasses kControl = 1 << 6;         // Cc, Cf, Co [8.0] but for tab, line feed and carriage return
inline constexpr CharClasses kWord = 1 << 7;            // Alphabetic, M*, Nd, Pc, Join_Control: a regex's \w
inline constexpr CharClasses kIdeograph = 1 << 8;       // what BERT calls a Chinese character
inline constexpr CharClasses kCombining = 1 << 9;       // canonical combining class other than 0 [9.0]

struct CharClassBlock {
  CharClasses classes[256];
};

extern std::atomic<const CharClassBlock*> char_class_blocks[0x1100];
const CharClassBlock* fill_char_class_block(uint32_t block);

inline CharClasses char_classes(char32_t c) {
  const CharClassBlock* block = char_class_blocks[c >> 8].load(std::memory_order_acquire);
  if (block == nullptr) block = fill_char_class_block(c >> 8);
  return block->classes[c & 0xFF];
}

// The version of Unicode that a code point came with; 0 when it is unassigned in ICU's.
int unicode_age(char32_t c);

inline bool is_white_space(char32_t c) { return char_classes(c) & kWhiteSpace; }

// Lower case of one code point, without context: one or two code points; returns how many are in OUT.
int lower_case(char32_t c, char32_t out[2]);

// Number of bytes of a code point in UTF-8.
inline int utf8_size(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

// Number of bytes of the character that starts with this byte. REQUIRES: valid UTF-8.
inline int utf8_size_of_lead(char lead) {
  auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// The code point at POSITION of valid UTF-8; advances POSITION past it. REQUIRES: valid UTF-8, position < size.
inline char32_t next_code_point(std::string_view text, size_t& position) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(position);
  if (lead < 0x80) {
    ++position;
    return lead;
  }
  if (lead < 0xE0) {
    char32_t c = (char32_t{lead} & 0x1F) << 6 | (byte(position + 1) & 0x3F);
    position += 2;
    return c;
  }
  if (lead < 0xF0) {
    char32_t c =
        (char32_t{lead} & 0x0F) << 12 | (char32_t{byte(position + 1)} & 0x3F) << 6 | (byte(position + 2) & 0x3F);
    position += 3;
    return c;
  }
  char32_t c = (char32_t{lead} & 0x07) << 18 | (char32_t{byte(position + 1)} & 0x3F) << 12 |
               (char32_t{byte(position + 2)} & 0x3F) << 6 | (byte(position + 3) & 0x3F);
  position += 4;
  return c;
}

// The code point that ends before POSITION. REQUIRES: valid UTF-8, position > 0.
inline char32_t previous_code_point(std::string_view text, size_t position) {
  size_t start = position - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
  return next_code_point(text, start);
}

}  // namespace sextant::text
