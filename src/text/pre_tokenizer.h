// text/pre_tokenizer.h: cuts a normalized text into the pieces that no token may cross.
//
// Each follows the component of the same name in Hugging Face's tokenizers.
// Threads: apply() from many.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/pieces.h"
#include "text/regex.h"

namespace sextant::text {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Pieces& pieces) const = 0;
  // True where the cuts depend on where in the original a piece begins.
  virtual bool needs_alignment() const { return false; }
};

// What becomes of the characters that a cut was made at.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// Bytes [begin, end) of a piece, and whether they are a delimiter.
struct SplitRange {
  uint32_t begin;
  uint32_t end;
  bool is_match;
};

// Ranges that cover a piece, delimiters and the rest, into the pieces that BEHAVIOR makes of them. Works in place.
void merge_ranges(std::vector<SplitRange>& ranges, SplitBehavior behavior);

// Cuts at each character for which IS_MATCH(c) holds.
template <class IsMatch>
void split_at_characters(Pieces& pieces, SplitBehavior behavior, IsMatch is_match) {
  std::vector<SplitRange> ranges;
  pieces.cut([&](std::string_view text, auto emit) {
    ranges.clear();
    uint32_t last = 0;
    for (size_t i = 0; i < text.size();) {
      auto start = static_cast<uint32_t>(i);
      if (!is_match(next_code_point(text, i))) continue;
      if (last < start) ranges.push_back({last, start, false});
      last = static_cast<uint32_t>(i);
      ranges.push_back({start, last, true});
    }
    if (last < text.size()) ranges.push_back({last, static_cast<uint32_t>(text.size()), false});
    merge_ranges(ranges, behavior);
    for (const SplitRange& range : ranges) emit(range.begin, range.end);
  });
}

// White space removed, each punctuation mark alone.
class BertPreTokenizer : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override;
};

// Runs of word characters and runs of other visible ones; white space removed.
class WhitespacePreTokenizer : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override;
};

class WhitespaceSplit : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override;
};

class PunctuationPreTokenizer : public PreTokenizer {
 public:
  explicit PunctuationPreTokenizer(SplitBehavior behavior) : behavior_(behavior) {}
  void apply(Pieces& pieces) const override;

 private:
  SplitBehavior behavior_;
};

class DigitsPreTokenizer : public PreTokenizer {
 public:
  explicit DigitsPreTokenizer(bool individual) : individual_(individual) {}
  void apply(Pieces& pieces) const override;

 private:
  bool individual_;
};

class CharDelimiterSplit : public PreTokenizer {
 public:
  explicit CharDelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}
  void apply(Pieces& pieces) const override;

 private:
  char32_t delimiter_;
};

// Cuts where the script changes; kana counts as Han, and spaces go with what stands before them.
class UnicodeScripts : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override;
};

// Pieces of LENGTH characters.
class FixedLength : public PreTokenizer {
 public:
  explicit FixedLength(size_t length) : length_(length) {}
  void apply(Pieces& pieces) const override;

 private:
  size_t length_;
};

// Cuts at the matches of a pattern; inverted, at what lies between them.
class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(Regex pattern, SplitBehavior behavior, bool inverted)
      : pattern_(std::move(pattern)), behavior_(behavior), inverted_(inverted) {}
  void apply(Pieces& pieces) const override;
  const Regex& pattern() const { return pattern_; }
  SplitBehavior behavior() const { return behavior_; }
  bool inverted() const { return inverted_; }

 private:
  Regex pattern_;
  SplitBehavior behavior_;
  bool inverted_;
};

// GPT-2's: cuts by its pattern, then bytes become visible characters.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  static const char* const kPattern;
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_pattern)
      : add_prefix_space_(add_prefix_space), use_pattern_(use_pattern), pattern_(kPattern) {}
  void apply(Pieces& pieces) const override;
  bool add_prefix_space() const { return add_prefix_space_; }
  bool use_pattern() const { return use_pattern_; }

 private:
  bool add_prefix_space_;
  bool use_pattern_;
  Regex pattern_;
};

// SentencePiece's: spaces become a visible mark (U+2581), each word begins with one.
class Metaspace : public PreTokenizer {
 public:
  enum class Prepend { always, first, never };
  Metaspace(char32_t replacement, Prepend prepend, bool split);
  void apply(Pieces& pieces) const override;
  bool needs_alignment() const override { return prepend_ == Prepend::first; }
  const std::string& mark() const { return mark_; }
  Prepend prepend() const { return prepend_; }
  bool split() const { return split_; }

 private:
  char32_t replacement_;
  std::string mark_;
  Prepend prepend_;
  bool split_;
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps) : steps_(std::move(steps)) {}
  void apply(Pieces& pieces) const override {
    for (const auto& step : steps_) step->apply(pieces);
  }
  bool needs_alignment() const override {
    for (const auto& step : steps_) {
      if (step->needs_alignment()) return true;
    }
    return false;
  }
  const std::vector<std::unique_ptr<PreTokenizer>>& steps() const { return steps_; }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace sextant::text
