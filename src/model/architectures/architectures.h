// model/architectures/architectures.h: the architectures, one file each, and the little that they share.
//
// Each loader gets the whole config and all parameters, and finds its own prefix among the names in use.
#pragma once

#include <algorithm>
#include <memory>

#include "model/encoder.h"
#include "tensor/attention.h"

namespace sextant::model {

std::unique_ptr<Encoder> load_bert(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_jina_bert(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_albert(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_distilbert(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_mpnet(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_deberta_v2(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_modernbert(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_nomic_bert(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_gte_new(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_t5(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_llama(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_gemma(const Config& config, const Parameters& parameters);
std::unique_ptr<Encoder> load_nv_embed(const Config& config, const Parameters& parameters);

// Hidden size split into heads: checks that it divides.
size_t head_dim_of(const Config& config, size_t hidden, size_t heads, std::string_view heads_key);

// T5's and MPNet's number of distance buckets: checks that relative_bucket() can serve them.
size_t bucket_count_of(const Config& config, size_t distance_max);

// The rows of TYPES [types, width] that the batch's type ids name, added to x.
void add_types(tensor::Matrix& x, const tensor::Parameter& types, const TokenBatch& batch, tensor::Context& context);
// Rows of LEARNED positions [positions, width], added to x: row i of a sequence gets position FIRST + i.
void add_positions(tensor::Matrix& x, const tensor::Parameter& positions, const tensor::Sequences& sequences,
                   size_t first, tensor::Context& context);
// RoBERTa's and MPNet's rule: positions count from pad_id + 1 over the tokens that are not the padding token, which
// itself has position pad_id wherever it occurs.
void add_positions_after_padding(tensor::Matrix& x, const tensor::Parameter& positions, const TokenBatch& batch,
                                 TokenId pad_id, tensor::Context& context);

// Multi-head attention. Query, key and value, which most models keep as three matrices, are computed as one.
struct AttentionLayer {
  tensor::Linear qkv, output;
  // x + what was attended to, through OUTPUT; INPUT is x or a normalised form of it.
  tensor::Matrix operator()(const tensor::Matrix& x, const tensor::Matrix& input, const tensor::Sequences& sequences,
                            const tensor::AttentionOptions& options, tensor::Context& context) const;
};

// x + dense -> activation -> dense.
struct FeedForward {
  tensor::Linear in, out;
  tensor::Activation activation = tensor::Activation::gelu;
  tensor::Matrix operator()(const tensor::Matrix& x, tensor::Context& context) const;
};

// The layer of BERT and its kin: attention, add, norm, feed-forward, add, norm.
struct PostNormLayer {
  AttentionLayer attention;
  tensor::LayerNorm attention_norm;
  FeedForward feed_forward;
  tensor::LayerNorm output_norm;
  void operator()(tensor::Matrix& x, const tensor::Sequences& sequences, const tensor::AttentionOptions& options,
                  tensor::Context& context) const;
};

// What an architecture calls the parts of a PostNormLayer.
struct PostNormNames {
  const char *query, *key, *value, *attention_output, *attention_norm, *in, *out, *output_norm;
};
PostNormLayer read_post_norm_layer(const Parameters& parameters, const PostNormNames& names, size_t hidden,
                                   size_t inner, double epsilon, tensor::Activation activation);

// Attention where query, key and value lie side by side in one matrix, each as wide as all heads.
tensor::Matrix fused_attention(const tensor::Matrix& qkv, const tensor::Sequences& sequences,
                               const tensor::AttentionOptions& options, tensor::Context& context);

// A normalised copy of x, which goes on unnormalised beside it; a plain copy where there is no norm.
template <class Norm>
tensor::Matrix normed(const Norm& norm, const tensor::Matrix& x, tensor::Context& context) {
  tensor::Matrix copy(x.rows(), x.columns(), context);
  if (norm.empty()) {
    std::copy(x.values().begin(), x.values().end(), copy.values().begin());
  } else {
    norm(x, copy, context);
  }
  return copy;
}

// The options of plain bidirectional attention with HEADS heads, scaled by 1 / sqrt(head_dim).
tensor::AttentionOptions plain_attention(size_t heads, size_t head_dim);

}  // namespace sextant::model
