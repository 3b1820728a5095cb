// text/regex.h: patterns of tokenizer files, written for Oniguruma (Ruby syntax), run by PCRE2's compiler.
//
// The pattern is translated first: what \s, \w, \h, ^, $ and (?m) mean differs between the two. What cannot be said in
// PCRE2 is refused by name.
// Threads: find_all() from many.   Limits: a match may take a bounded number of steps, then it is an error.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/tokenizer.h"

namespace sextant::text {

class Regex {
 public:
  // Throws unsupported or corrupted with the pattern in the message.
  explicit Regex(std::string_view pattern);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // A pattern that matches TEXT and nothing else.
  static std::string escaped(std::string_view text);

  // All matches from left to right, appended to OUT as byte ranges; empty matches too, but not right after a match.
  // REQUIRES: valid UTF-8. Throws exhausted when the pattern needs too many steps.
  void find_all(std::string_view text, std::vector<TokenOffset>& out) const;

  const std::string& pattern() const { return pattern_; }

 private:
  struct Code;
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

}  // namespace sextant::text
