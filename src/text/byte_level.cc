#include "text/byte_level.h"

namespace sextant::text {

const std::array<char32_t, 256>& byte_level_characters() {
  static const std::array<char32_t, 256> characters = [] {
    std::array<char32_t, 256> table{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      table[byte] = visible ? byte : next++;
    }
    return table;
  }();
  return characters;
}

int byte_of_character(char32_t c) {
  static const std::array<int16_t, 0x144> bytes = [] {
    std::array<int16_t, 0x144> table{};
    table.fill(-1);
    for (int byte = 0; byte < 256; ++byte) {
      table[byte_level_characters()[static_cast<size_t>(byte)]] = static_cast<int16_t>(byte);
    }
    return table;
  }();
  return c < bytes.size() ? bytes[c] : -1;
}

void apply_byte_level(AlignedText& text) {
  const auto& characters = byte_level_characters();
  AlignedText::Rewrite rewrite(text);
  std::string_view old = text.view();
  for (size_t i = 0; i < old.size(); ++i) {
    bool continues = (static_cast<unsigned char>(old[i]) & 0xC0) == 0x80;
    rewrite.put(characters[static_cast<unsigned char>(old[i])], continues ? 1 : 0);
  }
  rewrite.finish();
}

void append_byte_level(std::string_view text, std::string& out) {
  const auto& characters = byte_level_characters();
  for (char c : text) base::append_utf8(out, characters[static_cast<unsigned char>(c)]);
}

}  // namespace sextant::text
