// ModernBERT (Warner et al. 2024): rotary positions instead of learned ones, norms before instead of after, a gated
// feed-forward, no biases, and two layers of three that look only at a window of neighbours.
#include <fmt/format.h>

#include "model/architectures/decoder.h"

namespace sextant::model {
namespace {

struct ModernBertLayer {
  tensor::LayerNorm attention_norm;  // none in the first layer: the embeddings have just been normalised
  tensor::Linear qkv, attention_output;
  tensor::LayerNorm feed_forward_norm;
  tensor::Linear gated, down;
  bool global = false;
};

class ModernBert : public Encoder {
 public:
  ModernBert(const Config& config, const Parameters& all) {
    architecture = "ModernBERT";
    Parameters p = all.in_first_of({"", "model"}, "embeddings.tok_embeddings.weight");
    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    max_positions = config.count("max_position_embeddings");
    const size_t heads = config.count("num_attention_heads");
    const size_t inner = config.count("intermediate_size");
    const size_t every = config.has("global_attn_every_n_layers") ? config.count("global_attn_every_n_layers") : 3;
    const size_t window = config.size("local_attention", 128);
    const double epsilon = config.positive("norm_eps", 1e-5);
    const double global_base = rotary_base_of(config, kFullAttention, "global_rope_theta", 160000.0);
    const double local_base = rotary_base_of(config, kSlidingAttention, "local_rope_theta", global_base);
    const std::vector<std::string> layer_types = config.texts("layer_types");
    const Bias norm_bias = config.flag("norm_bias", false) ? Bias::required : Bias::none;
    const Bias attention_bias = config.flag("attention_bias", false) ? Bias::required : Bias::none;
    const Bias mlp_bias = config.flag("mlp_bias", false) ? Bias::required : Bias::none;
    activation_ = tensor::parse_activation(config.text("hidden_activation", "gelu"), config.source());
    const size_t head_dim = head_dim_of(config, hidden_size, heads, "num_attention_heads");
    global_ = local_ = plain_attention(heads, head_dim);
    local_.before = local_.after = window / 2;
    global_rotary_ = tensor::Rotary(rotary_frequencies_of(config, head_dim, global_base));
    local_rotary_ = tensor::Rotary(tensor::rotary_frequencies(head_dim, local_base));

    embeddings = p.table("embeddings.tok_embeddings.weight", {vocabulary_size, hidden_size});
    embedding_norm_ = p.layer_norm("embeddings.norm", hidden_size, epsilon, norm_bias);
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("layers.{}", i));
      ModernBertLayer layer;
      if (i > 0) layer.attention_norm = l.layer_norm("attn_norm", hidden_size, epsilon, norm_bias);
      layer.qkv = l.linear("attn.Wqkv", 3 * hidden_size, hidden_size, attention_bias);
      layer.attention_output = l.linear("attn.Wo", hidden_size, hidden_size, attention_bias);
      layer.feed_forward_norm = l.layer_norm("mlp_norm", hidden_size, epsilon, norm_bias);
      layer.gated = l.linear("mlp.Wi", 2 * inner, hidden_size, mlp_bias);
      layer.down = l.linear("mlp.Wo", hidden_size, inner, mlp_bias);
      layer.global = !layer_slides(config, layer_types, i, i % every != 0);
      layers_.push_back(std::move(layer));
    }
    final_norm_ = p.layer_norm("final_norm", hidden_size, epsilon, norm_bias);
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    const tensor::Sequences& sequences = batch.sequences;
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    embedding_norm_(x, context);
    for (const ModernBertLayer& layer : layers_) {
      tensor::Matrix qkv = layer.qkv(normed(layer.attention_norm, x, context), context);
      const tensor::Rotary& rotary = layer.global ? global_rotary_ : local_rotary_;
      rotary(qkv, 0, 2 * global_.heads, global_.head_dim, sequences, context);
      tensor::Matrix attended = fused_attention(qkv, sequences, layer.global ? global_ : local_, context);
      x = layer.attention_output(attended, context, {.residual = &x});
      tensor::Matrix inner = tensor::gated(layer.gated(normed(layer.feed_forward_norm, x, context), context),
                                           activation_, tensor::GateHalf::first, context);
      x = layer.down(inner, context, {.residual = &x});
    }
    final_norm_(x, context);
    return x;
  }

 private:
  tensor::LayerNorm embedding_norm_, final_norm_;
  tensor::Activation activation_;
  tensor::AttentionOptions global_, local_;
  tensor::Rotary global_rotary_, local_rotary_;
  std::vector<ModernBertLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_modernbert(const Config& config, const Parameters& parameters) {
  return std::make_unique<ModernBert>(config, parameters);
}

}  // namespace sextant::model
