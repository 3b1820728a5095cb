#include "text/split_patterns.h"

#include "text/pre_tokenizer.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

enum Kind : uint8_t { letter, number, space, other };

Kind kind_of(char32_t c) {
  CharClasses classes = char_classes(c);
  return classes & kLetter ? letter : classes & kNumeric ? number : classes & kWhiteSpace ? space : other;
}

struct AsciiKinds {
  Kind kinds[128];
  constexpr AsciiKinds() : kinds() {
    for (int c = 0; c < 128; ++c) {
      bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
      kinds[c] = is_letter ? letter : c >= '0' && c <= '9' ? number : is_space ? space : other;
    }
  }
};
constexpr AsciiKinds kAscii;

// The kind of the character at I, whose end becomes NEXT.
inline Kind look(std::string_view text, size_t i, size_t& next) {
  auto byte = static_cast<unsigned char>(text[i]);
  if (byte < 128) {
    next = i + 1;
    return kAscii.kinds[byte];
  }
  next = i;
  return kind_of(next_code_point(text, next));
}

// The end of the run of KIND that I is in or at.
inline size_t run_end(std::string_view text, size_t i, Kind kind) {
  while (i < text.size()) {
    size_t next = i;
    if (look(text, i, next) != kind) break;
    i = next;
  }
  return i;
}

// What \s+(?!\S)|\s+ takes of the white space [begin, end): all but the last character, if a visible one follows.
size_t space_end(std::string_view text, size_t begin, size_t end) {
  if (end == text.size()) return end;
  size_t last = end - static_cast<size_t>(utf8_size(previous_code_point(text, end)));
  return last > begin ? last : end;
}

// Bytes of 's 't 're 've 'm 'll 'd at I, where an apostrophe stands; 0: none.
template <bool any_case>
size_t contraction(std::string_view text, size_t i) {
  auto lower = [&](size_t k) -> char {
    if (k >= text.size()) return 0;
    char c = text[k];
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  char first = lower(i + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  char second = lower(i + 2);
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) return 3;
  // The long s, whose capital is S.
  if (any_case && text.substr(i + 1, 2) == "\xC5\xBF") return 3;
  return 0;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t gpt2_end(std::string_view text, size_t begin) {
  size_t next = 0;
  Kind kind = look(text, begin, next);
  if (text[begin] == '\'') {
    if (size_t size = contraction<false>(text, begin)) return begin + size;
  }
  if (kind != space) return run_end(text, next, kind);
  if (text[begin] == ' ' && next < text.size()) {
    size_t after = 0;
    Kind following = look(text, next, after);
    if (following != space) return run_end(text, after, following);
  }
  return space_end(text, begin, run_end(text, next, space));
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,DIGITS}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
// \s+(?!\S)|\s+
template <int digits>
size_t llama_end(std::string_view text, size_t begin) {
  size_t next = 0;
  Kind kind = look(text, begin, next);
  char first = text[begin];
  if (first == '\'') {
    if (size_t size = contraction<true>(text, begin)) return begin + size;
  }
  if (kind == letter) return run_end(text, next, letter);
  if (kind == number) {
    for (int count = 1; count < digits && next < text.size(); ++count) {
      size_t after = 0;
      if (look(text, next, after) != number) break;
      next = after;
    }
    return next;
  }
  size_t after = next;
  Kind following = next < text.size() ? look(text, next, after) : space;
  if (following == letter && first != '\r' && first != '\n') return run_end(text, after, letter);
  bool one_space = first == ' ' && next < text.size() && following == other;
  if (kind == other || one_space) {
    size_t end = run_end(text, one_space ? after : next, other);
    while (end < text.size() && (text[end] == '\r' || text[end] == '\n')) ++end;
    return end;
  }
  size_t end = run_end(text, next, space);
  for (size_t i = end; i > begin; --i) {
    if (text[i - 1] == '\r' || text[i - 1] == '\n') return i;
  }
  return space_end(text, begin, end);
}

}  // namespace

PieceEnd find_piece_end(std::string_view pattern) {
  constexpr std::string_view kLlamaStart = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})";
  constexpr std::string_view kLlamaEnd = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  if (pattern == ByteLevelPreTokenizer::kPattern) return gpt2_end;
  if (!pattern.starts_with(kLlamaStart)) return nullptr;
  pattern.remove_prefix(kLlamaStart.size());
  if (pattern == kLlamaEnd) return llama_end<1>;
  constexpr std::string_view kThree = "{1,3}";
  if (pattern.starts_with(kThree) && pattern.substr(kThree.size()) == kLlamaEnd) return llama_end<3>;
  return nullptr;
}

}  // namespace sextant::text
