// GTE v1.5 and mGTE (Zhang et al. 2024, "new-impl"): BERT with rotary positions, fused query, key and value, and a
// gated feed-forward whose second half opens the gate.
#include <fmt/format.h>

#include <cmath>

#include "model/architectures/architectures.h"

namespace sextant::model {
namespace {

struct GteNewLayer {
  tensor::Linear qkv, attention_output;
  tensor::LayerNorm attention_norm;
  tensor::Linear gated, down;
  tensor::LayerNorm output_norm;
};

// Rotary frequencies under "rope_scaling": NTK by a fixed factor, or the mixed base where "mixed_b" is given
// (https://kexue.fm/archives/9706).
std::vector<float> frequencies_of(const Config& config, size_t head_dim) {
  const double base = config.positive("rope_theta", 10000.0);
  const Config scaling = config.object("rope_scaling");
  if (scaling.empty()) return tensor::rotary_frequencies(head_dim, base);
  scaling.choice("type", "", {"ntk"});
  const double factor = scaling.positive("factor");
  if (factor < 1) scaling.corrupted("factor", "1 or more");
  const auto dim = static_cast<double>(head_dim);
  std::vector<float> frequencies = tensor::rotary_frequencies(head_dim, scaling.has("mixed_b") ? base : base * factor);
  if (factor == 1) return frequencies;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    if (scaling.has("mixed_b")) {
      const double b = scaling.positive("mixed_b");
      if (b > 8) scaling.corrupted("mixed_b", "at most 8");
      const double a = std::log(factor) / std::pow(dim / 2, b);
      frequencies[i] /= static_cast<float>(std::exp(a * std::pow(static_cast<double>(i + 1), b)));
    } else {
      frequencies[i] /= static_cast<float>(std::pow(factor, 2 / dim));
    }
  }
  return frequencies;
}

class GteNew : public Encoder {
 public:
  GteNew(const Config& config, const Parameters& all) {
    architecture = "GTE new";
    Parameters p = all.in_first_of({"", "new"}, "embeddings.word_embeddings.weight");
    config.choice("position_embedding_type", "rope", {"rope"});
    config.choice("layer_norm_type", "layer_norm", {"layer_norm"});
    if (config.flag("logn_attention_scale", false)) config.unsupported("logn_attention_scale", "false");
    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    type_count = config.size("type_vocab_size", 0);
    max_positions = config.count("max_position_embeddings");
    const Config scaling = config.object("rope_scaling");
    const size_t heads = config.count("num_attention_heads");
    const size_t inner = config.count("intermediate_size");
    const double epsilon = config.positive("layer_norm_eps", 1e-12);
    activation_ = tensor::parse_activation(config.text("hidden_act", "gelu"), config.source());
    const size_t head_dim = head_dim_of(config, hidden_size, heads, "num_attention_heads");
    options_ = plain_attention(heads, head_dim);
    rotary_ = tensor::Rotary(frequencies_of(config, head_dim));
    // The table of angles reaches factor times as far as the config says.
    if (!scaling.empty()) {
      constexpr double kPositionsMax = 1 << 30;
      max_positions =
          static_cast<size_t>(std::min(kPositionsMax, static_cast<double>(max_positions) * scaling.positive("factor")));
    }

    embeddings = p.table("embeddings.word_embeddings.weight", {vocabulary_size, hidden_size});
    if (type_count > 0) types_ = p.get("embeddings.token_type_embeddings.weight", {type_count, hidden_size});
    embedding_norm_ = p.layer_norm("embeddings.LayerNorm", hidden_size, epsilon);
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("encoder.layer.{}", i));
      layers_.push_back({l.linear("attention.qkv_proj", 3 * hidden_size, hidden_size),
                         l.linear("attention.o_proj", hidden_size, hidden_size),
                         l.layer_norm("attn_ln", hidden_size, epsilon),
                         l.linear("mlp.up_gate_proj", 2 * inner, hidden_size, Bias::optional),
                         l.linear("mlp.down_proj", hidden_size, inner), l.layer_norm("mlp_ln", hidden_size, epsilon)});
    }
    if (p.has("pooler.dense.weight")) pooler = Pooler{p.linear("pooler.dense", hidden_size, hidden_size)};
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    const tensor::Sequences& sequences = batch.sequences;
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    if (type_count > 0) add_types(x, types_, batch, context);
    embedding_norm_(x, context);
    for (const GteNewLayer& layer : layers_) {
      tensor::Matrix qkv = layer.qkv(x, context);
      rotary_(qkv, 0, 2 * options_.heads, options_.head_dim, sequences, context);
      x = layer.attention_output(fused_attention(qkv, sequences, options_, context), context, {.residual = &x});
      layer.attention_norm(x, context);
      tensor::Matrix inner = tensor::gated(layer.gated(x, context), activation_, tensor::GateHalf::second, context);
      x = layer.down(inner, context, {.residual = &x});
      layer.output_norm(x, context);
    }
    return x;
  }

 private:
  tensor::Parameter types_;
  tensor::LayerNorm embedding_norm_;
  tensor::Activation activation_;
  tensor::AttentionOptions options_;
  tensor::Rotary rotary_;
  std::vector<GteNewLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_gte_new(const Config& config, const Parameters& parameters) {
  return std::make_unique<GteNew>(config, parameters);
}

}  // namespace sextant::model
