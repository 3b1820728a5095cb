// text/wordlevel.h: each piece is one token or the unknown one.
#pragma once

#include <string>

#include "text/model.h"

namespace sextant::text {

class WordLevel : public Model {
 public:
  WordLevel(Vocabulary vocabulary, std::string unknown_token);
  std::string_view name() const override { return "WordLevel"; }
  void tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  void tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const override;
  TokenId unknown_id() const override { return unknown_id_; }

 private:
  TokenId id_of(std::string_view piece) const;

  std::string unknown_token_;
  TokenId unknown_id_;
};

}  // namespace sextant::text
