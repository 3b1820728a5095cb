#include "text/pre_tokenizer.h"

#include <algorithm>

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

}  // namespace sextant::text
