// The encoder of T5 (Raffel et al. 2020), as GTR, Sentence-T5 and Instructor use it: RMS norms before, no biases,
// scores without 1 / sqrt(d), and one bucketed bias on distances, kept in the first layer and used by all.
#include <fmt/format.h>

#include "model/architectures/architectures.h"

namespace sextant::model {
namespace {

struct T5Layer {
  tensor::RmsNorm attention_norm;
  AttentionLayer attention;
  tensor::RmsNorm feed_forward_norm;
  tensor::Linear in, gate, out;  // in is missing where the feed-forward has no gate, which then is its first layer
};

class T5 : public Encoder {
 public:
  T5(const Config& config, const Parameters& p) {
    architecture = "T5 encoder";
    hidden_size = config.count("d_model");
    layer_count = config.count("num_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    const size_t heads = config.count("num_heads");
    const size_t inner = config.count("d_ff");
    const size_t attention_width = heads * config.count("d_kv", size_t{1} << 16);
    const double epsilon = config.positive("layer_norm_epsilon", 1e-6);
    distance_max_ = config.size("relative_attention_max_distance", 128);
    bucket_count_ = bucket_count_of(config, distance_max_);
    const std::string kind =
        config.choice("feed_forward_proj", "relu", {"relu", "gelu", "gated-gelu", "gated-silu", "gated-relu"});
    gated_ = kind.starts_with("gated-");
    // "gated-gelu" has always meant the approximation by tanh here.
    activation_ = kind == "gated-gelu" ? tensor::Activation::gelu_tanh
                                       : tensor::parse_activation(gated_ ? kind.substr(6) : kind, config.source());
    options_ = plain_attention(heads, attention_width / heads);
    options_.scale = 1;

    embeddings = p.table(p.has("shared.weight") ? "shared.weight" : "encoder.embed_tokens.weight",
                         {vocabulary_size, hidden_size});
    distances_ = p.get("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", {bucket_count_, heads});
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("encoder.block.{}.layer", i));
      T5Layer layer;
      layer.attention_norm = l.rms_norm("0.layer_norm", hidden_size, epsilon);
      layer.attention = {l.stacked({{"0.SelfAttention.q", attention_width},
                                    {"0.SelfAttention.k", attention_width},
                                    {"0.SelfAttention.v", attention_width}},
                                   hidden_size, Bias::none),
                         l.linear("0.SelfAttention.o", hidden_size, attention_width, Bias::none)};
      layer.feed_forward_norm = l.rms_norm("1.layer_norm", hidden_size, epsilon);
      layer.in = gated_ ? l.stacked({{"1.DenseReluDense.wi_0", inner}, {"1.DenseReluDense.wi_1", inner}}, hidden_size,
                                    Bias::none)
                        : l.linear("1.DenseReluDense.wi", inner, hidden_size, Bias::none);
      layer.out = l.linear("1.DenseReluDense.wo", hidden_size, inner, Bias::none);
      layers_.push_back(std::move(layer));
    }
    final_norm_ = p.rms_norm("encoder.final_layer_norm", hidden_size, epsilon);
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    const tensor::RelativeBias bias =
        tensor::bucketed_bias(distances_.data, bucket_count_, options_.heads, batch.sequences.longest(), distance_max_);
    tensor::AttentionOptions options = options_;
    options.bias = &bias;
    for (const T5Layer& layer : layers_) {
      tensor::Matrix input = normed(layer.attention_norm, x, context);
      x = layer.attention(x, input, batch.sequences, options, context);
      input = normed(layer.feed_forward_norm, x, context);
      const tensor::Matrix inner =
          gated_ ? tensor::gated(layer.in(input, context), activation_, tensor::GateHalf::first, context)
                 : layer.in(input, context, {.activation = activation_});
      x = layer.out(inner, context, {.residual = &x});
    }
    final_norm_(x, context);
    return x;
  }

 private:
  size_t bucket_count_, distance_max_;
  bool gated_;
  tensor::Activation activation_;
  tensor::Parameter distances_;
  tensor::RmsNorm final_norm_;
  tensor::AttentionOptions options_;
  std::vector<T5Layer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_t5(const Config& config, const Parameters& parameters) {
  return std::make_unique<T5>(config, parameters);
}

}  // namespace sextant::model
