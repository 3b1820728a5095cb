// Llama (Touvron et al. 2023) and its kin as text encoders: Mistral (e5-mistral), Qwen2 (gte-Qwen2) and Qwen3
// (Qwen3-Embedding). RMS norms before, rotary positions, grouped queries, a gated feed-forward; a token sees those
// before it. Qwen2 has biases on query, key and value; Qwen3 normalises each head's query and key.
#include <fmt/format.h>

#include "model/architectures/decoder.h"

namespace sextant::model {
namespace {

struct LlamaLayer {
  tensor::RmsNorm attention_norm;
  GroupedAttention attention;
  tensor::RmsNorm feed_forward_norm;
  GatedFeedForward feed_forward;
  bool slides = false;
};

class Llama : public Encoder {
 public:
  Llama(const Config& config, const Parameters& all, bool is_causal) {
    const std::string type = config.text("model_type", "mistral");
    architecture = type == "qwen3" ? "Qwen3" : type == "qwen2" ? "Qwen2" : type == "llama" ? "Llama" : "Mistral";
    causal = is_causal;
    Parameters p = all.in_first_of({"", "model"}, "embed_tokens.weight");
    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    max_positions = config.count("max_position_embeddings", size_t{1} << 30);
    const size_t inner = config.count("intermediate_size");
    const double epsilon = config.positive("rms_norm_eps", 1e-6);
    activation_ = tensor::parse_activation(config.text("hidden_act", "silu"), config.source());
    full_ = grouped_attention_of(config);
    if (causal) full_.after = 0;
    sliding_ = full_;
    const size_t window = config.size("sliding_window", 0);
    if (window > 0) {
      sliding_.before = window - 1;
      if (!causal) sliding_.after = window - 1;
    }
    rotary_ = tensor::Rotary(
        rotary_frequencies_of(config, full_.head_dim, rotary_base_of(config, kFullAttention, "rope_theta", 10000.0)));

    const bool biased = config.flag("attention_bias", false);
    const Bias qkv_bias = biased || type == "qwen2" ? Bias::required : Bias::none;
    const Bias output_bias = biased ? Bias::required : Bias::none;
    const Bias mlp_bias = config.flag("mlp_bias", false) ? Bias::required : Bias::none;
    const std::vector<std::string> layer_types = config.texts("layer_types");
    const size_t first_window_layer = config.size("max_window_layers", 0);
    embeddings = p.table("embed_tokens.weight", {vocabulary_size, hidden_size});
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("layers.{}", i));
      LlamaLayer layer;
      layer.attention_norm = l.rms_norm("input_layernorm", hidden_size, epsilon);
      layer.attention = read_grouped_attention(l, hidden_size, full_, qkv_bias, output_bias);
      if (type == "qwen3") {
        layer.attention.query_norm = l.rms_norm("self_attn.q_norm", full_.head_dim, epsilon);
        layer.attention.key_norm = l.rms_norm("self_attn.k_norm", full_.head_dim, epsilon);
      }
      layer.feed_forward_norm = l.rms_norm("post_attention_layernorm", hidden_size, epsilon);
      layer.feed_forward = read_gated_feed_forward(l, hidden_size, inner, mlp_bias);
      // Llama's configs may carry a window that its code does not know.
      bool slides = type == "mistral";
      if (type == "qwen2" || type == "qwen3")
        slides = config.flag("use_sliding_window", false) && i >= first_window_layer;
      slides = layer_slides(config, layer_types, i, slides);
      layer.slides = slides && type != "llama" && window > 0;
      layers_.push_back(std::move(layer));
    }
    final_norm_ = p.rms_norm("norm", hidden_size, epsilon);
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    for (const LlamaLayer& layer : layers_) {
      tensor::Matrix input = normed(layer.attention_norm, x, context);
      x = layer.attention(input, batch.sequences, rotary_, layer.slides ? sliding_ : full_, context, &x);
      input = normed(layer.feed_forward_norm, x, context);
      x = layer.feed_forward(input, activation_, context, &x);
    }
    final_norm_(x, context);
    return x;
  }

 private:
  tensor::Activation activation_;
  tensor::AttentionOptions full_, sliding_;
  tensor::Rotary rotary_;
  tensor::RmsNorm final_norm_;
  std::vector<LlamaLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_llama(const Config& config, const Parameters& parameters) {
  return std::make_unique<Llama>(config, parameters, true);
}

std::unique_ptr<Encoder> load_bidirectional_mistral(const Config& config, const Parameters& parameters) {
  return std::make_unique<Llama>(config, parameters, false);
}

}  // namespace sextant::model
