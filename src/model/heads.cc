#include "model/heads.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "simd/kernels.h"

namespace sextant::model {

std::optional<MaskedLmHead> MaskedLmHead::load(const Config& config, const Parameters& all, const Encoder& encoder) {
  const size_t width = encoder.embeddings.shape[1];
  const size_t vocabulary = encoder.embeddings.shape[0];
  const size_t hidden = encoder.hidden_size;
  const double epsilon = config.positive("layer_norm_eps", 1e-12);
  // NAME.weight where it is there, else the embeddings; the bias under either name.
  auto decoder = [&](const Parameters& p, const std::string& name, std::string_view other_bias) {
    tensor::Table weight =
        p.has(name + ".weight") ? p.table(name + ".weight", {vocabulary, width}) : encoder.embeddings;
    tensor::Parameter bias;
    if (p.has(name + ".bias")) {
      bias = p.get(name + ".bias", {vocabulary});
    } else if (p.has(other_bias)) {
      bias = p.get(other_bias, {vocabulary});
    }
    return tensor::Linear(std::move(weight), std::move(bias));
  };
  MaskedLmHead head;
  if (all.has("cls.predictions.transform.dense.weight")) {  // BERT, MPNet's and GTE's name for it is lm_head
    Parameters p = all.in("cls.predictions");
    head.transform_ = p.linear("transform.dense", width, hidden);
    head.activation_ = tensor::parse_activation(config.text("hidden_act", "gelu"), config.source());
    head.norm_ = p.layer_norm("transform.LayerNorm", width, epsilon);
    head.decoder_ = decoder(p, "decoder", "bias");
  } else if (all.has("vocab_transform.weight")) {  // DistilBERT
    head.transform_ = all.linear("vocab_transform", width, hidden);
    head.activation_ = tensor::parse_activation(config.text("activation", "gelu"), config.source());
    head.norm_ = all.layer_norm("vocab_layer_norm", width, 1e-12);
    head.decoder_ = decoder(all, "vocab_projector", "vocab_projector.bias");
  } else if (all.has("lm_head.dense.weight")) {  // RoBERTa and its kin
    Parameters p = all.in("lm_head");
    head.transform_ = p.linear("dense", width, hidden);
    head.norm_ = p.layer_norm(p.has("norm.weight") ? "norm" : "layer_norm", width, epsilon);  // GTE: norm
    head.decoder_ = decoder(p, "decoder", "bias");
  } else if (all.has("head.dense.weight") && (all.has("decoder.bias") || all.has("decoder.weight"))) {  // ModernBERT
    head.transform_ = all.linear("head.dense", width, hidden, Bias::optional);
    head.activation_ = tensor::parse_activation(config.text("classifier_activation", "gelu"), config.source());
    head.norm_ = all.layer_norm("head.norm", width, config.positive("norm_eps", 1e-5), Bias::optional);
    head.decoder_ = decoder(all, "decoder", "decoder.bias");
  } else {
    return std::nullopt;
  }
  return head;
}

tensor::Matrix MaskedLmHead::operator()(const tensor::Matrix& hidden, tensor::Context& context) const {
  tensor::Matrix x = transform_(hidden, context);
  tensor::activate(activation_, x.values());
  norm_(x, context);
  return decoder_(x, context);
}

SpladePooling SpladePooling::of(const Config& config) {
  SpladePooling pooling;
  pooling.sum = config.choice("pooling_strategy", "max", {"max", "sum"}) == "sum";
  pooling.log_twice = config.choice("activation_function", "relu", {"relu", "log1p_relu"}) == "log1p_relu";
  return pooling;
}

std::vector<float> SpladePooling::operator()(const tensor::Matrix& logits) const {
  std::vector<float> weights(logits.columns(), 0.0f);
  for (size_t i = 0; i < logits.rows(); ++i) {
    const float* row = logits.row(i);
    for (size_t c = 0; c < weights.size(); ++c) {
      float weight = row[c] > 0 ? std::log1p(row[c]) : 0.0f;
      if (log_twice) weight = std::log1p(weight);
      weights[c] = sum ? weights[c] + weight : std::max(weights[c], weight);
    }
  }
  return weights;
}

std::optional<ClassificationHead> ClassificationHead::load(const Config& config, const Parameters& all,
                                                           const Encoder& encoder) {
  const std::string type = config.text("model_type");
  const size_t hidden = encoder.hidden_size;
  ClassificationHead head;
  if (all.has("classifier.out_proj.weight")) {  // RoBERTa, MPNet: tanh; ELECTRA: gelu
    head.dense_ = all.linear("classifier.dense", hidden, hidden);
    head.activation_ = type == "electra" ? tensor::Activation::gelu : tensor::Activation::tanh;
    head.output_ = all.linear("classifier.out_proj", Parameters::kAny, hidden);
    return head;
  }
  if (!all.has("classifier.weight")) return std::nullopt;
  head.output_ = all.linear("classifier", Parameters::kAny, hidden);
  if (type == "distilbert") {
    head.dense_ = all.linear("pre_classifier", hidden, hidden);
    head.activation_ = tensor::Activation::relu;
  } else if (type == "deberta-v2") {
    head.dense_ = all.linear("pooler.dense", hidden, hidden);
    head.activation_ = tensor::parse_activation(config.text("pooler_hidden_act", "gelu"), config.source());
  } else if (type == "modernbert") {
    const std::string pooling = config.choice("classifier_pooling", "cls", {"cls", "mean"});
    head.pooling_ = pooling == "mean" ? PoolingMode::mean : PoolingMode::cls;
    head.dense_ = all.linear("head.dense", hidden, hidden, Bias::optional);
    head.activation_ = tensor::parse_activation(config.text("classifier_activation", "gelu"), config.source());
    head.norm_ = all.layer_norm("head.norm", hidden, config.positive("norm_eps", 1e-5), Bias::optional);
  } else if (encoder.pooler) {
    head.dense_ = encoder.pooler->dense;
    head.activation_ = encoder.pooler->activation;
  } else {
    config.unsupported("model_type", "a model whose classifier is known, or one with a pooler");
  }
  return head;
}

tensor::Matrix ClassificationHead::operator()(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                                              tensor::Context& context) const {
  tensor::Matrix x = pool(pooling_, hidden, sequences);
  if (!dense_.empty()) x = dense_(x, context);
  tensor::activate(activation_, x.values());
  if (!norm_.empty()) norm_(x, context);
  return output_(x, context);
}

std::optional<M3Heads> M3Heads::load(const std::filesystem::path& folder, size_t hidden_size) {
  auto find = [&](const std::string& stem) -> std::filesystem::path {
    for (const char* ending : {".safetensors", ".pt"}) {
      if (std::filesystem::exists(folder / (stem + ending))) return folder / (stem + ending);
    }
    return {};
  };
  auto linear = [&](const std::string& stem, size_t out) {
    const std::filesystem::path path = find(stem);
    if (path.empty()) return tensor::Linear();
    Parameters p(std::make_shared<const Weights>(Weights::load(path)));
    tensor::Parameter weight = p.get("weight", {out, hidden_size});
    tensor::Parameter bias = p.get("bias", {weight.shape[0]});
    return tensor::Linear(std::move(weight), std::move(bias));
  };
  M3Heads heads{linear("sparse_linear", 1), linear("colbert_linear", Parameters::kAny)};
  if (heads.sparse.empty() && heads.colbert.empty()) return std::nullopt;
  return heads;
}

tensor::Matrix M3Heads::token_weights(const tensor::Matrix& hidden, tensor::Context& context) const {
  tensor::Matrix weights = sparse(hidden, context);
  tensor::activate(tensor::Activation::relu, weights.values());
  return weights;
}

SparseVector M3Heads::lexical_weights(std::span<const TokenId> ids, const tensor::Matrix& weights, size_t first,
                                      std::span<const TokenId> structural) {
  std::map<TokenId, float> best;
  for (size_t i = 0; i < ids.size(); ++i) {
    const float weight = weights.row(first + i)[0];
    if (weight <= 0 || std::find(structural.begin(), structural.end(), ids[i]) != structural.end()) continue;
    best[ids[i]] = std::max(best[ids[i]], weight);
  }
  SparseVector sparse;
  for (const auto& [id, weight] : best) {
    sparse.ids.push_back(id);
    sparse.weights.push_back(weight);
  }
  return sparse;
}

tensor::Matrix M3Heads::token_vectors(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                                      tensor::Context& context) const {
  tensor::Matrix all = colbert(hidden, context);
  size_t rows = 0;
  for (size_t s = 0; s < sequences.count(); ++s) rows += std::max<size_t>(1, sequences.length(s)) - 1;
  tensor::Matrix vectors(rows, all.columns());
  size_t at = 0;
  for (size_t s = 0; s < sequences.count(); ++s) {
    for (size_t i = 1; i < sequences.length(s); ++i, ++at) {
      std::memcpy(vectors.row(at), all.row(sequences.begin(s) + i), all.columns() * sizeof(float));
      simd::kernels().normalize_f32(vectors.row(at), all.columns());
    }
  }
  return vectors;
}

}  // namespace sextant::model
