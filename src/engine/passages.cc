#include "engine/passages.h"

#include <fmt/format.h>

#include <algorithm>

#include "sextant/error.h"

namespace sextant::engine {
namespace {

constexpr size_t kTokensMaxDefault = 256;

std::string prompt_named(const Embedder& model, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    for (const auto& [key, prompt] : model.prompts()) {
      if (key == name) return prompt;
    }
  }
  return {};
}

}  // namespace

std::string document_prompt(const Embedder& model) { return prompt_named(model, {"document", "passage", "corpus"}); }
std::string query_prompt(const Embedder& model) { return prompt_named(model, {"query"}); }

PassageCutter::PassageCutter(const Embedder& model, const PassageOptions& options, size_t thread_count) {
  tokens_max_ = options.tokens_max;
  if (tokens_max_ == 0) {
    tokens_max_ = kTokensMaxDefault;
    if (model.max_length() > 0) tokens_max_ = std::min(tokens_max_, model.max_length());
  } else if (model.max_length() > 0 && tokens_max_ > model.max_length()) {
    throw Error(ErrorCode::invalid_argument, fmt::format("passages of {} tokens, but model '{}' takes at most {}",
                                                         tokens_max_, model.name(), model.max_length()));
  }
  overlap_tokens_ = std::min(options.overlap_tokens, tokens_max_ / 2);
  // A model that runs elsewhere keeps its tokenizer there; the built-in model's cuts about as long.
  if (!model.has_tokenizer()) substitute_ = Embedder::load("builtin");
  const Tokenizer& tokenizer = (substitute_ ? *substitute_ : model).tokenizer();
  // The prompt takes its share of every passage.
  std::vector<TokenId> ids;
  const std::string prompt = document_prompt(model);
  if (!prompt.empty()) tokenizer.encode_ids(prompt, {.add_special_tokens = false}, ids);
  text::ChunkOptions chunk{tokens_max_ - std::min(tokens_max_, ids.size()), 0};
  chunk.overlap_tokens = std::min<size_t>(overlap_tokens_, chunk.tokens_max / 2);
  // A window as long as the passage would only repeat it.
  const text::ChunkOptions window{std::min(options.window_tokens + tokenizer.special_token_count(), chunk.tokens_max),
                                  0};
  for (size_t i = 0; i < thread_count; ++i) {
    chunkers_.emplace_back(tokenizer, chunk);
    if (options.window_tokens > 0) window_chunkers_.emplace_back(tokenizer, window);
  }
}

std::string PassageCutter::context(std::string_view title, std::string_view headings, size_t thread) {
  return chunkers_[thread].fit_context(context_of(title, headings));
}

std::string PassageCutter::embedded_text(std::string_view title, std::string_view headings, std::string_view passage,
                                         size_t thread) {
  return text::with_context(context(title, headings, thread), passage);
}

PassageCutter::Cut PassageCutter::cut(const io::Document& document, size_t thread) {
  Cut cut;
  cut.sections = sections_of(document);
  for (const DocumentSection& section : cut.sections) {
    cut.contexts.push_back(context(document.title, section.headings, thread));
  }
  std::vector<text::Section> sections;
  for (size_t s = 0; s < cut.sections.size(); ++s) {
    sections.push_back({cut.sections[s].begin, cut.sections[s].end, cut.contexts[s]});
  }
  cut.chunks = chunkers_[thread].chunk(document.text, sections);
  for (const text::Chunk& chunk : cut.chunks) {
    const text::Section whole{chunk.begin, chunk.end, {}};
    cut.windows.emplace_back();
    if (has_windows()) cut.windows.back() = window_chunkers_[thread].chunk(document.text, {&whole, 1});
    if (cut.windows.back().empty()) cut.windows.back().push_back(chunk);
  }
  return cut;
}

std::string PassageCutter::Cut::embedded_text(const io::Document& document, size_t chunk) const {
  const text::Chunk& passage = chunks[chunk];
  return text::with_context(contexts[passage.section],
                            std::string_view(document.text).substr(passage.begin, passage.end - passage.begin));
}

}  // namespace sextant::engine
