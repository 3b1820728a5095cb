#include "train/tokenizer_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "base/utf8.h"
#include "train/tokenizer_train.h"

namespace sextant::train {
namespace {

using ::testing::ElementsAre;
using ::testing::Le;

// Cuts at single spaces.
void split_at_spaces(std::string_view text, const std::function<void(std::string_view)>& emit) {
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    emit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::vector<WordCount> count_words(const std::vector<std::string>& texts, size_t thread_count,
                                   const WordCounterOptions& options = {}, WordCounterReport* report = nullptr,
                                   const Splitter& splitter = split_at_spaces) {
  base::ThreadPool pool(thread_count);
  WordCounter counter(splitter, pool, options);
  for (const std::string& text : texts) counter.add(text);
  return counter.finish(report);
}

std::vector<std::string> random_texts(uint64_t seed, size_t count, size_t distinct) {
  base::Random random(seed);
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    std::string text;
    for (uint64_t words = random.below(20); words > 0; --words) {
      text += "w" + std::to_string(random.below(1 + random.below(distinct))) + " ";
    }
    texts.push_back(text);
  }
  return texts;
}

TEST(CountTable, AddsUpCountsOfEqualKeysAndKeepsTheMostFrequent) {
  CountTable table;
  table.add("tap", 2);
  table.add("sink", 5);
  table.add("tap", 1);
  table.add("", 9);
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(table.key(0), "tap");
  EXPECT_EQ(table.count(0), 3u);
  EXPECT_EQ(table.key(2), "");
  EXPECT_EQ(table.keep_most_frequent(2), 3u);
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table.count(0) + table.count(1), 14u);
  table.add("tap", 1);
  EXPECT_EQ(table.count(2), 1u) << "what was dropped starts anew";
}

TEST(WordCounter, CountsWordsOverAllTextsInOrderOfTheirBytes) {
  WordCounterReport report;
  EXPECT_THAT(count_words({"b a", "", "a c", "a"}, 1, {}, &report),
              ElementsAre(WordCount{"a", 3}, WordCount{"b", 1}, WordCount{"c", 1}));
  EXPECT_EQ(report.texts, 4u);
  EXPECT_EQ(report.words, 5u);
  EXPECT_EQ(report.words_distinct, 3u);
  EXPECT_EQ(report.words_pruned, 0u);
}

TEST(WordCounter, GivesTheSameCountsForAnyNumberOfThreadsEvenWhenItPrunes) {
  std::vector<std::string> texts = random_texts(7, 3000, 2000);
  WordCounterOptions options;
  options.round_bytes = 5000;
  options.words_max = 300;
  WordCounterReport report;
  std::vector<WordCount> one = count_words(texts, 1, options, &report);
  EXPECT_THAT(one.size(), Le(300u));
  EXPECT_GT(report.words_pruned, 100u);
  EXPECT_GT(report.prune_count_max, 0u);
  EXPECT_EQ(count_words(texts, 2, options), one);
  EXPECT_EQ(count_words(texts, 5, options), one);
}

TEST(WordCounter, KeepsTheFrequentWordsWhenItPrunes) {
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) texts.push_back("often rare" + std::to_string(i));
  WordCounterOptions options;
  options.round_bytes = 100;
  options.words_max = 50;
  std::vector<WordCount> words = count_words(texts, 1, options);
  EXPECT_THAT(words, ::testing::Contains(WordCount{"often", 1000}));
}

TEST(WordCounter, CutsAnEndlessWordIntoPartsAndSaysSo) {
  WordCounterOptions options;
  options.word_code_points_max = 4;
  WordCounterReport report;
  std::string word = "\u00e4\u00e4\u00e4\u00e4\u00f6\u00f6\u00f6\u00f6x";
  EXPECT_THAT(count_words({word, "abcd"}, 1, options, &report),
              ElementsAre(WordCount{"abcd", 1}, WordCount{"x", 1}, WordCount{"\u00e4\u00e4\u00e4\u00e4", 1},
                          WordCount{"\u00f6\u00f6\u00f6\u00f6", 1}));
  EXPECT_EQ(report.words_cut, 1u);
}

TEST(WordCounter, RepairsInvalidUtf8AndKeepsNuls) {
  WordCounterReport report;
  std::string with_nul("a\0b", 3);
  EXPECT_THAT(count_words({"x\xffy", with_nul}, 1, {}, &report),
              ElementsAre(WordCount{with_nul, 1}, WordCount{"x\uFFFDy", 1}));
  EXPECT_EQ(report.texts_repaired, 1u);
}

// What the counter may never change: the words that the whole text would have been cut into.
TEST(WordCounter, CountsWhatEachTrainersSplitterCutsFromWholeTexts) {
  const std::vector<std::string> alphabet = {" ",          " ",      " ",
                                             "\n",         "\t",     "\r\n",
                                             "a",          "B",      "word",
                                             "'s",         "9",      ".",
                                             "!",          "\u00e9", "e\u0301",
                                             "\u0301",     "\u00a0", "\u3000",
                                             "\u2581",     "\u200b", "\u2028",
                                             "\u201d",     "\ufeff", "\ufffd",
                                             "\x01",       "\x7f",   "\u0085",
                                             "\u4e2d",     "\u0431", "\u00ad",
                                             "\u1680",     "\u180e", std::string(1, '\0'),
                                             "\U0001F600", "\u00a8", "\ufdfa",
                                             "##",         "\u00bd"};
  for (VocabularyModel model : {VocabularyModel::wordpiece, VocabularyModel::bpe, VocabularyModel::unigram}) {
    Splitter splitter = make_splitter(model, true);
    base::Random random(11);
    for (int round = 0; round < 400; ++round) {
      std::vector<std::string> texts(3);
      for (std::string& text : texts) {
        for (uint64_t parts = random.below(25); parts > 0; --parts) text += alphabet[random.below(alphabet.size())];
      }
      std::map<std::string, uint64_t> whole;
      for (const std::string& text : texts) splitter(text, [&](std::string_view word) { ++whole[std::string(word)]; });
      std::vector<WordCount> expected;
      for (const auto& [word, count] : whole) expected.push_back({word, count});
      ASSERT_EQ(count_words(texts, 1, {}, nullptr, splitter), expected)
          << name(model) << ", seed 11, round " << round << ": \"" << texts[0] << "\", \"" << texts[1] << "\", \""
          << texts[2] << "\"";
    }
  }
}

}  // namespace
}  // namespace sextant::train
