// Gemma 2 (2024) and EmbeddingGemma (Gemma 3, 2025): Llama with four norms a layer whose weights are kept as offsets
// from 1, embeddings scaled by sqrt(hidden), a tanh-gated feed-forward, and windows in some layers.
//
// Gemma 2 caps its scores; Gemma 3 normalises each head's query and key and turns windowed layers by a base of their
// own. EmbeddingGemma looks both ways: its window is half as wide on either side.
#include <fmt/format.h>

#include <cmath>

#include "model/architectures/decoder.h"

namespace sextant::model {
namespace {

struct GemmaLayer {
  tensor::RmsNorm attention_norm, after_attention_norm;
  GroupedAttention attention;
  tensor::RmsNorm feed_forward_norm, after_feed_forward_norm;
  GatedFeedForward feed_forward;
  bool slides = false;
};

class Gemma : public Encoder {
 public:
  Gemma(const Config& config, const Parameters& all) {
    const bool third = config.text("model_type") == "gemma3_text";
    architecture = third ? "Gemma 3" : "Gemma 2";
    causal = !config.flag("use_bidirectional_attention", false);
    Parameters p = all.in_first_of({"", "model"}, "embed_tokens.weight");
    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    max_positions = config.count("max_position_embeddings", size_t{1} << 30);
    const size_t inner = config.count("intermediate_size");
    const double epsilon = config.positive("rms_norm_eps", 1e-6);
    activation_ = tensor::parse_activation(config.text("hidden_activation", "gelu_pytorch_tanh"), config.source());
    full_ = grouped_attention_of(config);
    full_.scale = static_cast<float>(
        1.0 / std::sqrt(config.positive("query_pre_attn_scalar", static_cast<double>(full_.head_dim))));
    full_.softcap = static_cast<float>(config.positive("attn_logit_softcapping", 0.0));
    if (causal) full_.after = 0;
    sliding_ = full_;
    const size_t window = config.count("sliding_window", size_t{1} << 30);
    sliding_.before = causal ? window - 1 : window / 2;
    if (!causal) sliding_.after = window / 2;
    const double base = rotary_base_of(config, kFullAttention, "rope_theta", third ? 1000000.0 : 10000.0);
    full_rotary_ = tensor::Rotary(rotary_frequencies_of(config, full_.head_dim, base));
    sliding_rotary_ =
        third ? tensor::Rotary(tensor::rotary_frequencies(
                    full_.head_dim, rotary_base_of(config, kSlidingAttention, "rope_local_base_freq", 10000.0)))
              : full_rotary_;

    const Bias bias = config.flag("attention_bias", false) ? Bias::required : Bias::none;
    const std::vector<std::string> layer_types = config.texts("layer_types");
    const char* pattern_key =
        config.has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
    const size_t pattern = config.size(pattern_key, third ? 6 : 2);
    if (pattern == 0) config.corrupted(pattern_key, "1 or more");
    embeddings = p.table("embed_tokens.weight", {vocabulary_size, hidden_size});
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("layers.{}", i));
      auto norm = [&](const char* name, size_t size) { return l.rms_norm(name, size, epsilon, true); };
      GemmaLayer layer;
      layer.attention_norm = norm("input_layernorm", hidden_size);
      layer.after_attention_norm = norm("post_attention_layernorm", hidden_size);
      layer.feed_forward_norm = norm("pre_feedforward_layernorm", hidden_size);
      layer.after_feed_forward_norm = norm("post_feedforward_layernorm", hidden_size);
      layer.attention = read_grouped_attention(l, hidden_size, full_, bias, bias);
      if (third) {
        layer.attention.query_norm = norm("self_attn.q_norm", full_.head_dim);
        layer.attention.key_norm = norm("self_attn.k_norm", full_.head_dim);
      }
      layer.feed_forward = read_gated_feed_forward(l, hidden_size, inner, Bias::none);
      layer.slides = layer_slides(config, layer_types, i, (i + 1) % pattern != 0);
      layers_.push_back(std::move(layer));
    }
    final_norm_ = p.rms_norm("norm", hidden_size, epsilon, true);
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    tensor::scale(x, static_cast<float>(std::sqrt(static_cast<double>(hidden_size))), context);
    for (const GemmaLayer& layer : layers_) {
      tensor::Matrix input = normed(layer.attention_norm, x, context);
      tensor::Matrix attended = layer.attention(input, batch.sequences, layer.slides ? sliding_rotary_ : full_rotary_,
                                                layer.slides ? sliding_ : full_, context);
      layer.after_attention_norm(attended, context);
      tensor::add(x, attended, context);
      input = normed(layer.feed_forward_norm, x, context);
      tensor::Matrix output = layer.feed_forward(input, activation_, context);
      layer.after_feed_forward_norm(output, context);
      tensor::add(x, output, context);
    }
    final_norm_(x, context);
    return x;
  }

 private:
  tensor::Activation activation_;
  tensor::AttentionOptions full_, sliding_;
  tensor::Rotary full_rotary_, sliding_rotary_;
  tensor::RmsNorm final_norm_;
  std::vector<GemmaLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_gemma(const Config& config, const Parameters& parameters) {
  return std::make_unique<Gemma>(config, parameters);
}

}  // namespace sextant::model
