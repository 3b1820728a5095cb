#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "text/unicode.h"

namespace sextant::text {

void StringMatcher::add(std::string_view pattern, TokenId value) {
  if (pattern.empty()) return;
  if (nodes_.empty()) nodes_.emplace_back();
  auto byte = [&](size_t i) { return static_cast<unsigned char>(pattern[i]); };
  first_.set(byte(0));
  if (only_first_ == -1) only_first_ = byte(0);
  if (only_first_ != byte(0)) only_first_ = -2;
  if (pattern.size() == 1) {
    has_single_byte_ = true;
  } else {
    first_two_.set(static_cast<size_t>(byte(0)) << 8 | byte(1));
  }
  uint32_t node = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    auto found = nodes_[node].next.find(byte(i));
    if (found != nodes_[node].next.end()) {
      node = found->second;
      continue;
    }
    auto made = static_cast<uint32_t>(nodes_.size());
    nodes_[node].next.emplace(byte(i), made);
    nodes_.emplace_back();
    node = made;
  }
  if (nodes_[node].value < 0) nodes_[node].value = value;
}

StringMatcher::Match StringMatcher::longest_at(std::string_view text, size_t begin) const {
  Match best{begin, begin, -1};
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (!first_[byte(begin)]) return best;
  if (!has_single_byte_ &&
      (begin + 1 == text.size() || !first_two_[static_cast<size_t>(byte(begin)) << 8 | byte(begin + 1)])) {
    return best;
  }
  uint32_t node = 0;
  for (size_t i = begin; i < text.size(); ++i) {
    auto found = nodes_[node].next.find(byte(i));
    if (found == nodes_[node].next.end()) break;
    node = found->second;
    if (nodes_[node].value >= 0) best = {begin, i + 1, nodes_[node].value};
  }
  return best;
}

StringMatcher::Match StringMatcher::find(std::string_view text, size_t from) const {
  if (nodes_.empty()) return {};
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (only_first_ >= 0) {
      const void* next = std::memchr(text.data() + begin, only_first_, text.size() - begin);
      if (next == nullptr) return {};
      begin = static_cast<size_t>(static_cast<const char*>(next) - text.data());
    } else if (!first_[static_cast<unsigned char>(text[begin])]) {
      continue;
    }
    Match match = longest_at(text, begin);
    if (match.value >= 0) return match;
  }
  return {};
}

void AddedTokens::add(const AddedToken& token, std::string_view pattern) {
  (token.normalized ? normalized_ : raw_).add(pattern, token.id);
  by_id_[token.id] = token;
  by_content_[token.content] = token.id;
  if (token.special) special_.insert(token.content);
  id_end_ = std::max(id_end_, token.id + 1);
}

const AddedToken* AddedTokens::by_id(TokenId id) const {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

TokenId AddedTokens::id_of(std::string_view content) const {
  auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? -1 : found->second;
}

void AddedTokens::find(std::string_view text, bool normalized, std::vector<Range>& out) const {
  const StringMatcher& matcher = normalized ? normalized_ : raw_;
  size_t covered = 0;  // everything before this byte is in OUT
  for (size_t from = 0;;) {
    StringMatcher::Match match = matcher.find(text, from);
    if (match.value < 0) break;
    from = match.end;
    size_t begin = match.begin;
    size_t end = match.end;
    const AddedToken& token = by_id_.at(match.value);
    if (token.single_word) {
      auto is_word = [](char32_t c) { return (char_classes(c) & kWord) != 0; };
      size_t after = end;
      if (begin > 0 && is_word(previous_code_point(text, begin))) continue;
      if (end < text.size() && is_word(next_code_point(text, after))) continue;
    }
    if (token.strip_left) {
      while (begin > 0) {
        char32_t c = previous_code_point(text, begin);
        if (!is_white_space(c)) break;
        begin -= static_cast<size_t>(utf8_size(c));
      }
      begin = std::min(std::max(begin, covered), end);
    }
    if (token.strip_right) {
      while (end < text.size()) {
        size_t next = end;
        if (!is_white_space(next_code_point(text, next))) break;
        end = next;
      }
    }
    if (covered < begin) out.push_back({covered, begin, -1});
    out.push_back({begin, end, token.id});
    covered = end;
  }
  if (covered < text.size()) out.push_back({covered, text.size(), -1});
}

}  // namespace sextant::text
