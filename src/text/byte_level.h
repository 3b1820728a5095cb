// text/byte_level.h: the 256 visible characters that stand for bytes in byte-level vocabularies (GPT-2).
//
// Printable Latin-1 characters stand for themselves; the other 68 bytes, in order, are U+0100 and up.
#pragma once

#include <array>
#include <string_view>

#include "text/aligned_text.h"

namespace sextant::text {

// The code point of each byte.
const std::array<char32_t, 256>& byte_level_characters();
// The byte that a code point stands for; -1: none.
int byte_of_character(char32_t c);
// Rewrites each character as those of its bytes, all aligned with it.
void apply_byte_level(AlignedText& text);
// The ids-only form: appends the characters of each byte.
void append_byte_level(std::string_view text, std::string& out);

}  // namespace sextant::text
