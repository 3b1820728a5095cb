#include "train/text_pairs.h"

#include <algorithm>
#include <array>

#include "base/hash.h"

namespace sextant::train {
namespace {

constexpr size_t kParagraphWordsMin = 12;
constexpr size_t kPassageWordsMax = 120;
constexpr size_t kSentenceWordsMin = 6;
constexpr size_t kSentenceWordsMax = 60;
constexpr size_t kWordLettersMin = 4;

// In [0, 1), from the text alone.
double chance(std::string_view text) { return static_cast<double>(base::hash64(text) >> 11) * 0x1p-53; }

std::string single_spaced(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
    if (!space) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

size_t count_words(std::string_view text) {
  return text.empty() ? 0 : static_cast<size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
}

std::string first_words(const std::string& text, size_t words_max) {
  size_t position = 0;
  for (size_t words = 0; words < words_max; ++words) {
    position = text.find(' ', position);
    if (position == std::string::npos) return text;
    ++position;
  }
  return text.substr(0, position - 1);
}

// One word of at least kWordLettersMin letters and the sentence without it; false where the sentence has none. Which
// word depends on the sentence alone.
bool take_word(const std::string& sentence, std::string& word, std::string& rest) {
  std::vector<std::pair<size_t, size_t>> words;
  for (size_t begin = 0; begin < sentence.size();) {
    auto is_letter = [&](size_t i) {
      auto c = static_cast<unsigned char>(sentence[i]);
      return c >= 0x80 || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    };
    size_t end = begin;
    while (end < sentence.size() && is_letter(end)) ++end;
    if (end - begin >= kWordLettersMin) words.emplace_back(begin, end);
    begin = std::max(end, begin + 1);
  }
  if (words.empty()) return false;
  auto [begin, end] = words[base::hash64(sentence, 7) % words.size()];
  word = sentence.substr(begin, end - begin);
  rest = sentence.substr(0, begin) + sentence.substr(end);
  return true;
}

// The length of one of these at the start of TEXT, or 0.
template <size_t n>
size_t starts_with_one_of(std::string_view text, const std::array<std::string_view, n>& choices) {
  for (std::string_view choice : choices) {
    if (text.starts_with(choice)) return choice.size();
  }
  return 0;
}

constexpr std::array<std::string_view, 4> kClosing = {"\"", "”", "’", ")"};
constexpr std::array<std::string_view, 3> kOpening = {"\"", "“", "("};

}  // namespace

std::vector<std::string> sentences_of(std::string_view paragraph) {
  std::vector<std::string> sentences;
  size_t begin = 0;
  for (size_t i = 0; i + 1 < paragraph.size(); ++i) {
    if (paragraph[i] != '.' && paragraph[i] != '!' && paragraph[i] != '?') continue;
    size_t end = i + 1;
    end += starts_with_one_of(paragraph.substr(end), kClosing);
    if (end + 1 >= paragraph.size() || paragraph[end] != ' ') continue;
    std::string_view next = paragraph.substr(end + 1);
    bool opens = (next[0] >= 'A' && next[0] <= 'Z') || (next[0] >= '0' && next[0] <= '9') ||
                 starts_with_one_of(next, kOpening) > 0;
    if (!opens) continue;
    sentences.emplace_back(paragraph.substr(begin, end - begin));
    begin = end + 1;
    i = end;
  }
  if (begin < paragraph.size()) sentences.emplace_back(paragraph.substr(begin));
  return sentences;
}

void pairs_of_document(std::string_view raw_title, std::string_view text, const TextPairOptions& options,
                       const PairSink& sink) {
  const std::string title = single_spaced(raw_title);
  std::vector<std::string> paragraphs;
  std::string heading;
  auto emit = [&](std::string anchor, std::string positive) {
    if (!anchor.empty() && !positive.empty() && anchor != positive) sink(std::move(anchor), std::move(positive));
  };
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find("\n\n", begin), text.size());
    std::string paragraph = single_spaced(text.substr(begin, end - begin));
    begin = end + 2;
    if (paragraph.starts_with("# ")) {
      heading = paragraph.substr(2);
      continue;
    }
    if (count_words(paragraph) < kParagraphWordsMin) continue;
    if (!heading.empty() && options.heading) emit(title + ": " + heading, first_words(paragraph, kPassageWordsMax));
    heading.clear();
    paragraphs.push_back(std::move(paragraph));
  }
  if (!title.empty() && !paragraphs.empty() && options.title) {
    emit(title, first_words(paragraphs[0], kPassageWordsMax));
    if (paragraphs.size() > 2) {
      auto other = static_cast<size_t>(chance(title + paragraphs[0]) * static_cast<double>(paragraphs.size() - 1));
      emit(title, first_words(paragraphs[1 + other], kPassageWordsMax));
    }
  }
  if (!options.neighbour && !options.halves && !options.words) return;
  for (const std::string& paragraph : paragraphs) {
    std::vector<std::string> sentences = sentences_of(paragraph);
    std::erase_if(sentences, [](const std::string& sentence) {
      size_t words = count_words(sentence);
      return words < kSentenceWordsMin || words > kSentenceWordsMax;
    });
    for (size_t i = 0; options.neighbour && i + 1 < sentences.size(); ++i) {
      if (chance(sentences[i]) < options.keep) emit(sentences[i], sentences[i + 1]);
    }
    std::string word, rest;
    for (const std::string& sentence : sentences) {
      if (!options.words || chance("word of " + sentence) >= options.keep) continue;
      if (take_word(sentence, word, rest)) emit(word, rest);
    }
    if (options.halves && sentences.size() >= 4 && chance(paragraph) < options.keep) {
      std::string first, second;
      for (size_t i = 0; i < sentences.size(); ++i) {
        std::string& half = i < sentences.size() / 2 ? first : second;
        if (!half.empty()) half += ' ';
        half += sentences[i];
      }
      emit(std::move(first), std::move(second));
    }
  }
}

}  // namespace sextant::train
