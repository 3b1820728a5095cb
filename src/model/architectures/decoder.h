// model/architectures/decoder.h: what Llama and Gemma have in common.
#pragma once

#include "model/architectures/architectures.h"

namespace sextant::model {

// The types of layers that configs name.
inline constexpr std::string_view kFullAttention = "full_attention", kSlidingAttention = "sliding_attention";

// Grouped-query attention with rotary positions, and norms of each head's query and key where there are any.
struct GroupedAttention {
  tensor::Linear qkv, output;
  tensor::RmsNorm query_norm, key_norm;
  tensor::Matrix operator()(const tensor::Matrix& x, const tensor::Sequences& sequences, const tensor::Rotary& rotary,
                            const tensor::AttentionOptions& options, tensor::Context& context,
                            const tensor::Matrix* residual = nullptr) const;
};

// down(activation(gate x) * up x)
struct GatedFeedForward {
  tensor::Linear gate_up, down;
  tensor::Matrix operator()(const tensor::Matrix& x, tensor::Activation activation, tensor::Context& context,
                            const tensor::Matrix* residual = nullptr) const;
};

// Both as a layer's files have them: self_attn.q_proj, .k_proj, .v_proj and .o_proj; mlp.gate_proj, .up_proj,
// .down_proj.
GroupedAttention read_grouped_attention(const Parameters& layer, size_t hidden, const tensor::AttentionOptions& options,
                                        Bias qkv_bias, Bias output_bias);
GatedFeedForward read_gated_feed_forward(const Parameters& layer, size_t hidden, size_t inner, Bias bias);

// Heads, key and value heads and head_dim of a decoder's config.
tensor::AttentionOptions grouped_attention_of(const Config& config);

// Rotary frequencies for HEAD_DIM under "rope_scaling" (default, linear, llama3) or the newer "rope_parameters", which
// may hold settings for each type of layer: then those of full attention count. Throws unsupported for other kinds.
std::vector<float> rotary_frequencies_of(const Config& config, size_t head_dim, double base);
// "rope_theta" of layers of LAYER_TYPE in "rope_parameters", else KEY of the config itself.
double rotary_base_of(const Config& config, std::string_view layer_type, std::string_view key, double fallback);

// Whether layer I looks at a window only: by "layer_types" where the config has them, else as OTHERWISE says.
bool layer_slides(const Config& config, const std::vector<std::string>& layer_types, size_t i, bool otherwise);

// Mistral without its causal mask, under the prefix that PARAMETERS has: the trunk of NV-Embed.
std::unique_ptr<Encoder> load_bidirectional_mistral(const Config& config, const Parameters& parameters);

}  // namespace sextant::model
