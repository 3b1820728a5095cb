// text/wordpiece.h: greedy longest match from the left (Schuster & Nakajima 2012; BERT).
//
// A word that cannot be covered becomes one unknown token, whole.
#pragma once

#include <memory>
#include <string>

#include "text/double_array.h"
#include "text/model.h"
#include "text/word_table.h"

namespace sextant::text {

struct WordPieceOptions {
  std::string unknown_token = "[UNK]";
  std::string continuing_prefix = "##";
  size_t word_chars_max = 100;  // longer words are unknown
};

class WordPiece : public Model {
 public:
  WordPiece(Vocabulary vocabulary, WordPieceOptions options);
  std::string_view name() const override { return "WordPiece"; }
  void tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  void tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const override;
  TokenId unknown_id() const override { return unknown_id_; }
  const WordPieceOptions& options() const { return options_; }

 private:
  TokenId require_unknown_id() const;
  void longest_matches(std::string_view piece, std::vector<TokenId>& out) const;

  WordPieceOptions options_;
  TokenId unknown_id_;
  WordTable words_;  // tokens of up to 16 bytes: most words of a text are one token
  DoubleArray trie_;
  DoubleArray::Node continuing_ = DoubleArray::kNowhere;  // after the prefix
};

}  // namespace sextant::text
