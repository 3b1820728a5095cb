// text/aligned_text.h: a text that is being rewritten and still knows where each byte of it came from.
//
// In: valid UTF-8 at some place of the original.   Out: the rewritten text and, a byte, the bytes of the original that
// it stands for.
// A rewrite is a stream of (code point, change), as in Hugging Face's NormalizedString: change 0 replaces the next old
// character, n > 0 inserts (and inherits the alignment of what stands before), -n replaces one and swallows n more.
// Alignments are followed only where asked for: the same code serves callers who need nothing but ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sextant/tokenizer.h"
#include "text/unicode.h"

namespace sextant::text {

class AlignedText {
 public:
  AlignedText() = default;
  // TEXT as it stands at byte ORIGIN_BEGIN of the original.
  AlignedText(std::string_view text, uint32_t origin_begin, bool aligned) { assign(text, origin_begin, aligned); }
  void assign(std::string_view text, uint32_t origin_begin, bool aligned);
  // A text with the alignments it already has; ORIGINS is null for none.
  void assign(std::string_view text, const TokenOffset* origins);

  // Another text in place of this one. REQUIRES: not aligned.
  void take(std::string&& text) { text_ = std::move(text); }

  std::string_view view() const { return text_; }
  bool aligned() const { return aligned_; }
  // One entry a byte of view(); empty when not aligned.
  const std::vector<TokenOffset>& origins() const { return origins_; }

  // True where the text's first byte comes from the original's first. REQUIRES: aligned.
  bool begins_original() const { return !origins_.empty() && origins_.front().begin == 0; }

  // Rewrites the characters of bytes [begin, end); what stands around them is kept. Read the old text through view()
  // while writing; finish() puts the new one in its place.
  class Rewrite {
   public:
    // The first SKIPPED bytes of the range count as read and removed.
    Rewrite(AlignedText& target, size_t begin, size_t end, size_t skipped_bytes = 0);
    explicit Rewrite(AlignedText& target) : Rewrite(target, 0, target.text_.size()) {}
    void put(char32_t c, int change) {
      if (c < 0x80 && !target_.aligned_) {
        text_ += static_cast<char>(c);
      } else {
        put_aligned(c, change);
      }
    }
    void finish();

   private:
    void put_aligned(char32_t c, int change);

    AlignedText& target_;
    size_t begin_;
    size_t end_;
    size_t read_;  // old bytes consumed, absolute
    std::string text_;
    std::vector<TokenOffset> origins_;
  };

  // Keeps the characters for which KEEP(c) holds.
  template <class Keep>
  void filter(Keep keep);
  // Replaces each character by MAP(c).
  template <class Map>
  void map(Map map);

  // Keeps bytes [begin, end) alone.
  void keep(size_t begin, size_t end);
  // Inserts before the first character; an empty text stays empty.
  void prepend(std::string_view inserted);
  void append(std::string_view inserted);
  // Replaces the byte ranges MATCHES (ascending, disjoint) by CONTENT, each aligned with the last old byte of its
  // match.
  void replace(const std::vector<TokenOffset>& matches, std::string_view content);

 private:
  std::string text_;
  std::vector<TokenOffset> origins_;
  bool aligned_ = false;
};

template <class Keep>
void AlignedText::filter(Keep keep) {
  size_t write = 0;
  for (size_t read = 0; read < text_.size();) {
    size_t start = read;
    char32_t c = next_code_point(text_, read);
    if (!keep(c)) continue;
    if (write != start) {
      for (size_t i = start; i < read; ++i) text_[write + i - start] = text_[i];
      if (aligned_) {
        for (size_t i = start; i < read; ++i) origins_[write + i - start] = origins_[i];
      }
    }
    write += read - start;
  }
  text_.resize(write);
  if (aligned_) origins_.resize(write);
}

template <class Map>
void AlignedText::map(Map map) {
  Rewrite rewrite(*this);
  for (size_t i = 0; i < text_.size();) rewrite.put(map(next_code_point(text_, i)), 0);
  rewrite.finish();
}

}  // namespace sextant::text
