// How a model's folder is read: modules, tokenizer, prompts, and the hash of all that decides a vector.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/files.h"
#include "base/hash.h"
#include "model/transformer_model.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

// "sentence_transformers.models.Pooling" -> "Pooling"
std::string kind_of(std::string_view type) { return std::string(type.substr(type.rfind('.') + 1)); }

// Where a module's files lie: what a file of the model names must lie inside the model.
fs::path inside(const fs::path& folder, const Config& module) {
  const fs::path path = module.text("path", "");
  const bool leaves = std::find(path.begin(), path.end(), "..") != path.end();
  if (path.is_absolute() || leaves) module.corrupted("path", "a folder inside the model's");
  return folder / path;
}

constexpr std::string_view kModules[] = {"Transformer", "MLMTransformer", "Pooling", "Dense",
                                         "Normalize",   "LayerNorm",      "Dropout", "SpladePooling"};

bool is_known(std::string_view kind) {
  return std::find(std::begin(kModules), std::end(kModules), kind) != std::end(kModules);
}

}  // namespace

TransformerModel::TransformerModel(const fs::path& folder, const std::string& name, const fs::path& weights,
                                   const LoadOptions& options)
    : folder_(folder), encoder_folder_(folder), name_(name.empty() ? folder.string() : name) {
  EncoderLoader loader = read_modules(weights, options);
  read_tokenizer();
  read_prompts();
  loader.choose(encoder_, PrecisionMeasure::cosine, [&] { return check_vectors(); });
  precision_ = loader.finish(origins_);
}

tensor::Matrix TransformerModel::check_vectors() const {
  TokenBatch batch;
  for (size_t t = 0; t < check_texts().size(); ++t) {
    std::vector<TokenId> ids;
    if (tokenizer_) ids = token_ids(check_texts()[t], {});
    // Without a tokenizer, or with one that knows none of it, ids from all over the vocabulary.
    for (size_t i = ids.size(); i < 2 + t; ++i) {
      ids.push_back(static_cast<TokenId>((i * 7919 + t * 104729) % encoder_->vocabulary_size));
    }
    if (encoder_->max_positions > 0 && ids.size() > encoder_->max_positions) ids.resize(encoder_->max_positions);
    batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
    batch.sequences.append(ids.size());
  }
  const tensor::Matrix hidden = hidden_states(batch);
  // What has no dense vectors is judged by the mean of its hidden states.
  return splade_ ? pool(PoolingMode::mean, hidden, batch.sequences)
                 : sentence_vectors(hidden, batch.sequences, {}, true);
}

