// BERT (Devlin et al. 2018) and those that differ in little: RoBERTa, XLM-RoBERTa, CamemBERT (positions counted from
// the padding id, tokens without types), ELECTRA (embeddings of their own width). MiniLM, BGE, E5, GTE v1, LaBSE,
// BioBERT and StarEncoder are BERTs.
//
// word + position + type -> norm; each layer: attention, add, norm, feed-forward, add, norm.
#include <fmt/format.h>

#include "model/architectures/architectures.h"

namespace sextant::model {
namespace {

constexpr PostNormNames kBertNames = {
    "attention.self.query",       "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense",         "output.LayerNorm"};

class Bert : public Encoder {
 public:
  Bert(const Config& config, const Parameters& all) {
    const std::string type = config.text("model_type");
    roberta_ = type == "roberta" || type == "xlm-roberta" || type == "camembert";
    architecture = type == "electra" ? "ELECTRA" : type == "bert" ? "BERT" : roberta_ ? "RoBERTa" : type;
    config.choice("position_embedding_type", "absolute", {"absolute"});
    if (config.flag("is_decoder", false)) config.unsupported("is_decoder", "false");
    Parameters p = all.in_first_of({"", "bert", "roberta", "electra"}, "embeddings.word_embeddings.weight");

    hidden_size = config.count("hidden_size");
    layer_count = config.count("num_hidden_layers", 1000);
    vocabulary_size = config.count("vocab_size");
    type_count = config.count("type_vocab_size");
    const size_t width = config.has("embedding_size") ? config.count("embedding_size") : hidden_size;
    const size_t heads = config.count("num_attention_heads");
    const size_t inner = config.count("intermediate_size");
    const size_t positions = config.count("max_position_embeddings");
    const double epsilon = config.positive("layer_norm_eps", 1e-12);
    const auto activation = tensor::parse_activation(config.text("hidden_act", "gelu"), config.source());
    options_ = plain_attention(heads, head_dim_of(config, hidden_size, heads, "num_attention_heads"));
    if (roberta_) {
      const size_t pad_id = config.size("pad_token_id", 1);
      if (positions < 2 || pad_id > positions - 2) {
        config.corrupted("pad_token_id", fmt::format("one that leaves positions of the {} there are", positions));
      }
      pad_id_ = static_cast<TokenId>(pad_id);
      max_positions = positions - pad_id - 1;
    } else {
      max_positions = positions;
    }

    embeddings = p.table("embeddings.word_embeddings.weight", {vocabulary_size, width});
    positions_ = p.get("embeddings.position_embeddings.weight", {positions, width});
    types_ = p.get("embeddings.token_type_embeddings.weight", {type_count, width});
    embedding_norm_ = p.layer_norm("embeddings.LayerNorm", width, epsilon);
    if (width != hidden_size) projection_ = p.linear("embeddings_project", hidden_size, width);
    for (size_t i = 0; i < layer_count; ++i) {
      Parameters l = p.in(fmt::format("encoder.layer.{}", i));
      layers_.push_back(read_post_norm_layer(l, kBertNames, hidden_size, inner, epsilon, activation));
    }
    if (p.has("pooler.dense.weight")) pooler = Pooler{p.linear("pooler.dense", hidden_size, hidden_size)};
  }

  tensor::Matrix encode(const TokenBatch& batch, tensor::Context& context) const override {
    tensor::Matrix x = tensor::gather(embeddings, batch.ids, context);
    add_types(x, types_, batch, context);
    if (roberta_) {
      add_positions_after_padding(x, positions_, batch, pad_id_, context);
    } else {
      add_positions(x, positions_, batch.sequences, 0, context);
    }
    embedding_norm_(x, context);
    if (!projection_.empty()) x = projection_(x, context);
    for (const PostNormLayer& layer : layers_) {
      layer(x, batch.sequences, options_, context);
    }
    return x;
  }

 private:
  bool roberta_ = false;
  TokenId pad_id_ = 0;
  tensor::Parameter positions_, types_;
  tensor::LayerNorm embedding_norm_;
  tensor::Linear projection_;
  tensor::AttentionOptions options_;
  std::vector<PostNormLayer> layers_;
};

}  // namespace

std::unique_ptr<Encoder> load_bert(const Config& config, const Parameters& parameters) {
  return std::make_unique<Bert>(config, parameters);
}

}  // namespace sextant::model
