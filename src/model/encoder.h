// model/encoder.h: token ids into hidden states: the part of a model that its architecture makes its own.
//
// Each architecture has a file in model/architectures/; load_encoder picks it by config.json's "model_type". All
// compute in float32 over sequences packed end to end; no padding exists, so none can leak. Threads: an encoder is
// immutable once loaded.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/parameters.h"
#include "sextant/tokenizer.h"
#include "tensor/layers.h"

namespace sextant::model {

// Token sequences packed end to end.
struct TokenBatch {
  std::vector<TokenId> ids;       // [rows]
  std::vector<TokenId> type_ids;  // [rows]: 0 for a first, 1 for a second text; empty: all 0
  tensor::Sequences sequences;
};

// A head that makes one vector of a sequence's first hidden state: what Hugging Face calls the pooler.
struct Pooler {
  tensor::Linear dense;
  tensor::Activation activation = tensor::Activation::tanh;

  // hidden [rows, hidden] -> [sequences, out].
  tensor::Matrix operator()(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                            tensor::Context& context) const;
};

class Encoder {
 public:
  virtual ~Encoder() = default;

  // [batch.ids.size(), hidden_size()]. Ids and type ids have been checked against the tables' sizes.
  virtual tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const = 0;

  // What becomes of the hidden states before they are pooled: NV-Embed's latent attention, nothing elsewhere.
  virtual tensor::Matrix refine(tensor::Matrix hidden, const tensor::Sequences&, tensor::Context&) const {
    return hidden;
  }

  size_t hidden_size = 0;
  size_t layer_count = 0;
  size_t vocabulary_size = 0;
  size_t type_count = 0;         // token types; 0: the model has none and ignores them
  size_t max_positions = 0;      // longest sequence; 0: no limit
  bool causal = false;           // a decoder: a token sees those before it
  bool norm_before_cut = false;  // Matryoshka prefixes are taken of standardised vectors
  std::string architecture;      // for people, e.g. "BERT"
  std::optional<Pooler> pooler;
  tensor::Table embeddings;  // [vocabulary, width]: tied language-model heads use it
};

// PARAMETERS is everything that lies in the model's files. Throws unsupported for an unknown model_type.
std::unique_ptr<Encoder> load_encoder(const Config& config, const Parameters& parameters);

// Runs ENCODER after checking BATCH: invalid_argument for ids or lengths beyond what the model has.
tensor::Matrix run_encoder(const Encoder& encoder, const TokenBatch& batch, tensor::Context& context);

// The first row of each sequence, zeros for one without rows: [sequences, columns].
tensor::Matrix first_rows(const tensor::Matrix& hidden, const tensor::Sequences& sequences);

}  // namespace sextant::model