EncoderLoader TransformerModel::read_modules(const fs::path& weights, const LoadOptions& options) {
  const fs::path modules_path = folder_ / "modules.json";
  std::vector<Config> list;
  ModelFiles files{{folder_}, weights};
  if (fs::exists(modules_path)) {
    list = Config::load_list(modules_path);
    for (const Config& module : list) {
      const std::string kind = kind_of(module.text("type"));
      files.folders.push_back(inside(folder_, module));
      if (kind == "Transformer" || kind == "MLMTransformer") encoder_folder_ = files.folders.back();
    }
  }
  EncoderLoader loader(std::move(files), "embedder", options);
  config_ = Config::load(encoder_folder_ / "config.json");
  weights_ = std::make_shared<const Weights>(Weights::load(weights.empty() ? encoder_folder_ : weights));
  const Parameters parameters(weights_);
  encoder_ = loader.read(config_, weights_);
  masked_lm_head_ = MaskedLmHead::load(config_, parameters, *encoder_);
  m3_heads_ = M3Heads::load(folder_, encoder_->hidden_size);
  strips_ = !m3_heads_;
  origins_ = origins_of(*encoder_, config_, *weights_);

  dim_ = encoder_->hidden_size;
  bool pooled = false;
  for (const Config& module : list) {
    const std::string type = module.text("type");
    const std::string kind = kind_of(type);
    const fs::path at = inside(folder_, module);
    if (kind == "Transformer" || kind == "MLMTransformer" || kind == "Dropout") continue;
    if (!is_known(kind)) {
      throw Error(ErrorCode::unsupported, fmt::format("{}: module '{}' is unknown; known are {}", modules_path.string(),
                                                      type, fmt::join(kModules, ", ")));
    }
    if (pooled == kind.ends_with("Pooling")) {
      // Layers on token vectors (late interaction), or a second pooling.
      module.unsupported("type", pooled ? "one Pooling" : "a Pooling before it");
    }
    if (kind == "Pooling") {
      const Config config = Config::load(at / "config.json");
      pooling_ = Pooling::of(config);
      dim_ = encoder_->hidden_size * pooling_.modes.size();
      pooled = true;
      std::vector<std::string_view> names;
      for (PoolingMode mode : pooling_.modes) names.push_back(model::name(mode));
      origins_.push_back(
          {"pooling",
           fmt::format("{}{}", fmt::join(names, " + "), pooling_.include_prompt ? "" : ", without the prompt"),
           config.source()});
    } else if (kind == "Dense") {
      const Config config = Config::load(at / "config.json");
      for (const char* key : {"module_input_name", "module_output_name"}) {
        config.choice(key, "sentence_embedding", {"sentence_embedding"});
      }
      const Parameters p(std::make_shared<const Weights>(Weights::load(at)));
      const size_t out = config.count("out_features");
      modules_.push_back(
          DenseModule{p.linear("linear", out, dim_, config.flag("bias", true) ? Bias::required : Bias::none),
                      tensor::parse_activation(config.text("activation_function", "Tanh"), config.source())});
      origins_.push_back({"dense layer", fmt::format("{} to {}", dim_, out), config.source()});
      dim_ = out;
    } else if (kind == "LayerNorm") {
      const Parameters p(std::make_shared<const Weights>(Weights::load(at)));
      modules_.push_back(LayerNormModule{p.layer_norm("norm", dim_, 1e-5)});
    } else if (kind == "Normalize") {
      modules_.push_back(NormalizeModule{});
      origins_.push_back({"normalised", "yes", modules_path.string()});
    } else if (kind == "SpladePooling") {
      splade_ = SpladePooling::of(Config::load(at / "config.json"));
      pooling_.modes = {PoolingMode::mean};  // of the hidden states, for those who ask for them
      if (!masked_lm_head_) {
        throw Error(
            ErrorCode::corrupted,
            fmt::format("{}: SPLADE needs a masked language model's head, and there is none", weights_->source()));
      }
      pooled = true;
    }
  }
  if (!pooled) {
    pooling_.modes = {encoder_->causal ? PoolingMode::last_token : PoolingMode::mean};
    origins_.push_back({"pooling", std::string(model::name(pooling_.modes[0])), "no module says otherwise"});
  }
  if (encoder_->architecture == "NV-Embed") {
    pooling_.modes = {PoolingMode::mean};
    pooling_.include_prompt = !config_.flag("is_mask_instruction", true);
    if (config_.object("latent_attention_config").flag("output_normalize", true)) modules_.push_back(NormalizeModule{});
    if (config_.flag("add_eos", true)) {
      const Config text = config_.object("text_config");
      const size_t id = text.size("eos_token_id", 2);
      if (id >= encoder_->vocabulary_size) text.corrupted("eos_token_id", "an entry of the vocabulary");
      appended_id_ = static_cast<TokenId>(id);
    }
  }
  return loader;
}

