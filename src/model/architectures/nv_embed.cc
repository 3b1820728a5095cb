// NV-Embed (Lee et al. 2024): Mistral without its causal mask, whose hidden states then attend to a small table of
// latent vectors and pass a gated feed-forward, each added to what came in.
#include <cmath>

#include "model/architectures/decoder.h"

namespace sextant::model {
namespace {

class NvEmbed : public Encoder {
 public:
  NvEmbed(const Config& config, const Parameters& all) {
    const Config text = config.object("text_config");
    trunk_ = load_bidirectional_mistral(text, all.in("embedding_model"));
    architecture = "NV-Embed";
    hidden_size = trunk_->hidden_size;
    layer_count = trunk_->layer_count;
    vocabulary_size = trunk_->vocabulary_size;
    max_positions = trunk_->max_positions;
    embeddings = trunk_->embeddings;

    const Config latent = config.object("latent_attention_config");
    const size_t count = latent.count("num_latents_value");
    const size_t dim = latent.count("latent_dim");
    const size_t heads = latent.count("num_cross_heads");
    const size_t head_dim = latent.count("cross_dim_head", size_t{1} << 16);
    if (dim != hidden_size) latent.corrupted("latent_dim", "the hidden size of text_config");
    Parameters p = all.in("latent_attention_model");
    latents_ = p.get("latents", {count, dim});
    constexpr double kNvEpsilon = 1e-5;
    constexpr size_t kFeedForwardFactor = 4;
    Parameters attend = p.in("cross_attend_blocks.0");
    attention_norm_ = attend.layer_norm("norm", hidden_size, kNvEpsilon);
    latent_norm_ = attend.layer_norm("norm_context", dim, kNvEpsilon);
    query_ = attend.linear("fn.to_q", heads * head_dim, hidden_size, Bias::none);
    key_value_ = attend.linear("fn.to_kv", 2 * heads * head_dim, dim, Bias::none);
    output_ = attend.linear("fn.to_out", hidden_size, heads * head_dim, Bias::none);
    Parameters forward = p.in("cross_attend_blocks.1");
    feed_forward_norm_ = forward.layer_norm("norm", hidden_size, kNvEpsilon);
    gated_ = forward.linear("fn.net.0", 2 * kFeedForwardFactor * hidden_size, hidden_size);
    down_ = forward.linear("fn.net.2", hidden_size, kFeedForwardFactor * hidden_size);
    options_ = plain_attention(heads, head_dim);
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    return trunk_->encode(batch, context);
  }

  tensor::Matrix refine(tensor::Matrix x, const tensor::Sequences&, tensor::Context& context) const override {
    tensor::Matrix latents(latents_.shape[0], latents_.shape[1]);
    std::copy_n(latents_.data, latents_.size(), latents.data());
    latent_norm_(latents, context);
    const tensor::Matrix key_value = key_value_(latents, context);
    const tensor::Matrix queries = query_(normed(attention_norm_, x, context), context);
    const size_t width = options_.heads * options_.head_dim;
    tensor::Matrix attended = tensor::cross_attention(columns(queries), queries.rows(), columns(key_value),
                                                      columns(key_value, width), key_value.rows(), options_, context);
    x = output_(attended, context, {.residual = &x});
    tensor::Matrix inner = tensor::gated(gated_(normed(feed_forward_norm_, x, context), context),
                                         tensor::Activation::gelu, tensor::GateHalf::second, context);
    return down_(inner, context, {.residual = &x});
  }

 private:
  std::unique_ptr<Encoder> trunk_;
  tensor::Parameter latents_;
  tensor::LayerNorm attention_norm_, latent_norm_, feed_forward_norm_;
  tensor::Linear query_, key_value_, output_, gated_, down_;
  tensor::AttentionOptions options_;
};

}  // namespace

std::unique_ptr<Encoder> load_nv_embed(const Config& config, const Parameters& parameters) {
  return std::make_unique<NvEmbed>(config, parameters);
}

}  // namespace sextant::model
