// model/heads.h: what may follow an encoder: language-model heads (SPLADE), scores of pairs (cross-encoders), BGE-M3's
// sparse weights and token vectors.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "model/encoder.h"
#include "model/pooling.h"
#include "sextant/embed.h"

namespace sextant::model {

// Logits over the vocabulary from a hidden state (BertForMaskedLM and its kin). The last layer is the embedding table
// where the files hold none of its own.
class MaskedLmHead {
 public:
  // Nothing where PARAMETERS hold no such head.
  static std::optional<MaskedLmHead> load(const Config& config, const Parameters& parameters, const Encoder& encoder);
  // [rows, vocabulary]
  tensor::Matrix operator()(const tensor::Matrix& hidden, tensor::Context& context) const;
  size_t vocabulary_size() const { return decoder_.out(); }

 private:
  tensor::Linear transform_;
  tensor::Activation activation_ = tensor::Activation::gelu;
  tensor::LayerNorm norm_;
  tensor::Linear decoder_;
};

// SPLADE (Formal et al. 2021): a weight for each entry of the vocabulary, over a sequence's logits.
struct SpladePooling {
  bool sum = false;        // over the tokens; else their maximum
  bool log_twice = false;  // log1p of log1p
  static SpladePooling of(const Config& config);
  // Of one sequence's logits [length, vocabulary]: [vocabulary].
  std::vector<float> operator()(const tensor::Matrix& logits) const;
};

// Logits [sequences, labels] of a ...ForSequenceClassification model.
class ClassificationHead {
 public:
  // Nothing where PARAMETERS hold no "classifier" or "score".
  static std::optional<ClassificationHead> load(const Config& config, const Parameters& parameters,
                                                const Encoder& encoder);
  tensor::Matrix operator()(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                            tensor::Context& context) const;
  size_t label_count() const { return output_.out(); }

 private:
  PoolingMode pooling_ = PoolingMode::cls;
  tensor::Linear dense_;  // empty: the pooled state goes straight to the output
  tensor::Activation activation_ = tensor::Activation::identity;
  tensor::LayerNorm norm_;
  tensor::Linear output_;
};

// BGE-M3 (Chen et al. 2024): sparse_linear.pt and colbert_linear.pt beside the model.
struct M3Heads {
  tensor::Linear sparse;   // [1, hidden]
  tensor::Linear colbert;  // [dim, hidden]
  // Nothing where the folder has neither file.
  static std::optional<M3Heads> load(const std::filesystem::path& folder, size_t hidden_size);
  // relu of a linear map: a weight for each token, [rows, 1].
  tensor::Matrix token_weights(const tensor::Matrix& hidden, tensor::Context& context) const;
  // The largest weight of each token id of one sequence whose rows of WEIGHTS begin at FIRST; weights of 0 and the ids
  // of STRUCTURAL (cls, eos, pad, unk) are left out.
  static SparseVector lexical_weights(std::span<const TokenId> ids, const tensor::Matrix& weights, size_t first,
                                      std::span<const TokenId> structural);
  // Unit vectors of all tokens but each sequence's first: [rows - sequences that have any, dim].
  tensor::Matrix token_vectors(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                               tensor::Context& context) const;
};

}  // namespace sextant::model
