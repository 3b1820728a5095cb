// text/unigram.h: the most probable way to cut a piece (Kudo 2018; SentencePiece's unigram model).
//
// Viterbi over bytes with a trie of all tokens; a character that no token covers is unknown, at a price of 10 below the
// worst token.
// Memory: 24 bytes a byte of the longest piece, per thread, given back after long pieces.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/double_array.h"
#include "text/model.h"
#include "text/word_cache.h"

namespace sextant::text {

struct UnigramOptions {
  TokenId unknown_id = -1;     // -1: none
  bool byte_fallback = false;  // unknown characters become <0x..> tokens, where the vocabulary has them
};

class Unigram : public Model {
 public:
  // Scores by id. Throws corrupted when a score is not finite.
  Unigram(std::vector<std::pair<std::string, double>> scored, UnigramOptions options);
  std::string_view name() const override { return "Unigram"; }
  void tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  void tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const override;
  TokenId unknown_id() const override { return options_.unknown_id; }

 private:
  // Cuts PIECE from its end: calls EMIT(begin, end, id), last token first; id is -1 for what is not in the vocabulary.
  void cut_ids(std::string_view piece, std::vector<TokenId>& out) const;
  template <class Emit>
  void cut(std::string_view piece, Emit emit) const;

  UnigramOptions options_;
  std::vector<double> scores_;
  DoubleArray trie_;
  double unknown_score_ = 0;
  TokenId byte_ids_[256];
  uint64_t words_owner_ = WordCache::new_owner();
};

}  // namespace sextant::text
