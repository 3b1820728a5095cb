// text/chunk.h: long texts into passages that fit a model, each a stretch of the text itself.
//
// In: a text and its sections (what lies under one heading).   Out: chunks, in order of the text.
//   1. text.substr(begin, end - begin) is the passage, byte for byte; no chunk crosses a section or cuts a code point.
//   2. A chunk together with its section's context (with_context) has at most tokens_max tokens by the tokenizer's own
//      count, special tokens included. The one exception: a code point that alone has more stays whole.
//   3. Chunks end between sentences, except within a sentence longer than a chunk, which is cut between words, or
//      between tokens where a word is too long.
//   4. A chunk repeats the last sentences of the one before it, up to overlap_tokens; it always ends further on.
// The same input gives the same chunks. Time is linear in the text. Threads: one Chunker per thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/tokenizer.h"
#include "text/chunk_sentences.h"

namespace sextant::text {

struct ChunkOptions {
  size_t tokens_max = 256;     // special tokens and context included; at least kChunkTokensMin
  size_t overlap_tokens = 32;  // at most half of tokens_max
};

inline constexpr size_t kChunkTokensMin = 8;

struct Section {
  size_t begin = 0;
  size_t end = 0;
  std::string_view context;  // e.g. "Title > Heading"; from Chunker::fit_context. Must outlive the call
};

struct Chunk {
  size_t begin = 0;
  size_t end = 0;
  size_t section = 0;      // index
  size_t token_count = 0;  // of what is embedded
  bool operator==(const Chunk&) const = default;
};

// What is embedded for a passage: the context in a line of its own above it.
std::string with_context(std::string_view context, std::string_view passage);

class Chunker {
 public:
  // TOKENIZER must outlive the Chunker. Throws invalid_argument for options out of range.
  Chunker(const Tokenizer& tokenizer, const ChunkOptions& options);

  // CONTEXT, or its longest beginning in whole words that leaves at least half of tokens_max for the passage.
  std::string fit_context(std::string_view context);

  // REQUIRES: sections in order and not overlapping. Sections of white space alone give no chunk.
  std::vector<Chunk> chunk(std::string_view text, std::span<const Section> sections);

 private:
  struct Piece {
    ByteRange range;
    size_t token_count;
  };
  void chunk_section(std::string_view text, const Section& section, size_t index, std::vector<Chunk>& out);
  void append_halved(std::string_view text, ByteRange range, size_t budget);
  void append_pieces(std::string_view text, ByteRange range, size_t budget);
  size_t count(std::string_view text, bool special);
  size_t count_embedded(std::string_view context, std::string_view passage);

  const Tokenizer& tokenizer_;
  ChunkOptions options_;
  SentenceSplitter splitter_;
  std::vector<ByteRange> sentences_;
  std::vector<Piece> pieces_;
  std::vector<TokenId> ids_;
};

}  // namespace sextant::text
