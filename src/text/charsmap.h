// text/charsmap.h: SentencePiece's compiled normalization rules: strings and what they become.
//
// Format: u32 size of the trie in bytes; the trie, a Darts-clone double array of little-endian u32 units; then the
// replacements, each ended by a zero byte. A trie value is the byte where a replacement starts.
// Every index that comes from the bytes is checked; a broken file gives wrong replacements, never a crash.
// Threads: const members from many.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::text {

class Charsmap {
 public:
  // No rules at all.
  Charsmap() = default;
  // Throws corrupted; FIELD names the place in the file.
  Charsmap(std::string_view bytes, const std::string& field);

  struct Match {
    size_t size = 0;  // bytes of the key; 0: no rule applies
    std::string_view replacement;
  };
  // The shortest or the longest rule that TEXT starts with.
  Match shortest(std::string_view text) const { return find(text, false); }
  Match longest(std::string_view text) const { return find(text, true); }
  // True where a rule starts with this byte.
  bool starts(unsigned char byte) const { return starts_[byte]; }
  bool empty() const { return units_.empty(); }

 private:
  Match find(std::string_view text, bool longest) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
  std::bitset<256> starts_;
};

}  // namespace sextant::text
