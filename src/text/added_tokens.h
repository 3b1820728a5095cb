// text/added_tokens.h: tokens that are found in the text before the model sees it, such as "[MASK]" or "<|endoftext|>".
//
// Those marked `normalized` are looked for in the normalized text, the others in the text as it came; of several that
// match at one place the longest wins.
// Threads: find() from many once it is filled.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sextant/tokenizer.h"

namespace sextant::text {

struct AddedToken {
  std::string content;
  TokenId id = -1;
  bool single_word = false;  // only where no word character touches it
  bool strip_left = false;   // swallows white space before it
  bool strip_right = false;  // and after it
  bool normalized = true;
  bool special = false;

  bool operator==(const AddedToken&) const = default;
};

// Many strings looked for at once, leftmost first, longest first.
class StringMatcher {
 public:
  // The first of equal strings keeps its value; an empty string never matches.
  void add(std::string_view pattern, TokenId value);
  bool empty() const { return nodes_.empty(); }

  struct Match {
    size_t begin = 0;
    size_t end = 0;
    TokenId value = -1;
  };
  // The next match at or after FROM; value is -1 when there is none.
  Match find(std::string_view text, size_t from) const;
  // Size of the longest pattern that stands at BEGIN; 0: none.
  size_t match_at(std::string_view text, size_t begin) const { return longest_at(text, begin).end - begin; }

 private:
  struct Node {
    std::map<unsigned char, uint32_t> next;
    TokenId value = -1;
  };
  // The match at BEGIN; empty there when there is none.
  Match longest_at(std::string_view text, size_t begin) const;

  std::vector<Node> nodes_;
  // The first bytes, and the first two, of patterns: nearly all places of a text are ruled out by these.
  std::bitset<256> first_;
  std::bitset<65536> first_two_;
  bool has_single_byte_ = false;
  int only_first_ = -1;  // the byte that all patterns start with; -2: they differ
};

class AddedTokens {
 public:
  // One range of a text: an added token, or what lies between (id -1).
  struct Range {
    size_t begin;
    size_t end;
    TokenId id;
  };

  // PATTERN is the string that the token is found by: its content, normalized where the token asks for it.
  void add(const AddedToken& token, std::string_view pattern);

  // Ranges that cover TEXT, appended to OUT.
  void find(std::string_view text, bool normalized, std::vector<Range>& out) const;

  bool has(bool normalized) const { return !(normalized ? normalized_ : raw_).empty(); }
  // The token with this id, or null.
  const AddedToken* by_id(TokenId id) const;
  TokenId id_of(std::string_view content) const;  // -1: none
  bool is_special(std::string_view content) const { return special_.contains(std::string(content)); }
  TokenId id_end() const { return id_end_; }
  size_t size() const { return by_content_.size(); }

 private:
  StringMatcher raw_;
  StringMatcher normalized_;
  std::unordered_map<TokenId, AddedToken> by_id_;
  std::unordered_map<std::string, TokenId> by_content_;
  std::unordered_set<std::string> special_;
  TokenId id_end_ = 0;
};

}  // namespace sextant::text
