#include "train/tokenizer_bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

BpeTrainOptions bpe_options(size_t vocabulary_size, uint64_t min_frequency = 1) {
  BpeTrainOptions options;
  options.vocabulary_size = vocabulary_size;
  options.min_frequency = min_frequency;
  return options;
}

// Merges as text, "left right".
std::vector<std::string> merges(const BpeVocabulary& vocabulary) {
  std::vector<std::string> result;
  for (auto [left, right] : vocabulary.merges) {
    result.push_back(vocabulary.tokens[left] + " " + vocabulary.tokens[right]);
  }
  return result;
}

TEST(BpeTrainer, MergesTheMostFrequentPairFirst) {
  // o-t 9 + 4 = 13; then h-ot 9, p-ot 4; e-n 3 and p-e 3, of which e-n has the smaller ids; then p-en.
  std::vector<WordCount> words = {{"hot", 9}, {"pen", 3}, {"pot", 4}};
  BpeVocabulary vocabulary = train_bpe(words, bpe_options(100));
  EXPECT_THAT(merges(vocabulary), ElementsAre("o t", "h ot", "p ot", "e n", "p en"));
  EXPECT_THAT(vocabulary.tokens, ElementsAre("e", "h", "n", "o", "p", "t", "ot", "hot", "pot", "en", "pen"));
}

TEST(BpeTrainer, StopsWhenTheVocabularyIsFullOrThePairsAreTooRare) {
  std::vector<WordCount> words = {{"hot", 9}, {"pen", 3}, {"pot", 4}};
  EXPECT_THAT(merges(train_bpe(words, bpe_options(7))), ElementsAre("o t"));
  EXPECT_THAT(merges(train_bpe(words, bpe_options(100, 4))), ElementsAre("o t", "h ot", "p ot"));
  EXPECT_THAT(merges(train_bpe(words, bpe_options(100, 14))), IsEmpty());
}

TEST(BpeTrainer, CountsOverlappingRunsOfOneLetterAsTheReferenceDoes) {
  // "aaaa" counts a-a three times, and becomes "aa aa".
  std::vector<WordCount> words = {{"aaaa", 2}, {"ab", 5}};
  BpeVocabulary vocabulary = train_bpe(words, bpe_options(100));
  EXPECT_THAT(merges(vocabulary), ElementsAre("a a", "a b", "aa aa"));
}

TEST(BpeTrainer, MarksContinuingPiecesForWordPiece) {
  std::vector<WordCount> words = {{"hot", 9}, {"shot", 4}};
  BpeTrainOptions options = bpe_options(100);
  options.continuing_prefix = "##";
  options.special_tokens = {"[PAD]", "[UNK]"};
  BpeVocabulary vocabulary = train_bpe(words, options);
  EXPECT_THAT(vocabulary.tokens,
              ElementsAre("[PAD]", "[UNK]", "h", "o", "s", "t", "##h", "##o", "##t", "##ot", "hot", "sh", "shot"));
}

TEST(BpeTrainer, LeavesOutWordsWithCharactersBeyondTheAlphabet) {
  std::vector<WordCount> words = {{"ab", 5}, {"abx", 2}, {"ba", 5}};
  BpeTrainOptions options = bpe_options(100);
  options.alphabet_max = 2;
  BpeVocabulary vocabulary = train_bpe(words, options);
  EXPECT_THAT(vocabulary.tokens, ElementsAre("a", "b", "ab", "ba"));
  EXPECT_EQ(vocabulary.characters_dropped, 1u);
  EXPECT_EQ(vocabulary.words_dropped, 2u);
}

TEST(BpeTrainer, KeepsTheAlphabetItIsGivenWhetherItOccursOrNot) {
  BpeTrainOptions options = bpe_options(100);
  options.alphabet = {U'z', U'a'};
  EXPECT_THAT(train_bpe({}, options).tokens, ElementsAre("a", "z"));
}

TEST(BpeTrainer, RefusesAVocabularySmallerThanItsAlphabet) {
  std::vector<WordCount> words = {{"abcdef", 1}};
  try {
    train_bpe(words, bpe_options(5));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("vocabulary size 5 is too small: 0 special tokens and 6 characters need 6"));
  }
}

TEST(BpeTrainer, TakesAWordOfOneCharacter) {
  std::vector<WordCount> words = {{"a", 1}};
  EXPECT_THAT(train_bpe(words, bpe_options(10)).tokens, ElementsAre("a"));
}

