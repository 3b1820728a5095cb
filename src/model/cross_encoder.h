// model/cross_encoder.h: query and document in one sequence, one logit out.
//
// Two families: encoders with a classification head ([CLS] query [SEP] document [SEP], as the tokenizer's template has
// it), and Qwen3-Reranker, a decoder that is asked a question and answers yes or no. A sigmoid follows where the config
// says so; for one label that is the default of sentence-transformers' CrossEncoder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "model/encoder.h"
#include "model/heads.h"
#include "sextant/rerank.h"

namespace sextant::model {

class CrossEncoder : public Reranker {
 public:
  explicit CrossEncoder(const std::filesystem::path& folder);

  void score(std::string_view query, std::span<const std::string_view> documents, const RerankOptions& options,
             std::span<float> scores, EmbedReport* report) const override;
  const std::string& name() const override { return name_; }
  size_t max_length() const override { return max_length_; }

  const Encoder& encoder() const { return *encoder_; }
  // Nothing for a decoder that answers yes or no.
  const std::optional<ClassificationHead>& head() const { return head_; }
  // The tokens of one pair, after the template and truncation.
  std::vector<TokenId> token_ids(std::string_view query, std::string_view document, const RerankOptions& options) const;
  // [sequences, labels]; a decoder: [sequences, vocabulary] of the last token.
  tensor::Matrix logits(const TokenBatch& batch) const;
  tensor::Activation activation() const { return activation_; }

 private:
  size_t limit_of(const RerankOptions& options) const;
  // Ids and types of one pair, cut to LIMIT tokens; returns how many were dropped.
  size_t prepare(std::string_view query, std::string_view document, const RerankOptions& options, size_t limit,
                 TokenBatch& batch) const;

  std::string name_;
  std::unique_ptr<Encoder> encoder_;
  std::optional<ClassificationHead> head_;
  tensor::Linear vocabulary_;  // of a decoder
  std::optional<Tokenizer> tokenizer_;
  std::string tokenizer_problem_;
  TokenId yes_ = -1, no_ = -1;
  tensor::Activation activation_ = tensor::Activation::sigmoid;
  size_t max_length_ = 0;
};

}  // namespace sextant::model
