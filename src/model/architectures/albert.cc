// ALBERT (Lan et al. 2019): BERT whose layers share their parameters, with narrower embeddings widened once.
#include <fmt/format.h>

#include "model/architectures/architectures.h"

namespace sextant::model {
namespace {

constexpr PostNormNames kAlbertNames = {"attention.query", "attention.key",        "attention.value",
                                        "attention.dense", "attention.LayerNorm",  "ffn",
                                        "ffn_output",      "full_layer_layer_norm"};

class Albert : public Encoder {
 public:
  Albert(const Config& config, const Parameters& all) {
    architecture = "ALBERT";
    config.choice("position_embedding_type", "absolute", {"absolute"});
    Parameters p = all.in_first_of({"", "albert"}, "embeddings.word_embeddings.weight");
    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    type_count = config.count("type_vocab_size");
    max_positions = config.count("max_position_embeddings");
    const size_t width = config.count("embedding_size");
    const size_t heads = config.count("num_attention_heads");
    const size_t inner = config.count("intermediate_size");
    const size_t groups = config.has("num_hidden_groups") ? config.count("num_hidden_groups", layer_count) : 1;
    const size_t layers_per_group = config.has("inner_group_num") ? config.count("inner_group_num", 1000) : 1;
    const double epsilon = config.positive("layer_norm_eps", 1e-12);
    const auto activation = tensor::parse_activation(config.text("hidden_act", "gelu_new"), config.source());
    options_ = plain_attention(heads, head_dim_of(config, hidden_size, heads, "num_attention_heads"));

    embeddings = p.table("embeddings.word_embeddings.weight", {vocabulary_size, width});
    positions_ = p.get("embeddings.position_embeddings.weight", {max_positions, width});
    types_ = p.get("embeddings.token_type_embeddings.weight", {type_count, width});
    embedding_norm_ = p.layer_norm("embeddings.LayerNorm", width, epsilon);
    widen_ = p.linear("encoder.embedding_hidden_mapping_in", hidden_size, width);
    groups_.resize(groups);
    for (size_t g = 0; g < groups; ++g) {
      for (size_t i = 0; i < layers_per_group; ++i) {
        Parameters l = p.in(fmt::format("encoder.albert_layer_groups.{}.albert_layers.{}", g, i));
        groups_[g].push_back(read_post_norm_layer(l, kAlbertNames, hidden_size, inner, epsilon, activation));
      }
    }
    if (p.has("pooler.weight")) pooler = Pooler{p.linear("pooler", hidden_size, hidden_size)};
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    add_types(x, types_, batch, context);
    add_positions(x, positions_, batch.sequences, 0, context);
    embedding_norm_(x, context);
    x = widen_(x, context);
    for (size_t i = 0; i < layer_count; ++i) {
      // The layers are dealt out to the groups in order.
      for (const PostNormLayer& layer : groups_[i * groups_.size() / layer_count]) {
        layer(x, batch.sequences, options_, context);
      }
    }
    return x;
  }

 private:
  tensor::Parameter positions_, types_;
  tensor::LayerNorm embedding_norm_;
  tensor::Linear widen_;
  tensor::AttentionOptions options_;
  std::vector<std::vector<PostNormLayer>> groups_;
};

}  // namespace

std::unique_ptr<Encoder> load_albert(const Config& config, const Parameters& parameters) {
  return std::make_unique<Albert>(config, parameters);
}

}  // namespace sextant::model
