// text/model.h: what turns a piece of text into tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/tokenizer.h"
#include "text/vocabulary.h"

namespace sextant::text {

struct ModelToken {
  TokenId id;
  uint32_t begin;  // bytes of the piece
  uint32_t end;
  bool shows_text = false;  // its string is the piece's own text, not the vocabulary's (Unigram's unknowns)
};

// Threads: tokenize and tokenize_ids from many.
class Model {
 public:
  virtual ~Model() = default;
  // "WordPiece", "BPE", "Unigram" or "WordLevel".
  virtual std::string_view name() const = 0;
  // Appends the piece's tokens. Throws corrupted where an unknown token is needed and the file names none.
  virtual void tokenize(std::string_view piece, std::vector<ModelToken>& out) const = 0;
  // The ids alone. Equal to those of tokenize().
  virtual void tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const = 0;
  virtual TokenId unknown_id() const = 0;  // -1: none
  const Vocabulary& vocabulary() const { return vocabulary_; }

 protected:
  explicit Model(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  Vocabulary vocabulary_;
};

}  // namespace sextant::text
