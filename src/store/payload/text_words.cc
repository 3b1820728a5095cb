#include "store/payload/text_words.h"

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/translit.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::store {
namespace {

constexpr std::array<bool, 128> kAsciiLettersAndDigits = [] {
  std::array<bool, 128> out{};
  for (char c = '0'; c <= '9'; ++c) out[static_cast<size_t>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) out[static_cast<size_t>(c)] = out[static_cast<size_t>(c - 32)] = true;
  return out;
}();
constexpr std::array<bool, 128> kAsciiNoSpace = [] {
  std::array<bool, 128> out{};
  for (size_t c = 0; c < 128; ++c) out[c] = c != ' ' && (c < '\t' || c > '\r');
  return out;
}();

// Beyond ASCII.
bool is_letter_or_digit(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  return u_hasBinaryProperty(point, UCHAR_ALPHABETIC) || (U_GET_GC_MASK(point) & U_GC_N_MASK) != 0;
}

bool is_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }

void check(UErrorCode status, std::string_view what) {
  if (U_FAILURE(status)) {
    throw Error(ErrorCode::internal, fmt::format("ICU cannot {}: {}", what, u_errorName(status)));
  }
}

const icu::Transliterator& to_ascii() {
  static const std::unique_ptr<icu::Transliterator> rules = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::Transliterator> made(
        icu::Transliterator::createInstance("NFKD; [:Mn:] Remove; Latin-ASCII", UTRANS_FORWARD, status));
    check(status, "fold accents");
    return made;
  }();
  return *rules;
}

// Adds PIECE in lower case where LOWERCASE; returns whether it was ASCII.
bool append_ascii(std::string& out, std::string_view piece, bool lowercase) {
  const size_t begin = out.size();
  out.resize(begin + piece.size());
  unsigned char seen = 0;
  for (size_t i = 0; i < piece.size(); ++i) {
    const char c = piece[i];
    seen |= static_cast<unsigned char>(c);
    out[begin + i] = static_cast<char>(lowercase && c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  }
  return seen < 0x80;
}

}  // namespace

size_t bytes_of_letters(std::string_view text, uint64_t count) {
  if (text.size() <= count) return text.size();
  size_t end = 0;
  for (uint64_t i = 0; i < count && end < text.size(); ++i) {
    do ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  }
  return end;
}

WordRules::WordRules(const FieldSchema& schema)
    : tokenizer(schema.tokenizer.value_or(TokenizerKind::word)),
      min_letters(schema.min_token_len.value_or(0)),
      max_letters(schema.max_token_len.value_or(UINT64_MAX)),
      lowercase(schema.lowercase.value_or(true)),
      ascii_folding(schema.ascii_folding.value_or(false)),
      stopwords(schema.stopwords.value_or(std::vector<std::string>())) {
  if (tokenizer == TokenizerKind::prefix) {
    max_letters = std::min(max_letters, kPrefixMax);
    min_letters = std::min(min_letters, max_letters);
  }
  // Stop words are compared with words in their last form.
  WordRules plain;
  plain.tokenizer = TokenizerKind::whitespace;
  plain.lowercase = lowercase;
  plain.ascii_folding = ascii_folding;
  for (std::string& stopword : stopwords) {
    WordReader reader;
    std::string_view word;
    reader.begin(plain, stopword);
    if (reader.next(word)) stopword = std::string(word);
  }
  std::sort(stopwords.begin(), stopwords.end());
}

WordReader::~WordReader() {
  if (segments_ != nullptr) ubrk_close(segments_);
}

void WordReader::begin(const WordRules& rules, std::string_view text) {
  rules_ = &rules;
  rest_ = text_ = text;
  if (rules.tokenizer != TokenizerKind::multilingual) return;
  UErrorCode status = U_ZERO_ERROR;
  if (segments_ == nullptr) segments_ = ubrk_open(UBRK_WORD, "", nullptr, 0, &status);
  check(status, "find words");
  UText utf8 = UTEXT_INITIALIZER;
  utext_openUTF8(&utf8, text.data(), static_cast<int64_t>(text.size()), &status);
  ubrk_setUText(segments_, &utf8, &status);
  utext_close(&utf8);
  check(status, "find words");
  segment_ = 0;
}

bool WordReader::next_segment(std::string_view& piece) {
  for (;;) {
    const size_t begin = segment_;
    const int32_t end = ubrk_next(segments_);
    if (end == UBRK_DONE) return false;
    segment_ = static_cast<size_t>(end);
    if (ubrk_getRuleStatus(segments_) < UBRK_WORD_NONE_LIMIT) continue;
    piece = text_.substr(begin, segment_ - begin);
    return true;
  }
}

bool WordReader::next_piece(std::string_view& piece) {
  if (rules_->tokenizer == TokenizerKind::multilingual) return next_segment(piece);
  const bool by_space = rules_->tokenizer == TokenizerKind::whitespace;
  const std::array<bool, 128>& ascii = by_space ? kAsciiNoSpace : kAsciiLettersAndDigits;
  size_t begin = 0, position = 0;
  bool inside = false;
  while (position < rest_.size()) {
    const size_t at = position;
    const auto byte = static_cast<unsigned char>(rest_[at]);
    bool belongs = false;
    if (byte < 0x80) {
      ++position;
      belongs = ascii[byte];
    } else {
      const char32_t c = base::decode_utf8(rest_, position);
      belongs = by_space ? !is_space(c) : is_letter_or_digit(c);
    }
    if (belongs && !inside) begin = at;
    if (!belongs && inside) {
      piece = rest_.substr(begin, at - begin);
      rest_.remove_prefix(position);
      return true;
    }
    inside = belongs;
  }
  piece = rest_.substr(begin);
  rest_ = {};
  return inside;
}

