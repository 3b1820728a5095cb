// text/chunk_sentences.h: where sentences end (Unicode Standard Annex 29 through ICU, and what it leaves open).
//
// Departs from the annex: an abbreviation ("Dr.", "e.g.", initials) does not end a sentence, and a line end inside a
// hard-wrapped paragraph is a space. An empty line, a list item and a line that ends short always end one.
// Threads: one splitter per thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::text {

// Bytes [begin, end) of the text that was split.
struct ByteRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

class SentenceSplitter {
 public:
  SentenceSplitter();
  SentenceSplitter(SentenceSplitter&&) noexcept;
  SentenceSplitter& operator=(SentenceSplitter&&) noexcept;
  ~SentenceSplitter();

  // Appends the sentences of TEXT: in order, not touching white space at either end, never inside a code point. A
  // stretch of more than bytes_max without a sentence's end is cut, at white space where there is some. Linear time.
  void split(std::string_view text, size_t bytes_max, std::vector<ByteRange>& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant::text
