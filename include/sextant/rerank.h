// sextant/rerank.h: how well documents answer a query, by a model that reads both together (a cross-encoder).
//
//   auto model = sextant::Reranker::load("ms-marco-MiniLM-L6-v2");
//   std::vector<std::string_view> documents = {"Turn off the water first.", "Our opening hours"};
//   std::vector<float> scores(documents.size());
//   model->score("how to fix a tap", documents, {}, scores);      // higher is better
// Threads: a loaded model is immutable; score may be called from many threads.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/embed.h"

namespace sextant {

struct RerankOptions {
  bool raw = false;              // logits, even where the model's config asks for a sigmoid
  size_t max_length = 0;         // tokens of query and document together; 0: the model's own limit
  std::string instruction = {};  // for models that take one (Qwen3-Reranker); empty: the model's own default
  size_t threads = 1;            // 0: all processors; the scores do not depend on it
};

class Reranker {
 public:
  // A model folder whose config.json names a ...ForSequenceClassification model with one label, or Qwen3ForCausalLM,
  // which answers yes or no. A precision below float32 is checked by the scores of built-in pairs
  // (docs/performance.md). Throws not_found, corrupted or unsupported, naming the file and field.
  static std::unique_ptr<Reranker> load(std::string_view name_or_folder, const LoadOptions& options = {});

  virtual ~Reranker() = default;

  // scores [documents.size()]. A score depends on query, document and options alone. report->truncated names documents
  // that were cut.
  virtual void score(std::string_view query, std::span<const std::string_view> documents, const RerankOptions& options,
                     std::span<float> scores, EmbedReport* report = nullptr) const = 0;

  virtual const std::string& name() const = 0;
  virtual size_t max_length() const = 0;  // tokens; 0: no limit
};

}  // namespace sextant
