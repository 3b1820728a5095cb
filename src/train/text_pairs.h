// train/text_pairs.h: pairs that follow from running text.
//
// A document is {title, text}; paragraphs are separated by a blank line, one that starts with "# " is a heading.
//   title      title -> its first paragraph, and one other
//   heading    "title: heading" -> the paragraph below it
//   neighbour  a sentence -> the next one of its paragraph (6 to 60 words each)
//   halves     first half of a paragraph's sentences -> second half
//   words      a word of four letters or more -> the rest of its sentence; words that fit the same places come to lie
//              near each other, as in word2vec (Mikolov et al. 2013), which sentence pairs alone do not teach
// Of neighbours, halves and words a share KEEP is taken; which ones depends on the text alone.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::train {

struct TextPairOptions {
  bool title = true;
  bool heading = true;
  bool neighbour = true;
  bool halves = true;
  bool words = false;
  double keep = 0.25;
};

using PairSink = std::function<void(std::string anchor, std::string positive)>;

void pairs_of_document(std::string_view title, std::string_view text, const TextPairOptions& options,
                       const PairSink& sink);

// The sentences of a paragraph whose white space is single spaces: cut after . ! or ? (and a closing quote) before a
// capital, a digit, an opening quote or bracket.
std::vector<std::string> sentences_of(std::string_view paragraph);

}  // namespace sextant::train
