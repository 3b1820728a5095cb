// DistilBERT (Sanh et al. 2019): BERT without token types and pooler, under names of its own.
#include <fmt/format.h>

#include "model/architectures/architectures.h"

namespace sextant::model {
namespace {

constexpr PostNormNames kDistilBertNames = {"attention.q_lin",   "attention.k_lin",  "attention.v_lin",
                                            "attention.out_lin", "sa_layer_norm",    "ffn.lin1",
                                            "ffn.lin2",          "output_layer_norm"};

constexpr double kEpsilon = 1e-12;  // its config has no key for it

class DistilBert : public Encoder {
 public:
  DistilBert(const Config& config, const Parameters& all) {
    architecture = "DistilBERT";
    Parameters p = all.in_first_of({"", "distilbert"}, "embeddings.word_embeddings.weight");
    hidden_size = config.count("dim");
    layer_count = config.count("n_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    max_positions = config.count("max_position_embeddings");
    const size_t heads = config.count("n_heads");
    const size_t inner = config.count("hidden_dim");
    const auto activation = tensor::parse_activation(config.text("activation", "gelu"), config.source());
    options_ = plain_attention(heads, head_dim_of(config, hidden_size, heads, "n_heads"));

    embeddings = p.table("embeddings.word_embeddings.weight", {vocabulary_size, hidden_size});
    positions_ = p.get("embeddings.position_embeddings.weight", {max_positions, hidden_size});
    embedding_norm_ = p.layer_norm("embeddings.LayerNorm", hidden_size, kEpsilon);
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("transformer.layer.{}", i));
      layers_.push_back(read_post_norm_layer(l, kDistilBertNames, hidden_size, inner, kEpsilon, activation));
    }
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    add_positions(x, positions_, batch.sequences, 0, context);
    embedding_norm_(x, context);
    for (const PostNormLayer& layer : layers_) {
      layer(x, batch.sequences, options_, context);
    }
    return x;
  }

 private:
  tensor::Parameter positions_;
  tensor::LayerNorm embedding_norm_;
  tensor::AttentionOptions options_;
  std::vector<PostNormLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_distilbert(const Config& config, const Parameters& parameters) {
  return std::make_unique<DistilBert>(config, parameters);
}

}  // namespace sextant::model