bool WordReader::finish(std::string_view piece, std::string_view& word) {
  word_.clear();
  const bool ascii = append_ascii(word_, piece, rules_->lowercase);
  if (!ascii && rules_->lowercase) {
    word_.clear();
    UErrorCode status = U_ZERO_ERROR;
    icu::StringByteSink<std::string> sink(&word_);
    icu::CaseMap::utf8ToLower("", 0, icu::StringPiece(piece.data(), static_cast<int32_t>(piece.size())), sink, nullptr,
                              status);
    check(status, "write a word in lower case");
  }
  if (!ascii && rules_->ascii_folding) {
    icu::UnicodeString letters = icu::UnicodeString::fromUTF8(word_);
    to_ascii().transliterate(letters);
    folded_.clear();
    letters.toUTF8String(folded_);
    std::swap(word_, folded_);
  }
  if (word_.empty()) return false;
  if (!rules_->stopwords.empty() && std::binary_search(rules_->stopwords.begin(), rules_->stopwords.end(), word_)) {
    return false;
  }
  if (rules_->min_letters > 1 && bytes_of_letters(word_, rules_->min_letters - 1) == word_.size()) return false;
  if (rules_->tokenizer != TokenizerKind::prefix && bytes_of_letters(word_, rules_->max_letters) < word_.size()) {
    return false;
  }
  word = word_;
  return true;
}

bool WordReader::next(std::string_view& word) {
  std::string_view piece;
  while (next_piece(piece)) {
    if (finish(piece, word)) return true;
  }
  return false;
}

TextQuery::TextQuery(WordRules rules, Mode mode, std::string_view text) : rules_(std::move(rules)), mode_(mode) {
  WordReader reader;
  std::string_view word;
  const bool prefix = rules_.tokenizer == TokenizerKind::prefix;
  // While a word is being typed it may look like a stop word.
  WordRules query_rules = rules_;
  if (prefix && mode != Mode::phrase) query_rules.stopwords.clear();
  reader.begin(query_rules, text);
  while (reader.next(word)) {
    if (prefix && mode != Mode::phrase) word = word.substr(0, bytes_of_letters(word, rules_.max_letters));
    words_.emplace_back(word);
  }
  if (mode != Mode::phrase) {
    std::sort(words_.begin(), words_.end());
    words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
    return;
  }
  if (prefix && !words_.empty()) words_.back().resize(bytes_of_letters(words_.back(), rules_.max_letters));
  fallback_.assign(words_.size() + 1, 0);
  for (size_t i = 1, matched = 0; i < words_.size(); ++i) {
    while (matched > 0 && words_[i] != words_[matched]) matched = fallback_[matched];
    if (words_[i] == words_[matched]) ++matched;
    fallback_[i + 1] = static_cast<uint32_t>(matched);
  }
}

bool TextQuery::matches(std::string_view text, WordReader& reader) const {
  if (words_.empty()) return false;
  return mode_ == Mode::phrase ? matches_phrase(text, reader) : matches_words(text, reader);
}

bool TextQuery::matches_words(std::string_view text, WordReader& reader) const {
  // Which of the words were seen; most queries have few.
  uint64_t few = 0;
  std::vector<bool> many(words_.size() > 64 ? words_.size() : 0);
  size_t missing = mode_ == Mode::any ? 1 : words_.size();
  const auto look_up = [&](std::string_view word) {
    const auto found = std::lower_bound(words_.begin(), words_.end(), word);
    if (found == words_.end() || *found != word) return;
    const auto place = static_cast<size_t>(found - words_.begin());
    if (many.empty()) {
      if ((few >> place & 1) == 0) --missing;
      few |= uint64_t{1} << place;
    } else {
      if (!many[place]) --missing;
      many[place] = true;
    }
  };
  reader.begin(rules_, text);
  std::string_view word;
  while (missing > 0 && reader.next(word)) {
    if (rules_.tokenizer != TokenizerKind::prefix) {
      look_up(word);
      continue;
    }
    size_t end = bytes_of_letters(word, std::max<uint64_t>(rules_.min_letters, 1));
    for (uint64_t letters = std::max<uint64_t>(rules_.min_letters, 1);; ++letters) {
      look_up(word.substr(0, end));
      // A text's one word may be all that any mode asks for.
      if (missing == 0 || end == word.size() || letters >= rules_.max_letters) break;
      end += bytes_of_letters(word.substr(end), 1);
    }
  }
  return missing == 0;
}

bool TextQuery::matches_phrase(std::string_view text, WordReader& reader) const {
  const size_t last = words_.size() - 1;
  const bool prefix = rules_.tokenizer == TokenizerKind::prefix;
  reader.begin(rules_, text);
  std::string_view word;
  size_t matched = 0;
  while (reader.next(word)) {
    if (matched == last && (prefix ? word.starts_with(words_[last]) : word == words_[last])) return true;
    while (matched > 0 && word != words_[matched]) matched = fallback_[matched];
    if (matched < last && word == words_[matched]) ++matched;
  }
  return false;
}

}  // namespace sextant::store
