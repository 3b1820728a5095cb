// train/tokenizer_bpe.h: a vocabulary by byte-pair encoding (Sennrich, Haddow & Birch, 2016).
//
// In: distinct words with their counts.      Out: tokens in order of their ids, and the merges in order of their rank.
// The most frequent adjacent pair of symbols becomes a new symbol, until the vocabulary is full. Of equally frequent
// pairs the one with the smaller ids wins, as in Hugging Face's trainer, so byte-level vocabularies come out the same.
// With a continuing prefix ("##") the tokens are those of Hugging Face's WordPiece trainer, which merges likewise.
// Departs from it: ids never depend on a hash table's order; a word with a character outside the alphabet is left out,
// because WordPiece could never use its parts.
// Cost: counts of pairs are kept up to date word by word and the best pair comes from a heap of lazily corrected
// counts, so all merges together touch each word about as often as it has characters.   Memory: 4 bytes a character and
// pair.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "train/tokenizer_words.h"

namespace sextant::train {

struct BpeTrainOptions {
  size_t vocabulary_size = 30'000;               // all tokens, special ones included
  uint64_t min_frequency = 2;                    // a pair must occur this often to be merged
  std::vector<std::string> special_tokens = {};  // get the first ids
  std::vector<char32_t> alphabet = {};           // characters that are in, whether they occur or not
  size_t alphabet_max = SIZE_MAX;                // characters kept at most, the most frequent ones
  std::string continuing_prefix = {};            // before every symbol that does not begin a word
};

struct BpeVocabulary {
  std::vector<std::string> tokens;                    // by id
  std::vector<std::pair<uint32_t, uint32_t>> merges;  // by rank; ids of the two parts
  size_t alphabet_size = 0;                           // distinct characters kept
  size_t characters_dropped = 0;                      // distinct characters outside the alphabet
  uint64_t words_dropped = 0;                         // occurrences of words that hold one of these
};

// Throws invalid_argument when the special tokens and the alphabet alone need more than vocabulary_size.
BpeVocabulary train_bpe(std::span<const WordCount> words, const BpeTrainOptions& options,
                        base::Progress* progress = nullptr);

// A WordPiece vocabulary without merges: special tokens, the alphabet (each character alone and after the continuing
// prefix), then whole words by frequency, of equally frequent ones the smaller by its bytes. Where training by merges
// spends entries on the parts of frequent words, this spends them on words: better for models whose tokens' vectors
// are all they have. Words outside the vocabulary fall apart into the longest words and characters that are in it.
// REQUIRES: a continuing prefix. Throws as train_bpe.
BpeVocabulary train_whole_words(std::span<const WordCount> words, const BpeTrainOptions& options);

// The most frequent characters of the words, at most COUNT_MAX, sorted. With COUNT_MAX 0: as many as it takes to cover
// all but a ten thousandth of the text without filling more than half of VOCABULARY_SIZE, but 1,000 in any case.
std::vector<char32_t> choose_alphabet(std::span<const WordCount> words, size_t count_max, size_t vocabulary_size,
                                      size_t* dropped = nullptr);

}  // namespace sextant::train
