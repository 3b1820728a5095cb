// sextant/tokenizer.h: text into token ids, exactly as Hugging Face's tokenizers library computes them.
//
// Reads tokenizer.json, and the older forms: vocab.txt (WordPiece), vocab.json + merges.txt (byte-level BPE),
// SentencePiece .model files and tiktoken rank files. A file's own truncation and padding are ignored: callers ask.
// Invalid UTF-8 in a text is replaced by U+FFFD before anything else; offsets then refer to the original bytes.
// Threads: a loaded Tokenizer is immutable, every const member may be called from many threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sextant {

namespace text {
struct Pipeline;
}

using TokenId = int32_t;

// Where a token comes from: bytes [begin, end) of the original text.
struct TokenOffset {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool operator==(const TokenOffset&) const = default;
};

// Which text of a pair loses tokens when a pair is too long.
enum class TruncationStrategy { longest_first, only_first, only_second };

struct EncodeOptions {
  bool add_special_tokens = true;
  size_t max_length = 0;  // tokens, special ones included; 0: no limit
  TruncationStrategy truncation = TruncationStrategy::longest_first;
  bool truncate_left = false;  // drop tokens from the start instead of the end
};

// Parallel arrays, one entry a token.
struct Encoding {
  std::vector<TokenId> ids;
  std::vector<std::string> tokens;
  std::vector<TokenOffset> offsets;  // into the text that sequence_ids names; special tokens: {0, 0}
  std::vector<uint8_t> type_ids;
  std::vector<uint8_t> special_mask;  // 1 for tokens that the template added
  std::vector<int8_t> sequence_ids;   // 0 first text, 1 second text, -1 special
  size_t tokens_dropped = 0;          // by truncation
};

class Tokenizer {
 public:
  // A file (tokenizer.json, vocab.txt, vocab.json with merges.txt beside it, *.model, *.tiktoken) or a folder that
  // holds one, searched in this order. Throws not_found, corrupted or unsupported, naming the file and field.
  static Tokenizer load(const std::filesystem::path& file_or_folder);
  // The text of a tokenizer.json; SOURCE names it in errors.
  static Tokenizer from_json(std::string_view json, std::string_view source = "tokenizer.json");

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  Encoding encode_pair(std::string_view a, std::string_view b, const EncodeOptions& options = {}) const;

  // The ids alone, appended to OUT; the fast path: no offsets, no token strings, no allocation once OUT is large
  // enough. Equal to encode(text, options).ids. Returns the number of tokens that truncation dropped.
  size_t encode_ids(std::string_view text, const EncodeOptions& options, std::vector<TokenId>& out) const;

  // Text again, as Hugging Face's decode(ids, skip_special_tokens) gives it.
  std::string decode(const std::vector<TokenId>& ids, bool skip_special_tokens = true) const;

  // The text after the file's normalizer, e.g. lower-cased; for explanations.
  std::string normalize(std::string_view text) const;

  size_t vocabulary_size() const;  // highest id + 1, added tokens included
  std::optional<TokenId> token_to_id(std::string_view token) const;
  std::string id_to_token(TokenId id) const;  // empty when the id is unused
  std::optional<TokenId> unknown_id() const;
  // How many special tokens a single text gets.
  size_t special_token_count() const;
  // "WordPiece", "BPE", "Unigram" or "WordLevel".
  std::string_view model_name() const;

  struct Impl;

 private:
  static Tokenizer of_pipeline(std::unique_ptr<text::Pipeline> pipeline);
  explicit Tokenizer(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace sextant
