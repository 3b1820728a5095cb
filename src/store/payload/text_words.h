// store/payload/text_words.h: the words by which match text, text_any and phrase look at a text.
//
// word splits at everything but letters and digits (Unicode's Alphabetic and numbers), whitespace at white space,
// multilingual where ICU sees words end (by dictionaries for Chinese, Japanese, Thai, ...), prefix as word. Then the
// word becomes lower case, loses its accents where that is asked for, and is left out where it is a stop word or too
// short or long. With prefix a text's word counts by all of its beginnings of min to max letters, and a query's one by
// its first max letters; max is kPrefixMax at most. Threads: a WordRules is immutable; a WordReader belongs to one
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/payload/filter.h"
#include "store/payload/payload_schema.h"

struct UBreakIterator;

namespace sextant::store {

struct WordRules {
  static constexpr uint64_t kPrefixMax = 255;

  WordRules() = default;  // those of a text index without parameters, and of fields without one
  explicit WordRules(const FieldSchema& schema);

  TokenizerKind tokenizer = TokenizerKind::word;
  uint64_t min_letters = 0, max_letters = UINT64_MAX;
  bool lowercase = true, ascii_folding = false;
  std::vector<std::string> stopwords;

  bool operator==(const WordRules&) const = default;
};

// How many bytes the first COUNT letters (code points) of valid text take; all of them where there are fewer.
size_t bytes_of_letters(std::string_view text, uint64_t count);

// The words of a text, one after the other.
class WordReader {
 public:
  WordReader() = default;
  WordReader(const WordReader&) = delete;
  WordReader& operator=(const WordReader&) = delete;
  ~WordReader();

  // RULES and TEXT, valid UTF-8, must outlive the reading.
  void begin(const WordRules& rules, std::string_view text);
  // false at the end. The word stays until the next call. With prefix it may be longer than max.
  bool next(std::string_view& word);

 private:
  bool next_piece(std::string_view& piece);
  bool next_segment(std::string_view& piece);
  // The word in the form that it counts by; false where it does not.
  bool finish(std::string_view piece, std::string_view& word);

  const WordRules* rules_ = nullptr;
  std::string_view rest_;
  std::string_view text_;
  size_t segment_ = 0;
  UBreakIterator* segments_ = nullptr;
  std::string word_, folded_;
};

// What a query asks for, computed once: the words of match text or text_any, or of a phrase in their order.
class TextQuery {
 public:
  using Mode = MatchText::Mode;

  TextQuery(WordRules rules, Mode mode, std::string_view text);
  // Whether one text matches; a query without words matches none. READER is scratch.
  bool matches(std::string_view text, WordReader& reader) const;

  // all, any: sorted, each once. phrase: in order.
  const std::vector<std::string>& words() const { return words_; }
  const WordRules& rules() const { return rules_; }
  Mode mode() const { return mode_; }

 private:
  bool matches_words(std::string_view text, WordReader& reader) const;
  bool matches_phrase(std::string_view text, WordReader& reader) const;

  WordRules rules_;
  Mode mode_;
  std::vector<std::string> words_;
  std::vector<uint32_t> fallback_;  // Knuth, Morris & Pratt's, of a phrase
};

}  // namespace sextant::store
