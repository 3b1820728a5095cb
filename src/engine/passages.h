// engine/passages.h: documents into passages that fit a model, and passages into windows, ready to be embedded.
//
// Passages are whole sentences under one heading, with a hard maximum of tokens (text/chunk.h); a window is a sentence
// or two of one. docs/library-search.md says why there are both.     Threads: cut() from as many as were announced.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sections.h"
#include "io/documents.h"
#include "sextant/collection.h"
#include "sextant/embed.h"
#include "text/chunk.h"

namespace sextant::engine {

using sextant::PassageOptions;

// What a model's prompts say of documents and of questions; empty where they say nothing.
std::string document_prompt(const Embedder& model);
std::string query_prompt(const Embedder& model);

class PassageCutter {
 public:
  // Throws invalid_argument where a passage would be longer than the model takes.
  PassageCutter(const Embedder& model, const PassageOptions& options, size_t thread_count);

  struct Cut {
    std::vector<DocumentSection> sections;
    std::vector<std::string> contexts;  // of each section
    std::vector<text::Chunk> chunks;
    std::vector<std::vector<text::Chunk>> windows;  // of each chunk, at least one; bytes of the document's text

    // What is embedded for a passage.
    std::string embedded_text(const io::Document& document, size_t chunk) const;
  };
  // thread < thread_count.
  Cut cut(const io::Document& document, size_t thread);
  // The same as Cut::embedded_text, of a passage that was cut before: its document's title, its headings and its text.
  std::string embedded_text(std::string_view title, std::string_view headings, std::string_view passage, size_t thread);

  // As they came out.
  size_t tokens_max() const { return tokens_max_; }
  size_t overlap_tokens() const { return overlap_tokens_; }
  bool has_windows() const { return !window_chunkers_.empty(); }

 private:
  std::string context(std::string_view title, std::string_view headings, size_t thread);

  size_t tokens_max_, overlap_tokens_;
  std::unique_ptr<Embedder> substitute_;        // whose tokenizer cuts, where the model has none at hand
  std::vector<text::Chunker> chunkers_;         // one a thread
  std::vector<text::Chunker> window_chunkers_;  // likewise; empty without windows
};

}  // namespace sextant::engine
