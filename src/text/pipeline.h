// text/pipeline.h: the stages of a tokenizer put together, and the readers that make one from each kind of file.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/pieces.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace sextant::text {

struct Pipeline {
  AddedTokens added;
  std::unique_ptr<Normalizer> normalizer;  // null: none, as for each stage but the model
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<Model> model;
  std::unique_ptr<PostProcessor> post_processor;
  std::unique_ptr<Decoder> decoder;
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

// The kinds of file that say nothing about the stages around the model; SOURCE names the file in errors.
struct VocabularyFileOptions {
  bool lowercase = true;              // vocab.txt: as BERT's tokenizer takes it when its config does not say
  std::optional<bool> strip_accents;  // absent: as lowercase
  bool space_ideographs = true;
  bool add_prefix_space = false;  // vocab.json: a space before the first word, as before the others
};
// A token a line (WordPiece, with BERT's stages).
std::unique_ptr<Pipeline> read_vocabulary_text(std::string_view lines, const VocabularyFileOptions& options,
                                               std::string_view source);
// {"token": id} and two tokens a line, best merge first: byte-level BPE with the stages of GPT-2, of RoBERTa where the
// vocabulary has its special tokens, or of CLIP where its words end in </w>.
std::unique_ptr<Pipeline> read_vocabulary_and_merges(std::string_view json, std::string_view merges,
                                                     const VocabularyFileOptions& options, std::string_view source);
// A base64 token and its rank a line: byte-level BPE. The pattern and special tokens follow from the file's name (r50k,
// p50k, cl100k, o200k, qwen, llama), cl100k's pattern otherwise.
std::unique_ptr<Pipeline> read_tiktoken(std::string_view lines, std::string_view source);
bool looks_like_tiktoken(std::string_view bytes);

// The options that a tokenizer_config.json beside the vocabulary gives.
VocabularyFileOptions read_tokenizer_config(std::string_view json, std::string_view source);
// {"token": id}.
Vocabulary read_vocabulary_json(std::string_view json, std::string_view source);
// True for the text of a tokenizer.json, false for a plain {"token": id}. Throws corrupted when it is not JSON.
bool is_tokenizer_json(std::string_view json, std::string_view source);
// Appends the bytes; false when TEXT is not base64.
bool append_base64_bytes(std::string_view text, std::string& out);

}  // namespace sextant::text
