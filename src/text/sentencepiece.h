// text/sentencepiece.h: a SentencePiece .model file as SentencePiece itself runs it (not as converted for others).
//
// The differences from Hugging Face's components matter for ids: the longest rule of the charsmap anywhere, symbols of
// the user matched first, scores in single precision, merges found by string.
// Threads: const members from many.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/charsmap.h"
#include "text/double_array.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/word_cache.h"

namespace sextant::text {

// The numbers are the file format's.
enum class SentencePieceType : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct SentencePieceEntry {
  std::string piece;
  float score = 0;
  SentencePieceType type = SentencePieceType::normal;
};

struct SentencePieceSpec {
  std::vector<SentencePieceEntry> pieces;
  bool is_bpe = false;  // else unigram
  bool byte_fallback = false;
  bool treat_whitespace_as_suffix = false;
  std::string charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

// Reads the parts of a ModelProto that tokenizing needs. Throws corrupted or unsupported.
SentencePieceSpec parse_sentencepiece(std::string_view bytes, std::string_view source);

class SentencePieceNormalizer : public Normalizer {
 public:
  SentencePieceNormalizer(const SentencePieceSpec& spec, const std::string& source);
  void apply(AlignedText& text) const override;

 private:
  Charsmap charsmap_;
  StringMatcher user_defined_;
  bool whitespace_as_suffix_;
  bool add_dummy_prefix_;
  bool remove_extra_whitespaces_;
  bool escape_whitespaces_;
};

class SentencePieceModel : public Model {
 public:
  SentencePieceModel(const SentencePieceSpec& spec, const std::string& source);
  std::string_view name() const override { return is_bpe_ ? "BPE" : "Unigram"; }
  void tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  void tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const override;
  TokenId unknown_id() const override { return unknown_id_; }

 private:
  void tokenize_unigram(std::string_view piece, std::vector<ModelToken>& out) const;
  void tokenize_bpe(std::string_view piece, std::vector<ModelToken>& out) const;
  bool is_type(TokenId id, SentencePieceType type) const { return types_[static_cast<size_t>(id)] == type; }
  // Unknown characters into bytes, or side by side into one.
  void finish(std::string_view piece, const std::vector<ModelToken>& found, std::vector<ModelToken>& out) const;

  bool is_bpe_;
  bool byte_fallback_;
  std::vector<float> scores_;
  std::vector<SentencePieceType> types_;
  // True where no piece has a word mark (U+2581) behind another character: then merges never cross one.
  bool cuts_at_marks_ = false;
  uint64_t words_owner_ = WordCache::new_owner();
  DoubleArray trie_;     // of the pieces that text can match
  Vocabulary matching_;  // the same, by string
  StringMatcher user_defined_;
  TokenId unknown_id_ = -1;
  TokenId byte_ids_[256];
  float lowest_score_ = 0;
  float highest_score_ = 0;
};

}  // namespace sextant::text
