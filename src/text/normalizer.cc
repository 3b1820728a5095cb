#include "text/normalizer.h"

#include "text/byte_level.h"

namespace sextant::text {

void StripAccentsNormalizer::apply(AlignedText& text) const {
  text.filter([](char32_t c) { return !(char_classes(c) & kMark); });
}

void StripNormalizer::apply(AlignedText& text) const {
  std::string_view old = text.view();
  size_t begin = 0;
  size_t end = old.size();
  while (left_ && begin < end) {
    size_t next = begin;
    if (!is_white_space(next_code_point(old, next))) break;
    begin = next;
  }
  while (right_ && end > begin) {
    char32_t c = previous_code_point(old, end);
    if (!is_white_space(c)) break;
    end -= static_cast<size_t>(utf8_size(c));
  }
  text.keep(begin, end);
}

void NmtNormalizer::apply(AlignedText& text) const {
  text.filter([](char32_t c) {
    return !((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F);
  });
  text.map([](char32_t c) {
    bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                 c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    return space ? U' ' : c;
  });
}

std::unique_ptr<ReplaceNormalizer> ReplaceNormalizer::of_string(std::string_view searched, std::string content) {
  auto made = std::make_unique<ReplaceNormalizer>(Regex(Regex::escaped(searched)), std::move(content));
  made->searched_ = searched;
  return made;
}

void ReplaceNormalizer::find(std::string_view text, std::vector<TokenOffset>& matches) const {
  if (searched_.empty()) {
    pattern_.find_all(text, matches);
    return;
  }
  for (size_t i = text.find(searched_); i != std::string_view::npos; i = text.find(searched_, i + searched_.size())) {
    matches.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(i + searched_.size())});
  }
}

void ReplaceNormalizer::apply(AlignedText& text) const {
  if (text.view().empty()) return;
  std::vector<TokenOffset> matches;
  find(text.view(), matches);
  text.replace(matches, content_);
}

void ByteLevelNormalizer::apply(AlignedText& text) const { apply_byte_level(text); }

}  // namespace sextant::text
