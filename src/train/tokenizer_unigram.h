// train/tokenizer_unigram.h: a vocabulary for the unigram language model (Kudo, 2018, "Subword Regularization").
//
// In: distinct words with their counts.      Out: pieces with their log-probabilities, best first, special tokens in
// front. Seeds are all characters and the substrings that save most characters (count x length);
// expectation-maximisation fits their probabilities, and the pieces whose loss would cost least likelihood go, a
// quarter at a time, until the vocabulary is as small as asked for. Departs from SentencePiece: substrings are counted
// with the words' counts, and whole words are seeds even where they are no branching point of the suffix tree.
// Characters outside the alphabet cut a word in two and become unknown. Threads: the words are divided among a fixed
// number of shards whose sums are added in order, so the bytes of the result do not depend on the pool's size. Memory:
// 4 bytes for each (place, piece that fits there) of words and of pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/threads.h"
#include "train/tokenizer_words.h"

namespace sextant::train {

struct UnigramTrainOptions {
  size_t vocabulary_size = 30'000;               // all pieces, special ones included
  uint64_t min_frequency = 2;                    // a substring must occur this often to be a seed
  std::vector<std::string> special_tokens = {};  // get the first ids and score 0; one of them is the unknown token
  size_t alphabet_max = 0;                       // see choose_alphabet
  size_t seed_count_max = 1'000'000;
  size_t piece_code_points_max = 16;  // at most 31
  double keep_share = 0.75;           // of the pieces after each round
  size_t steps_per_round = 2;         // expectation-maximisation steps
};

struct UnigramPiece {
  std::string text;
  double score = 0;  // natural logarithm of the probability
  bool operator==(const UnigramPiece&) const = default;
};

struct UnigramVocabulary {
  std::vector<UnigramPiece> pieces;  // by id
  size_t alphabet_size = 0;
  size_t characters_dropped = 0;       // distinct characters outside the alphabet
  double log_likelihood_per_word = 0;  // of the words, under the final pieces' last expectation step
};

// Throws invalid_argument when the special tokens and the alphabet alone need more than vocabulary_size.
UnigramVocabulary train_unigram(std::span<const WordCount> words, const UnigramTrainOptions& options,
                                base::ThreadPool& pool, base::Progress* progress = nullptr);

// The derivative of log gamma, for x > 0.
double digamma(double x);

}  // namespace sextant::train
