// text/normalizer_precompiled.h: SentencePiece's rules as Hugging Face's tokenizers applies them.
//
// Grapheme by grapheme: a short one (under 6 bytes) becomes what its shortest rule says, else its characters are looked
// up one by one. SentencePiece itself takes the longest rule anywhere; see sentencepiece_file.cc for that.
#pragma once

#include "text/charsmap.h"
#include "text/normalizer.h"

namespace sextant::text {

class PrecompiledNormalizer : public Normalizer {
 public:
  explicit PrecompiledNormalizer(Charsmap charsmap);
  void apply(AlignedText& text) const override;
  // The ids-only form: appends the normalized TEXT to OUT. Equal to apply().
  void append(std::string_view text, std::string& out) const;

 private:
  Charsmap charsmap_;
  std::bitset<128> plain_;  // ASCII characters that no rule touches
};

// Byte length of the extended grapheme cluster (Unicode 15, annex 29) at the start of TEXT.
// REQUIRES: valid UTF-8, not empty.
size_t grapheme_size(std::string_view text);

}  // namespace sextant::text
