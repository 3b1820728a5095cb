#include "text/charsmap.h"

#include <cstring>

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::text {
namespace {

// Fields of a Darts-clone unit.
bool has_leaf(uint32_t unit) { return (unit >> 8) & 1; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string_view bytes, const std::string& field) {
  if (bytes.empty()) return;
  auto fail = [&](const std::string& why) { throw Error(ErrorCode::corrupted, field + " " + why); };
  uint32_t trie_bytes = 0;
  if (bytes.size() < sizeof trie_bytes) fail("is " + std::to_string(bytes.size()) + " bytes, expected at least 4");
  std::memcpy(&trie_bytes, bytes.data(), sizeof trie_bytes);
  bytes.remove_prefix(sizeof trie_bytes);
  if (trie_bytes > bytes.size() || trie_bytes % 4 != 0) {
    fail("says that its trie has " + std::to_string(trie_bytes) + " bytes, and " + std::to_string(bytes.size()) +
         " follow");
  }
  units_.resize(trie_bytes / 4);
  std::memcpy(units_.data(), bytes.data(), trie_bytes);
  replacements_ = bytes.substr(trie_bytes);
  if (!base::is_valid_utf8(replacements_)) fail("has replacements that are not UTF-8");
  for (int byte = 1; byte < 256; ++byte) {
    if (units_.empty()) break;
    uint32_t node = offset_of(units_[0]) ^ static_cast<uint32_t>(byte);
    starts_[static_cast<size_t>(byte)] = node < units_.size() && label_of(units_[node]) == static_cast<uint32_t>(byte);
  }
}

Charsmap::Match Charsmap::find(std::string_view text, bool longest) const {
  Match match;
  if (units_.empty()) return match;
  uint32_t node = offset_of(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0) break;
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) break;
    uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) break;
    uint32_t begin = value_of(units_[node]);
    if (begin >= replacements_.size()) break;
    // A start inside a character would give half of one.
    if ((static_cast<unsigned char>(replacements_[begin]) & 0xC0) == 0x80) break;
    match.size = i + 1;
    match.replacement = std::string_view(replacements_).substr(begin);
    match.replacement = match.replacement.substr(0, match.replacement.find('\0'));
    if (!longest) break;
  }
  return match;
}

}  // namespace sextant::text
