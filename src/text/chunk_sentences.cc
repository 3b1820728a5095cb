#include "text/chunk_sentences.h"

#include <fmt/format.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <algorithm>
#include <array>

#include "sextant/error.h"

namespace sextant::text {
namespace {

// A line this long or longer was probably wrapped by an editor rather than ended by its writer.
constexpr size_t kWrappedLineBytesMin = 50;

// Lower case, without the last full stop. Sorted.
constexpr std::array<std::string_view, 55> kAbbreviations = {
    "al",  "approx", "aug",  "bzw", "ca",  "capt", "cf",  "cmdr", "col", "d.h", "dec", "dept", "dr",  "e.g",
    "ed",  "eds",    "est",  "feb", "fig", "figs", "gen", "gov",  "hon", "i.e", "inc", "jan",  "jr",  "lt",
    "ltd", "m",      "mme",  "mr",  "mrs", "ms",   "mt",  "mx",   "no",  "nos", "nov", "nr",   "oct", "op",
    "p",   "pp",     "prof", "rep", "rev", "sen",  "sep", "sept", "sgt", "sr",  "st",  "vol",  "vs"};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// SENTENCE ends with a full stop that does not end it.
bool ends_with_abbreviation(std::string_view sentence) {
  if (!sentence.ends_with('.')) return false;
  sentence.remove_suffix(1);
  size_t start = sentence.size();
  while (start > 0 && (is_letter(sentence[start - 1]) || sentence[start - 1] == '.')) --start;
  std::string word(sentence.substr(start));
  if (word.empty() || word.size() > 8) return false;
  if (start > 0 && static_cast<unsigned char>(sentence[start - 1]) >= 0x80) return false;
  // Initials: "J. Smith". Not "I", which ends sentences.
  if (word.size() == 1 && word[0] >= 'A' && word[0] <= 'Z' && word[0] != 'I') return true;
  for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return std::binary_search(kAbbreviations.begin(), kAbbreviations.end(), std::string_view(word));
}

bool begins_list_item(std::string_view line) {
  if (line.empty() || is_space(line[0])) return true;
  if (std::string_view("-*+|#>").find(line[0]) != std::string_view::npos) return true;
  if (line.starts_with("\xE2\x80\xA2")) return true;  // bullet
  size_t digits = 0;
  while (digits < line.size() && line[digits] >= '0' && line[digits] <= '9') ++digits;
  return digits > 0 && digits <= 3 && digits + 1 < line.size() && (line[digits] == '.' || line[digits] == ')') &&
         line[digits + 1] == ' ';
}

// Shrinks to what lies between white space; empty ranges are not appended.
void append_trimmed(std::string_view text, ByteRange range, std::vector<ByteRange>& out) {
  while (range.begin < range.end && is_space(text[range.begin])) ++range.begin;
  while (range.end > range.begin && is_space(text[range.end - 1])) --range.end;
  if (range.begin < range.end) out.push_back(range);
}

// Cuts a long stretch into pieces of at most bytes_max, at white space where the second half of a piece has some.
void append_bounded(std::string_view text, ByteRange range, size_t bytes_max, std::vector<ByteRange>& out) {
  while (range.end - range.begin > bytes_max) {
    size_t limit = range.begin + bytes_max;
    size_t cut = limit;
    while (cut > range.begin + bytes_max / 2 && !is_space(text[cut])) --cut;
    if (!is_space(text[cut])) {
      cut = limit;
      // At most three steps back in valid UTF-8; in other bytes there is nothing to keep whole.
      while (cut > limit - 3 && cut > range.begin + 1 && continues_code_point(text[cut])) --cut;
    }
    append_trimmed(text, {range.begin, cut}, out);
    range.begin = cut;
  }
  append_trimmed(text, range, out);
}

}  // namespace

struct SentenceSplitter::Impl {
  UBreakIterator* iterator = nullptr;
  UText* utext = nullptr;
  std::string copy;  // of a paragraph, with the line ends inside it turned to spaces: the same length

  ~Impl() {
    ubrk_close(iterator);
    utext_close(utext);
  }
};

SentenceSplitter::SentenceSplitter() : impl_(std::make_unique<Impl>()) {
  UErrorCode status = U_ZERO_ERROR;
  impl_->iterator = ubrk_open(UBRK_SENTENCE, "", nullptr, 0, &status);
  if (U_FAILURE(status)) {
    throw Error(
        ErrorCode::unavailable,
        fmt::format("ICU's sentence rules cannot be loaded: {}; expected ICU with its data", u_errorName(status)));
  }
}

SentenceSplitter::SentenceSplitter(SentenceSplitter&&) noexcept = default;
SentenceSplitter& SentenceSplitter::operator=(SentenceSplitter&&) noexcept = default;
SentenceSplitter::~SentenceSplitter() = default;

void SentenceSplitter::split(std::string_view text, size_t bytes_max, std::vector<ByteRange>& out) {
  bytes_max = std::max<size_t>(bytes_max, 8);
  Impl& s = *impl_;
  size_t begin = 0;
  while (begin < text.size()) {
    // One paragraph: lines that were wrapped, up to a line end that means something.
    size_t end = begin;
    s.copy.clear();
    while (end < text.size()) {
      size_t line_end = std::min(text.find('\n', end), text.size());
      std::string_view line = text.substr(end, line_end - end);
      s.copy.append(line);
      end = line_end;
      if (end == text.size()) break;
      s.copy += ' ';
      ++end;
      std::string_view rest = text.substr(end);
      if (line.size() < kWrappedLineBytesMin || rest.starts_with('\n') || rest.starts_with("\r\n") ||
          begins_list_item(rest.substr(0, 8))) {
        break;
      }
    }
    UErrorCode status = U_ZERO_ERROR;
    s.utext = utext_openUTF8(s.utext, s.copy.data(), static_cast<int64_t>(s.copy.size()), &status);
    ubrk_setUText(s.iterator, s.utext, &status);
    if (U_FAILURE(status)) {
      throw Error(ErrorCode::internal, fmt::format("ICU cannot split a text: {}", u_errorName(status)));
    }
    size_t sentence = 0;
    ubrk_first(s.iterator);
    while (true) {
      int32_t next = ubrk_next(s.iterator);
      size_t cut = next == UBRK_DONE ? s.copy.size() : static_cast<size_t>(next);
      std::string_view so_far = std::string_view(s.copy).substr(sentence, cut - sentence);
      while (!so_far.empty() && is_space(so_far.back())) so_far.remove_suffix(1);
      bool last = next == UBRK_DONE || cut == s.copy.size();
      if (last || !ends_with_abbreviation(so_far)) {
        append_bounded(text, {begin + sentence, begin + cut}, bytes_max, out);
        sentence = cut;
      }
      if (last) break;
    }
    begin = end;
  }
}

}  // namespace sextant::text
