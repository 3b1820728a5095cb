#include "model/architectures/decoder.h"

#include <cmath>
#include <numbers>

namespace sextant::model {

tensor::Matrix GroupedAttention::operator()(const tensor::Matrix& x, const tensor::Sequences& sequences,
                                            const tensor::Rotary& rotary, const tensor::AttentionOptions& options,
                                            tensor::Context& context, const tensor::Matrix* residual) const {
  tensor::Matrix all = qkv(x, context);
  const size_t key = options.heads * options.head_dim;
  const size_t value = key + options.kv_heads * options.head_dim;
  if (!query_norm.empty()) {
    query_norm.over_heads(all, 0, options.heads, context);
    key_norm.over_heads(all, key, options.kv_heads, context);
  }
  rotary(all, 0, options.heads + options.kv_heads, options.head_dim, sequences, context);
  return output(tensor::attention(sequences, columns(all), columns(all, key), columns(all, value), options, context),
                context, {.residual = residual});
}

tensor::Matrix GatedFeedForward::operator()(const tensor::Matrix& x, tensor::Activation activation,
                                            tensor::Context& context, const tensor::Matrix* residual) const {
  const tensor::Matrix inner = tensor::gated(gate_up(x, context), activation, tensor::GateHalf::first, context);
  return down(inner, context, {.residual = residual});
}

GroupedAttention read_grouped_attention(const Parameters& layer, size_t hidden, const tensor::AttentionOptions& options,
                                        Bias qkv_bias, Bias output_bias) {
  const size_t query = options.heads * options.head_dim;
  const size_t key = options.kv_heads * options.head_dim;
  Parameters p = layer.in("self_attn");
  return {p.stacked({{"q_proj", query}, {"k_proj", key}, {"v_proj", key}}, hidden, qkv_bias),
          p.linear("o_proj", hidden, query, output_bias),
          {},
          {}};
}

GatedFeedForward read_gated_feed_forward(const Parameters& layer, size_t hidden, size_t inner, Bias bias) {
  Parameters p = layer.in("mlp");
  return {p.stacked({{"gate_proj", inner}, {"up_proj", inner}}, hidden, bias),
          p.linear("down_proj", hidden, inner, bias)};
}

tensor::AttentionOptions grouped_attention_of(const Config& config) {
  const size_t hidden = config.count("hidden_size");
  const size_t heads = config.count("num_attention_heads");
  const size_t head_dim = config.has("head_dim") ? config.count("head_dim", size_t{1} << 16)
                                                 : head_dim_of(config, hidden, heads, "num_attention_heads");
  tensor::AttentionOptions options = plain_attention(heads, head_dim);
  options.kv_heads = config.has("num_key_value_heads") ? config.count("num_key_value_heads") : heads;
  if (heads % options.kv_heads != 0) config.corrupted("num_key_value_heads", "a divisor of the attention heads");
  return options;
}

namespace {

Config rotary_parameters_of(const Config& config, std::string_view layer_type) {
  const Config parameters = config.object("rope_parameters");
  return parameters.has(layer_type) ? parameters.object(layer_type) : parameters;
}

}  // namespace

double rotary_base_of(const Config& config, std::string_view layer_type, std::string_view key, double fallback) {
  const Config parameters = rotary_parameters_of(config, layer_type);
  return parameters.has("rope_theta") ? parameters.positive("rope_theta") : config.positive(key, fallback);
}

std::vector<float> rotary_frequencies_of(const Config& config, size_t head_dim, double base) {
  std::vector<float> frequencies = tensor::rotary_frequencies(head_dim, base);
  const Config scaling =
      config.has("rope_parameters") ? rotary_parameters_of(config, kFullAttention) : config.object("rope_scaling");
  if (scaling.empty()) return frequencies;
  const char* key = scaling.has("rope_type") ? "rope_type" : "type";
  const std::string type = scaling.choice(key, "default", {"default", "linear", "llama3"});
  if (type == "linear") {
    const auto factor = static_cast<float>(scaling.positive("factor"));
    if (factor < 1) scaling.corrupted("factor", "1 or more");
    for (float& frequency : frequencies) frequency /= factor;
  } else if (type == "llama3") {
    const double factor = scaling.positive("factor");
    const double low = scaling.positive("low_freq_factor");
    const double high = scaling.positive("high_freq_factor");
    const auto trained = static_cast<double>(scaling.size("original_max_position_embeddings"));
    if (factor < 1) scaling.corrupted("factor", "1 or more");
    if (high <= low) scaling.corrupted("high_freq_factor", "more than low_freq_factor");
    for (float& frequency : frequencies) {
      const double wavelength = 2 * std::numbers::pi / static_cast<double>(frequency);
      if (wavelength < trained / high) continue;
      // Slow turns are slowed by the factor, those between smoothly less.
      const double smooth = wavelength > trained / low ? 0 : (trained / wavelength - low) / (high - low);
      frequency = static_cast<float>((1 - smooth) * static_cast<double>(frequency) / factor +
                                     smooth * static_cast<double>(frequency));
    }
  }
  return frequencies;
}

bool layer_slides(const Config& config, const std::vector<std::string>& layer_types, size_t i, bool otherwise) {
  if (layer_types.empty()) return otherwise;
  if (i >= layer_types.size()) config.corrupted("layer_types", "an entry for each layer");
  if (layer_types[i] == kSlidingAttention) return true;
  if (layer_types[i] == kFullAttention) return false;
  config.unsupported("layer_types", "full_attention and sliding_attention");
}

}  // namespace sextant::model
