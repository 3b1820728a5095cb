#include "text/pre_tokenizer.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>

#include "text/byte_level.h"

namespace sextant::text {

void merge_ranges(std::vector<SplitRange>& ranges, SplitBehavior behavior) {
  std::vector<SplitRange> merged;
  switch (behavior) {
    case SplitBehavior::isolated:
      return;
    case SplitBehavior::removed:
      std::erase_if(ranges, [](const SplitRange& range) { return range.is_match; });
      return;
    case SplitBehavior::contiguous: {
      bool previous = false;
      for (const SplitRange& range : ranges) {
        if (range.is_match == previous && !merged.empty()) {
          merged.back().end = range.end;
        } else {
          merged.push_back(range);
        }
        previous = range.is_match;
      }
      break;
    }
    case SplitBehavior::merged_with_previous: {
      bool previous = false;
      for (const SplitRange& range : ranges) {
        if (range.is_match && !previous && !merged.empty()) {
          merged.back().end = range.end;
        } else {
          merged.push_back(range);
        }
        previous = range.is_match;
      }
      break;
    }
    case SplitBehavior::merged_with_next: {
      bool previous = false;
      for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
        if (range->is_match && !previous && !merged.empty()) {
          merged.back().begin = range->begin;
        } else {
          merged.push_back(*range);
        }
        previous = range->is_match;
      }
      std::reverse(merged.begin(), merged.end());
      break;
    }
  }
  ranges.swap(merged);
}

void BertPreTokenizer::apply(Pieces& pieces) const {
  split_at_characters(pieces, SplitBehavior::removed, is_white_space);
  split_at_characters(pieces, SplitBehavior::isolated,
                      [](char32_t c) { return (char_classes(c) & kPunctuation) != 0; });
}

void WhitespacePreTokenizer::apply(Pieces& pieces) const {
  // 0: white space, 1: word characters, 2: the others.
  auto kind_of = [](char32_t c) {
    CharClasses classes = char_classes(c);
    return classes & kWord ? 1 : classes & kWhiteSpace ? 0 : 2;
  };
  pieces.cut([&](std::string_view text, auto emit) {
    int kind = 0;
    size_t begin = 0;
    for (size_t i = 0; i < text.size();) {
      size_t start = i;
      int current = kind_of(next_code_point(text, i));
      if (current == kind) continue;
      if (kind != 0) emit(begin, start);
      begin = start;
      kind = current;
    }
    if (kind != 0) emit(begin, text.size());
  });
}

void WhitespaceSplit::apply(Pieces& pieces) const {
  split_at_characters(pieces, SplitBehavior::removed, is_white_space);
}

void PunctuationPreTokenizer::apply(Pieces& pieces) const {
  split_at_characters(pieces, behavior_, [](char32_t c) { return (char_classes(c) & kPunctuation) != 0; });
}

void DigitsPreTokenizer::apply(Pieces& pieces) const {
  split_at_characters(pieces, individual_ ? SplitBehavior::isolated : SplitBehavior::contiguous,
                      [](char32_t c) { return (char_classes(c) & kNumeric) != 0; });
}

void CharDelimiterSplit::apply(Pieces& pieces) const {
  split_at_characters(pieces, SplitBehavior::removed, [this](char32_t c) { return c == delimiter_; });
}

void UnicodeScripts::apply(Pieces& pieces) const {
  constexpr int kAny = -1;
  constexpr int kNone = -2;
  auto script_of = [&](char32_t c) -> int {
    if (c == 0x30FC) return USCRIPT_HAN;
    if (c == 0x589 || c == 0x61C) return USCRIPT_COMMON;  // as in Unicode 9
    if (c == ' ') return kAny;
    UErrorCode status = U_ZERO_ERROR;
    // The reference's table is that of Unicode 9: what came later has no script there.
    if (unicode_age(c) > 9) return kAny;
    int script = uscript_getScript(static_cast<UChar32>(c), &status);
    if (script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA) return USCRIPT_HAN;
    return script == USCRIPT_UNKNOWN || U_FAILURE(status) ? kAny : script;
  };
  pieces.cut([&](std::string_view text, auto emit) {
    int last = kNone;
    // What stands before the first character that has a script is dropped, as in the reference.
    size_t begin = static_cast<size_t>(-1);
    for (size_t i = 0; i < text.size();) {
      size_t start = i;
      int script = script_of(next_code_point(text, i));
      if (script == kAny) continue;
      if (script != last) {
        if (begin != static_cast<size_t>(-1)) emit(begin, start);
        begin = start;
      }
      last = script;
    }
    if (begin != static_cast<size_t>(-1)) emit(begin, text.size());
  });
}

void FixedLength::apply(Pieces& pieces) const {
  pieces.cut([&](std::string_view text, auto emit) {
    size_t begin = 0;
    size_t count = 0;
    for (size_t i = 0; i < text.size();) {
      i += static_cast<size_t>(utf8_size_of_lead(text[i]));
      if (++count < length_) continue;
      emit(begin, i);
      begin = i;
      count = 0;
    }
    emit(begin, text.size());
  });
}

namespace {

void split_by_pattern(Pieces& pieces, const Regex& pattern, SplitBehavior behavior, bool inverted) {
  std::vector<TokenOffset> matches;
  std::vector<SplitRange> ranges;
  pieces.cut([&](std::string_view text, auto emit) {
    matches.clear();
    ranges.clear();
    pattern.find_all(text, matches);
    uint32_t last = 0;
    for (const TokenOffset& match : matches) {
      if (last != match.begin) ranges.push_back({last, match.begin, inverted});
      ranges.push_back({match.begin, match.end, !inverted});
      last = match.end;
    }
    if (last != text.size()) ranges.push_back({last, static_cast<uint32_t>(text.size()), inverted});
    merge_ranges(ranges, behavior);
    for (const SplitRange& range : ranges) emit(range.begin, range.end);
  });
}

}  // namespace

void SplitPreTokenizer::apply(Pieces& pieces) const { split_by_pattern(pieces, pattern_, behavior_, inverted_); }

const char* const ByteLevelPreTokenizer::kPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

void ByteLevelPreTokenizer::apply(Pieces& pieces) const {
  if (add_prefix_space_) {
    pieces.rewrite([](AlignedText& text) {
      if (!text.view().starts_with(' ')) text.prepend(" ");
    });
  }
  if (use_pattern_) split_by_pattern(pieces, pattern_, SplitBehavior::isolated, false);
  pieces.rewrite(apply_byte_level);
}

Metaspace::Metaspace(char32_t replacement, Prepend prepend, bool split)
    : replacement_(replacement), prepend_(prepend), split_(split) {
  base::append_utf8(mark_, replacement);
}

void Metaspace::apply(Pieces& pieces) const {
  std::vector<TokenOffset> spaces;
  pieces.rewrite([&](AlignedText& text) {
    spaces.clear();
    std::string_view old = text.view();
    for (size_t i = old.find(' '); i != std::string_view::npos; i = old.find(' ', i + 1)) {
      spaces.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(i + 1)});
    }
    bool begins_text = prepend_ == Prepend::first && text.begins_original();
    text.replace(spaces, mark_);
    if (prepend_ == Prepend::never || (prepend_ == Prepend::first && !begins_text)) return;
    if (!text.view().starts_with(mark_)) text.prepend(mark_);
  });
  if (split_) {
    split_at_characters(pieces, SplitBehavior::merged_with_next, [this](char32_t c) { return c == replacement_; });
  }
}

}  // namespace sextant::text
