// text/bpe.h: byte-pair encoding (Sennrich et al. 2016): characters, then the best-ranked merge again and again.
//
// Short words scan for the best pair, long ones keep pairs in a heap: O(n log n) for any text.
// Threads: tokenize and tokenize_ids from many.   Memory: a cache of words per thread, of fixed size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/model.h"
#include "text/word_cache.h"

namespace sextant::text {

struct BpeOptions {
  std::optional<std::string> unknown_token;
  std::string continuing_prefix;   // before every character but a word's first
  std::string end_of_word_suffix;  // after its last
  bool fuse_unknown = false;       // unknown characters side by side are one token
  bool byte_fallback = false;      // unknown characters become <0x..> tokens, where the vocabulary has them
  bool ignore_merges = false;      // a piece that is a token is that token, whatever the merges say
};

class Bpe : public Model {
 public:
  struct Merge {
    std::string_view left;
    std::string_view right;
    uint32_t rank;  // lower is better; of equal ranks the one further left comes first
  };
  // Of merges of the same two tokens the last one counts. Throws corrupted when a merge names a token that the
  // vocabulary lacks.
  Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options);
  std::string_view name() const override { return "BPE"; }
  void tokenize(std::string_view piece, std::vector<ModelToken>& out) const override;
  void tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const override;
  TokenId unknown_id() const override { return unknown_id_; }
  const BpeOptions& options() const { return options_; }

  // True where words may be given as the bytes they are, each byte being a token: byte-level vocabularies.
  bool takes_bytes() const { return takes_bytes_; }
  // The ids of a word as bytes: those of tokenize() on its byte-level form. CACHE is WordCache::of(bytes_owner()).
  // REQUIRES: takes_bytes(), not empty.
  void tokenize_bytes(std::string_view word, WordCache& cache, std::vector<TokenId>& out) const;
  uint64_t bytes_owner() const { return bytes_owner_; }

 private:
  struct Symbol {
    TokenId id;
    uint32_t size;  // bytes of the piece
  };
  struct Slot {
    uint64_t pair = kEmpty;
    uint32_t rank = 0;
    TokenId merged = -1;
    static constexpr uint64_t kEmpty = static_cast<uint64_t>(-1);
  };
  const Slot* find_merge(TokenId left, TokenId right) const;
  void add_merge(TokenId left, TokenId right, uint32_t rank, TokenId merged);
  // The symbols that a word starts from.
  void start(std::string_view piece, std::vector<Symbol>& symbols) const;
  // The ids of a piece within which nothing more can be cut safely.
  void tokenize_word(std::string_view word, WordCache& cache, std::vector<TokenId>& out) const;
  void merge(std::vector<Symbol>& symbols) const;
  void merge_short(std::vector<Symbol>& symbols) const;
  void merge_long(std::vector<Symbol>& symbols) const;

  BpeOptions options_;
  TokenId unknown_id_ = -1;
  TokenId byte_ids_[256];        // of <0x00> and so on
  TokenId byte_level_ids_[256];  // of the characters that stand for bytes
  bool takes_bytes_ = false;
  // True where no merge joins a word mark (U+2581) to what stands before it: then a piece may be cut before each.
  bool cuts_at_marks_ = false;
  uint64_t words_owner_ = WordCache::new_owner();
  uint64_t bytes_owner_ = WordCache::new_owner();
  std::vector<Slot> merges_;
  uint64_t merges_mask_ = 0;
};

}  // namespace sextant::text
