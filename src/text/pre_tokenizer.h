// text/pre_tokenizer.h: cuts a normalized text into the pieces that no token may cross.
//
// Each follows the component of the same name in Hugging Face's tokenizers.
// Threads: apply() from many.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/pieces.h"

namespace sextant::text {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Pieces& pieces) const = 0;
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

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps) : steps_(std::move(steps)) {}
  void apply(Pieces& pieces) const override {
    for (const auto& step : steps_) step->apply(pieces);
  }
  const std::vector<std::unique_ptr<PreTokenizer>>& steps() const { return steps_; }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace sextant::text