// The same by counting every pair of every word anew for each merge.
std::vector<std::string> slow_merges(const std::vector<WordCount>& words, size_t vocabulary_size,
                                     uint64_t min_frequency) {
  std::set<char32_t> characters;
  for (const WordCount& word : words) {
    for (size_t i = 0; i < word.word.size();) characters.insert(base::decode_utf8(word.word, i));
  }
  std::vector<std::string> tokens;
  std::map<std::string, size_t> ids;
  for (char32_t character : characters) {
    std::string token;
    base::append_utf8(token, character);
    ids[token] = tokens.size();
    tokens.push_back(token);
  }
  std::vector<std::vector<size_t>> symbols;
  for (const WordCount& word : words) {
    symbols.emplace_back();
    for (size_t i = 0; i < word.word.size();) {
      std::string token;
      base::append_utf8(token, base::decode_utf8(word.word, i));
      symbols.back().push_back(ids[token]);
    }
  }
  std::vector<std::string> result;
  while (tokens.size() < vocabulary_size) {
    std::map<std::pair<size_t, size_t>, uint64_t> counts;
    for (size_t word = 0; word < words.size(); ++word) {
      for (size_t i = 0; i + 1 < symbols[word].size(); ++i) {
        counts[{symbols[word][i], symbols[word][i + 1]}] += words[word].count;
      }
    }
    auto best = std::max_element(counts.begin(), counts.end(),
                                 [](const auto& a, const auto& b) { return a.second < b.second; });
    if (best == counts.end() || best->second < min_frequency) break;
    auto [left, right] = best->first;
    result.push_back(tokens[left] + " " + tokens[right]);
    std::string joined = tokens[left] + tokens[right];
    if (!ids.contains(joined)) {
      ids[joined] = tokens.size();
      tokens.push_back(joined);
    }
    for (std::vector<size_t>& word : symbols) {
      for (size_t i = 0; i + 1 < word.size(); ++i) {
        if (word[i] != left || word[i + 1] != right) continue;
        word[i] = ids[joined];
        word.erase(word.begin() + static_cast<ptrdiff_t>(i) + 1);
      }
    }
  }
  return result;
}

TEST(BpeTrainer, AgreesWithASlowTwinThatCountsEverythingAnew) {
  base::Random random(3);
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, uint64_t> counts;
    uint64_t letters = 1 + random.below(4);
    for (uint64_t i = random.below(40); i > 0; --i) {
      std::string word;
      for (uint64_t length = 1 + random.below(12); length > 0; --length) {
        word += random.below(10) == 0 ? "\u00e9" : std::string(1, static_cast<char>('a' + random.below(letters)));
      }
      counts[word] += 1 + random.below(5);
    }
    std::vector<WordCount> words;
    for (const auto& [word, count] : counts) words.push_back({word, count});
    uint64_t min_frequency = 1 + random.below(3);
    size_t size = 6 + random.below(60);
    ASSERT_EQ(merges(train_bpe(words, bpe_options(size, min_frequency))), slow_merges(words, size, min_frequency))
        << "seed 3, round " << round;
  }
}

TEST(ChooseAlphabet, KeepsTheMostFrequentCharactersSorted) {
  std::vector<WordCount> words = {{"ab", 5}, {"bc", 1}, {"d", 1}};
  size_t dropped = 0;
  EXPECT_THAT(choose_alphabet(words, 3, 10, &dropped), ElementsAre(U'a', U'b', U'c'));
  EXPECT_EQ(dropped, 1u);
  EXPECT_THAT(choose_alphabet(words, 0, 10, &dropped), ElementsAre(U'a', U'b', U'c', U'd'));
  EXPECT_EQ(dropped, 0u);
}

TEST(ChooseAlphabet, LeavesOutTheRarestOfManyThousandByItself) {
  std::vector<WordCount> words;
  for (char32_t character = 0x4E00; character < 0x4E00 + 3000; ++character) {
    std::string word;
    base::append_utf8(word, character);
    words.push_back({word, character < 0x4E00 + 2000 ? 100'000u : 1u});
  }
  size_t dropped = 0;
  EXPECT_LE(choose_alphabet(words, 0, 30'000, &dropped).size(), 2000u);
  EXPECT_EQ(choose_alphabet(words, 0, 3000, &dropped).size(), 1500u) << "half of the vocabulary is left for pieces";
}

TEST(WholeWords, TheEntriesAreTheAlphabetAndThenTheMostFrequentWords) {
  const std::vector<WordCount> words = {{"tap", 9}, {"drip", 5}, {"pipe", 5}, {"rare", 1}, {"a", 7}};
  BpeTrainOptions options;
  options.vocabulary_size = 1 + 7 + 5 + 2;
  options.special_tokens = {"[UNK]"};
  options.continuing_prefix = "##";
  options.alphabet_max = 7;
  BpeVocabulary vocabulary = train_whole_words(words, options);
  ASSERT_EQ(vocabulary.tokens.size(), options.vocabulary_size);
  EXPECT_EQ(vocabulary.tokens.front(), "[UNK]");
  EXPECT_EQ(vocabulary.tokens[vocabulary.tokens.size() - 2], "tap");
  EXPECT_EQ(vocabulary.tokens.back(), "drip") << "of words that are equally frequent the smaller comes first";
  EXPECT_EQ(std::count(vocabulary.tokens.begin(), vocabulary.tokens.end(), "a"), 1) << "a letter is an entry already";
  EXPECT_TRUE(vocabulary.merges.empty());
}

}  // namespace
}  // namespace sextant::train
