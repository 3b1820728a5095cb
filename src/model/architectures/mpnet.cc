// MPNet (Song et al. 2020): BERT with RoBERTa's positions and a bucketed bias on distances that all layers share.
#include <fmt/format.h>

#include "model/architectures/architectures.h"

namespace sextant::model {
namespace {

constexpr PostNormNames kMpnetNames = {"attention.attn.q", "attention.attn.k",    "attention.attn.v",
                                       "attention.attn.o", "attention.LayerNorm", "intermediate.dense",
                                       "output.dense",     "output.LayerNorm"};

constexpr TokenId kPadId = 1;
constexpr size_t kDistanceMax = 128;

class MpNet : public Encoder {
 public:
  MpNet(const Config& config, const Parameters& all) {
    architecture = "MPNet";
    Parameters p = all.in_first_of({"", "mpnet"}, "embeddings.word_embeddings.weight");
    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    const size_t positions = config.count("max_position_embeddings");
    if (positions < 3) config.corrupted("max_position_embeddings", "3 or more");
    max_positions = positions - 2;
    const size_t heads = config.count("num_attention_heads");
    const size_t inner = config.count("intermediate_size");
    const double epsilon = config.positive("layer_norm_eps", 1e-12);
    bucket_count_ = bucket_count_of(config, kDistanceMax);
    const auto activation = tensor::parse_activation(config.text("hidden_act", "gelu"), config.source());
    options_ = plain_attention(heads, head_dim_of(config, hidden_size, heads, "num_attention_heads"));

    embeddings = p.table("embeddings.word_embeddings.weight", {vocabulary_size, hidden_size});
    positions_ = p.get("embeddings.position_embeddings.weight", {positions, hidden_size});
    embedding_norm_ = p.layer_norm("embeddings.LayerNorm", hidden_size, epsilon);
    distances_ = p.get("encoder.relative_attention_bias.weight", {bucket_count_, heads});
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("encoder.layer.{}", i));
      layers_.push_back(read_post_norm_layer(l, kMpnetNames, hidden_size, inner, epsilon, activation));
    }
    if (p.has("pooler.dense.weight")) pooler = Pooler{p.linear("pooler.dense", hidden_size, hidden_size)};
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    add_positions_after_padding(x, positions_, batch, kPadId, context);
    embedding_norm_(x, context);
    const tensor::RelativeBias bias =
        tensor::bucketed_bias(distances_.data, bucket_count_, options_.heads, batch.sequences.longest(), kDistanceMax);
    tensor::AttentionOptions options = options_;
    options.bias = &bias;
    for (const PostNormLayer& layer : layers_) {
      layer(x, batch.sequences, options, context);
    }
    return x;
  }

 private:
  size_t bucket_count_;
  tensor::Parameter positions_, distances_;
  tensor::LayerNorm embedding_norm_;
  tensor::AttentionOptions options_;
  std::vector<PostNormLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_mpnet(const Config& config, const Parameters& parameters) {
  return std::make_unique<MpNet>(config, parameters);
}

}  // namespace sextant::model
