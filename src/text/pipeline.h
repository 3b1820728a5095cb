// text/pipeline.h: the stages of a tokenizer put together, and the readers that make one from each kind of file.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/pieces.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"

namespace sextant::text {

struct Pipeline {
  AddedTokens added;
  std::unique_ptr<Normalizer> normalizer;  // null: none, as for each stage but the model
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<Model> model;
  std::unique_ptr<PostProcessor> post_processor;
  bool needs_alignment = false;  // a stage asks where a piece came from, even when only ids are wanted

  // Cuts a text (valid UTF-8) into the pieces that the model tokenizes.
  void cut(std::string_view text, bool aligned, Pieces& out) const;
  // The text after the normalizer, added tokens left as they are.
  std::string normalize(std::string_view text) const;
  TokenId token_to_id(std::string_view token) const;  // -1: none
  std::string_view id_to_token(TokenId id) const;
  // Gives each token its id as the reference does (the model's, else the next free one) and adds it.
  void add_tokens(std::vector<AddedToken> tokens);
};

// Each throws corrupted or unsupported and names SOURCE and the field.
std::unique_ptr<Pipeline> read_tokenizer_json(std::string_view json, std::string_view source);
std::unique_ptr<Pipeline> read_sentencepiece(std::string_view bytes, std::string_view source);

}  // namespace sextant::text
