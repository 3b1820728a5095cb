// model/cross_encoder.h: query and document in one sequence, one logit out.
//
// Two families: encoders with a classification head ([CLS] query [SEP] document [SEP], as the tokenizer's template has
// it), and Qwen3-Reranker, a decoder that is asked a question and answers yes or no. A sigmoid follows where the config
// says so; for one label that is the default of sentence-transformers' CrossEncoder.
// Pairs are computed in packs (model/packs.h), in the precision that a check allows (model/encoder_loader.h).
// Threads: immutable once loaded; a call computes on the calling thread and, where its options ask for more, on those
// of a pool that all calls share.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "model/encoder_loader.h"
#include "model/heads.h"
#include "model/packs.h"
#include "sextant/rerank.h"

namespace sextant::model {

class CrossEncoder : public Reranker {
 public:
  // Whether config.json names a classifier with one label. A decoder that answers yes or no says nothing of the kind.
  static bool is_one(const std::filesystem::path& folder);
  explicit CrossEncoder(const std::filesystem::path& folder, const LoadOptions& options = {});

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
  tensor::Matrix logits(const TokenBatch& batch, tensor::Context& context) const;
  tensor::Activation activation() const { return activation_; }
  // What the layers compute in, and how each lower precision that was tried compared with float32.
  Compute compute() const { return precision_.compute; }
  const std::vector<PrecisionCheck>& precision_checks() const { return precision_.checks; }
  const std::vector<Origin>& origins() const { return origins_; }
  uint64_t parameter_bytes() const { return weights_->bytes(); }

 private:
  // A pair on its way.
  struct Item {
    std::vector<TokenId> ids, type_ids;
    size_t tokens_dropped = 0;
  };
  void read_answers(const Config& config, const Parameters& parameters);
  void read_head();
  void read_limit(const std::filesystem::path& folder);
  bool answers() const { return yes_ >= 0 && no_ >= 0; }
  size_t limit_of(const RerankOptions& options) const;
  Item prepare(std::string_view query, std::string_view document, const RerankOptions& options, size_t limit) const;
  static TokenBatch batch_of(const Pack& pack, const std::vector<Item>& items);
  // Of LOGITS as logits() has them, before a sigmoid.
  float score_of(const float* logits) const { return head_ ? logits[0] : logits[yes_] - logits[no_]; }
  // Of check_pairs(), or of made-up ids where there is no tokenizer: [pairs, 1], or [pairs, vocabulary] of a decoder
  // without the words.
  tensor::Matrix check_scores() const;

  std::string name_;
  Config config_;
  std::shared_ptr<const Weights> weights_;
  std::shared_ptr<tensor::Buffers> buffers_ = std::make_shared<tensor::Buffers>();
  ChosenPrecision precision_;
  std::vector<Origin> origins_;
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
