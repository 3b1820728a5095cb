// Jina BERT v2 (Günther et al. 2023): BERT without position embeddings, with ALiBi and a gated feed-forward.
//
// Two kinds are about. jina-bert-implementation: the feed-forward adds and normalises by itself. jina-bert-v2-qk-post-
// norm (the code model): queries and keys are normalised over all heads at once, and a layer adds and normalises twice
// around its attention.
#include <fmt/format.h>

#include "model/architectures/architectures.h"

namespace sextant::model {
namespace {

struct JinaBertLayer {
  tensor::Linear query, key, value, attention_output;
  tensor::LayerNorm query_norm, key_norm, attention_norm;
  tensor::Linear gated, down;
  tensor::LayerNorm norm_1;  // of the qk-post-norm kind alone
  tensor::LayerNorm norm_2;
};

class JinaBert : public Encoder {
 public:
  JinaBert(const Config& config, const Parameters& all) {
    architecture = "Jina BERT v2";
    Parameters p = all.in_first_of({"", "bert"}, "embeddings.word_embeddings.weight");
    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    type_count = config.count("type_vocab_size");
    max_positions = config.count("max_position_embeddings");
    const size_t heads = config.count("num_attention_heads");
    const size_t inner = config.count("intermediate_size");
    const double epsilon = config.positive("layer_norm_eps", 1e-12);
    const std::string feed_forward = config.choice("feed_forward_type", "geglu", {"geglu", "reglu"});
    activation_ = feed_forward == "reglu" ? tensor::Activation::relu : tensor::Activation::gelu;
    options_ = plain_attention(heads, head_dim_of(config, hidden_size, heads, "num_attention_heads"));

    embeddings = p.table("embeddings.word_embeddings.weight", {vocabulary_size, hidden_size});
    types_ = p.get("embeddings.token_type_embeddings.weight", {type_count, hidden_size});
    embedding_norm_ = p.layer_norm("embeddings.LayerNorm", hidden_size, epsilon);
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("encoder.layer.{}", i));
      JinaBertLayer layer;
      layer.query = l.linear("attention.self.query", hidden_size, hidden_size);
      layer.key = l.linear("attention.self.key", hidden_size, hidden_size);
      layer.value = l.linear("attention.self.value", hidden_size, hidden_size);
      layer.attention_output = l.linear("attention.output.dense", hidden_size, hidden_size);
      layer.attention_norm = l.layer_norm("attention.output.LayerNorm", hidden_size, epsilon);
      if (l.has("attention.self.layer_norm_q.weight")) {
        layer.query_norm = l.layer_norm("attention.self.layer_norm_q", hidden_size, epsilon);
        layer.key_norm = l.layer_norm("attention.self.layer_norm_k", hidden_size, epsilon);
      }
      if (l.has("mlp.up_gated_layer.weight")) {
        layer.gated = l.linear("mlp.up_gated_layer", 2 * inner, hidden_size, Bias::optional);
        layer.down = l.linear("mlp.down_layer", hidden_size, inner);
        layer.norm_1 = l.layer_norm("layer_norm_1", hidden_size, epsilon);
        layer.norm_2 = l.layer_norm("layer_norm_2", hidden_size, epsilon);
      } else {
        layer.gated = l.linear("mlp.gated_layers", 2 * inner, hidden_size, Bias::optional);
        layer.down = l.linear("mlp.wo", hidden_size, inner);
        layer.norm_2 = l.layer_norm("mlp.layernorm", hidden_size, epsilon);
      }
      layers_.push_back(std::move(layer));
    }
    if (p.has("pooler.dense.weight")) pooler = Pooler{p.linear("pooler.dense", hidden_size, hidden_size)};
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    const tensor::Sequences& sequences = batch.sequences;
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    add_types(x, types_, batch, context);
    embedding_norm_(x, context);
    const tensor::RelativeBias bias = tensor::alibi_bias(options_.heads, batch.sequences.longest());
    tensor::AttentionOptions options = options_;
    options.bias = &bias;
    for (const JinaBertLayer& layer : layers_) {
      tensor::Matrix q = layer.query(x, context);
      tensor::Matrix k = layer.key(x, context);
      tensor::Matrix v = layer.value(x, context);
      if (!layer.query_norm.empty()) {
        layer.query_norm(q, context);
        layer.key_norm(k, context);
      }
      tensor::Matrix attended = layer.attention_output(
          tensor::attention(sequences, columns(q), columns(k), columns(v), options, context), context);
      tensor::add(attended, x, context);
      layer.attention_norm(attended, context);
      if (layer.norm_1.empty()) {
        x = std::move(attended);
      } else {
        tensor::add(x, attended, context);
        layer.norm_1(x, context);
      }
      // The later kind turned the halves round.
      const auto half = layer.norm_1.empty() ? tensor::GateHalf::first : tensor::GateHalf::second;
      x = layer.down(tensor::gated(layer.gated(x, context), activation_, half, context), context, {.residual = &x});
      layer.norm_2(x, context);
    }
    return x;
  }

 private:
  tensor::Parameter types_;
  tensor::LayerNorm embedding_norm_;
  tensor::Activation activation_;
  tensor::AttentionOptions options_;
  std::vector<JinaBertLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_jina_bert(const Config& config, const Parameters& parameters) {
  return std::make_unique<JinaBert>(config, parameters);
}

}  // namespace sextant::model
