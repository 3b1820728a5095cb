// NomicBERT (Nussbaum et al. 2024): BERT with rotary positions, a gated feed-forward and few biases.
//
// Beyond the trained length the rotary base grows with the length (dynamic NTK), where the config gives a factor.
#include <fmt/format.h>

#include <cmath>

#include "model/architectures/architectures.h"

namespace sextant::model {
namespace {

struct NomicBertLayer {
  tensor::Linear qkv, attention_output;
  tensor::LayerNorm attention_norm;
  tensor::Linear gated, down;  // up and gate as one
  tensor::LayerNorm output_norm;
};

class NomicBert : public Encoder {
 public:
  NomicBert(const Config& config, const Parameters& all) {
    architecture = "NomicBERT";
    norm_before_cut = true;
    Parameters p = all.in_first_of({"", "bert"}, "embeddings.word_embeddings.weight");
    // What the family's configs may say and no published model does.
    if (config.flag("prenorm", false)) config.unsupported("prenorm", "false");
    if (config.flag("parallel_block", false)) config.unsupported("parallel_block", "false");
    if (config.flag("use_rms_norm", false)) config.unsupported("use_rms_norm", "false");
    if (config.flag("causal", false)) config.unsupported("causal", "false");
    if (config.has("rotary_emb_scale_base")) config.unsupported("rotary_emb_scale_base", "null");
    if (config.flag("scale_attn_by_inverse_layer_idx", false)) {
      config.unsupported("scale_attn_by_inverse_layer_idx", "false");
    }
    hidden_size = config.count("n_embd");
    layer_count = config.count("n_layer", 1000);
    type_count = config.size("type_vocab_size", 0);
    max_positions = config.count("n_positions");
    trained_positions_ = config.has("max_trained_positions") ? config.count("max_trained_positions") : max_positions;
    const size_t heads = config.count("n_head");
    const size_t inner = config.count("n_inner");
    const double epsilon = config.positive("layer_norm_epsilon", 1e-12);
    const std::string activation = config.choice("activation_function", "swiglu", {"swiglu", "geglu", "glu"});
    activation_ = activation == "swiglu"  ? tensor::Activation::silu
                  : activation == "geglu" ? tensor::Activation::gelu
                                          : tensor::Activation::sigmoid;
    const size_t head_dim = head_dim_of(config, hidden_size, heads, "n_head");
    options_ = plain_attention(heads, head_dim);
    const double fraction = config.positive("rotary_emb_fraction", 1.0);
    if (fraction > 1) config.corrupted("rotary_emb_fraction", "above 0, at most 1");
    rotary_dim_ = static_cast<size_t>(static_cast<double>(head_dim) * fraction);
    rotary_base_ = config.positive("rotary_emb_base", 10000.0);
    rotary_factor_ = config.positive("rotary_scaling_factor", 0.0);
    interleaved_ = config.flag("rotary_emb_interleaved", false);
    rotary_ = tensor::Rotary(tensor::rotary_frequencies(rotary_dim_, rotary_base_), interleaved_);
    const Bias qkv_bias = config.flag("qkv_proj_bias", true) ? Bias::required : Bias::none;

    // The table is padded to a multiple of 64 rows; the config's vocabulary may be the padded one or not.
    embeddings = p.table("embeddings.word_embeddings.weight", {Parameters::kAny, hidden_size});
    vocabulary_size = embeddings.shape[0];
    if (config.size("vocab_size", 0) > vocabulary_size) {
      config.corrupted("vocab_size", fmt::format("at most the {} rows of the embeddings", vocabulary_size));
    }
    if (type_count > 0) types_ = p.get("embeddings.token_type_embeddings.weight", {type_count, hidden_size});
    embedding_norm_ = p.layer_norm("emb_ln", hidden_size, epsilon);
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("encoder.layers.{}", i));
      layers_.push_back(
          {l.linear("attn.Wqkv", 3 * hidden_size, hidden_size, qkv_bias),
           l.linear("attn.out_proj", hidden_size, hidden_size, qkv_bias), l.layer_norm("norm1", hidden_size, epsilon),
           l.stacked({{"mlp.fc11", inner}, {"mlp.fc12", inner}}, hidden_size, Bias::optional),
           l.linear("mlp.fc2", hidden_size, inner, Bias::optional), l.layer_norm("norm2", hidden_size, epsilon)});
    }
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    const tensor::Sequences& sequences = batch.sequences;
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    if (type_count > 0) add_types(x, types_, batch, context);
    embedding_norm_(x, context);
    for (const NomicBertLayer& layer : layers_) {
      tensor::Matrix qkv = layer.qkv(x, context);
      turn(qkv, sequences, context);
      x = layer.attention_output(fused_attention(qkv, sequences, options_, context), context, {.residual = &x});
      layer.attention_norm(x, context);
      const tensor::Matrix inner =
          tensor::gated(layer.gated(x, context), activation_, tensor::GateHalf::second, context);
      x = layer.down(inner, context, {.residual = &x});
      layer.output_norm(x, context);
    }
    return x;
  }

 private:
  // Each sequence's own length decides its base, so that its vector does not hang on its neighbours.
  void turn(tensor::Matrix& qkv, const tensor::Sequences& sequences, tensor::Context& context) const {
    if (rotary_factor_ == 0 || sequences.longest() <= trained_positions_) {
      rotary_(qkv, 0, 2 * options_.heads, options_.head_dim, sequences, context);
      return;
    }
    for (size_t s = 0; s < sequences.count(); ++s) {
      const size_t length = sequences.length(s);
      double base = rotary_base_;
      if (length > trained_positions_ && rotary_dim_ > 2) {
        const double grown = rotary_factor_ * static_cast<double>(length) / static_cast<double>(trained_positions_) -
                             (rotary_factor_ - 1);
        const auto dim = static_cast<double>(rotary_dim_);
        base *= std::pow(grown, dim / (dim - 2));
      }
      tensor::Sequences one;
      one.starts = {sequences.begin(s), sequences.begin(s) + length};
      tensor::Rotary(tensor::rotary_frequencies(rotary_dim_, base), interleaved_)(qkv, 0, 2 * options_.heads,
                                                                                  options_.head_dim, one, context);
    }
  }

  size_t trained_positions_;
  size_t rotary_dim_;
  double rotary_base_, rotary_factor_;
  bool interleaved_;
  tensor::Rotary rotary_;  // up to the trained length
  tensor::Parameter types_;
  tensor::LayerNorm embedding_norm_;
  tensor::Activation activation_;
  tensor::AttentionOptions options_;
  std::vector<NomicBertLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_nomic_bert(const Config& config, const Parameters& parameters) {
  return std::make_unique<NomicBert>(config, parameters);
}

}  // namespace sextant::model