void TransformerModel::read_tokenizer() {
  try {
    tokenizer_.emplace(Tokenizer::load(encoder_folder_));
  } catch (const Error& e) {
    if (e.code() != ErrorCode::not_found) throw;
    tokenizer_problem_ = e.what();
  }
  max_length_ = encoder_->max_positions;
  auto limit = [&](double value, const std::string& file) {
    if (value >= kMaxLengthNone) return false;
    if (value < 1) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: the longest input is {}, expected 1 or more", file, value));
    }
    const auto length = static_cast<size_t>(value);
    if (max_length_ == 0 || length < max_length_) max_length_ = length;
    return true;
  };
  std::string from = config_.source();
  bool limited = false;
  for (const char* file :
       {"sentence_bert_config.json", "sentence_roberta_config.json", "sentence_distilbert_config.json",
        "sentence_camembert_config.json", "sentence_albert_config.json", "sentence_xlm-roberta_config.json",
        "sentence_xlnet_config.json"}) {
    const Config config = Config::load_if_there(encoder_folder_ / file);
    if (config.empty()) continue;
    lowercases_ = config.flag("do_lower_case", false);
    if (config.has("max_seq_length")) limited = limit(config.number("max_seq_length"), config.source());
    if (limited) from = config.source();
    break;
  }
  const Config tokenizer_config = Config::load_if_there(encoder_folder_ / "tokenizer_config.json");
  if (!limited && tokenizer_config.has("model_max_length") &&
      limit(tokenizer_config.number("model_max_length"), tokenizer_config.source())) {
    from = tokenizer_config.source();
  }
  origins_.push_back({"longest input", max_length_ > 0 ? fmt::format("{} tokens", max_length_) : "no limit", from});
  if (tokenizer_) {
    origins_.push_back({"tokenizer",
                        fmt::format("{}, {} entries", tokenizer_->model_name(), tokenizer_->vocabulary_size()),
                        encoder_folder_.string()});
  }
  if (m3_heads_ && tokenizer_) {
    const Config special = Config::load_if_there(encoder_folder_ / "special_tokens_map.json");
    for (const char* key : {"cls_token", "eos_token", "pad_token", "unk_token"}) {
      for (const Config* config : {&special, &tokenizer_config}) {
        if (!config->has(key)) continue;
        const std::string token = config->is_text(key) ? config->text(key) : config->object(key).text("content");
        if (auto id = tokenizer_->token_to_id(token)) structural_ids_.push_back(*id);
        break;
      }
    }
  }
}

void TransformerModel::read_prompts() {
  const Config config = Config::load_if_there(folder_ / "config_sentence_transformers.json");
  if (config.has("similarity_fn_name")) {
    similarity_ =
        parse_metric(config.choice("similarity_fn_name", "cosine", {"cosine", "dot", "euclidean", "manhattan"}));
    origins_.push_back({"similarity", std::string(sextant::name(similarity_)), config.source()});
  }
  const Config prompts = config.object("prompts");
  for (const std::string& key : prompts.keys()) prompts_.emplace_back(key, prompts.text(key, ""));
  const std::string chosen = config.text("default_prompt_name", "");
  if (!chosen.empty()) {
    auto at =
        std::find_if(prompts_.begin(), prompts_.end(), [&](const auto& prompt) { return prompt.first == chosen; });
    if (at == prompts_.end()) config.corrupted("default_prompt_name", "one of the prompts");
    default_prompt_ = at->second;
  }
}

const Tokenizer& TransformerModel::tokenizer() const {
  if (!tokenizer_) throw Error(ErrorCode::not_found, tokenizer_problem_);
  return *tokenizer_;
}

const std::string& TransformerModel::hash() const {
  std::call_once(hashed_, [&] {
    std::string parts;
    for (const auto& [name, tensor] : weights_->tensors()) {
      parts += name + base::hash128_hex(base::text_of(tensor.bytes));
    }
    auto is_module_weight = [&](const fs::path& path) {
      const std::string ending = path.extension().string();
      const std::string stem = path.stem().string();
      if (stem == "sparse_linear" || stem == "colbert_linear") return true;  // BGE-M3's heads
      return (ending == ".safetensors" || ending == ".bin") && fs::exists(path.parent_path() / "config.json") &&
             !fs::equivalent(path.parent_path(), encoder_folder_);
    };
    // Everything else that decides a vector is small; paths are left out, so that a copy has the same hash.
    std::map<std::string, fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      const std::string file = entry.path().lexically_relative(folder_).string();
      if (entry.is_regular_file() && (file.ends_with(".json") || file.ends_with(".txt") || file.ends_with(".model") ||
                                      is_module_weight(entry.path()))) {
        files[file] = entry.path();
      }
    }
    for (const auto& [file, path] : files) parts += file + base::hash128_hex(base::read_file(path));
    hash_ = base::hash128_hex(parts);
  });
  return hash_;
}

}  // namespace sextant::model
