#include "model/transformer_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "base/files.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "text/unicode.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

// Rows computed at once: enough for full matrix tiles, little enough for the activations to stay near the processor.
constexpr size_t kPackRows = 4096;
// tokenizer_config.json says 1e30 where there is no limit.
constexpr double kNoLimit = 1e9;

// What Python's str.strip removes.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view strip(std::string_view text) {
  size_t begin = text.size();
  size_t end = 0;
  for (size_t position = 0; position < text.size();) {
    const size_t start = position;
    if (is_python_space(base::decode_utf8(text, position))) continue;
    begin = std::min(begin, start);
    end = position;
  }
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

// ORIGINS, where wanted: for each byte of the result, and for its end, the place in TEXT that it comes from.
std::string lower(std::string_view text, std::vector<uint32_t>* origins = nullptr) {
  std::string out;
  for (size_t position = 0; position < text.size();) {
    const auto from = static_cast<uint32_t>(position);
    char32_t lowered[2];
    const int count = text::lower_case(base::decode_utf8(text, position), lowered);
    for (int i = 0; i < count; ++i) base::append_utf8(out, lowered[i]);
    if (origins != nullptr) origins->resize(out.size(), from);
  }
  if (origins != nullptr) origins->push_back(static_cast<uint32_t>(text.size()));
  return out;
}

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

void normalize_rows(tensor::Matrix& x) {
  for (size_t i = 0; i < x.rows(); ++i) simd::kernels().normalize_f32(x.row(i), x.columns());
}

}  // namespace

// A text on its way: its tokens, and what happened to it.
struct TransformerModel::Item {
  std::vector<TokenId> ids;
  size_t skipped = 0;  // first tokens that the pooling leaves out
  size_t tokens_dropped = 0;
  size_t unknown_count = 0;
};

TransformerModel::TransformerModel(const fs::path& folder, const std::string& name)
    : folder_(folder), encoder_folder_(folder), name_(name.empty() ? folder.string() : name) {
  read_modules();
  read_tokenizer();
  read_prompts();
}

void TransformerModel::read_modules() {
  const fs::path modules_path = folder_ / "modules.json";
  std::vector<Config> list;
  if (fs::exists(modules_path)) {
    list = Config::load_list(modules_path);
    for (const Config& module : list) {
      const std::string kind = kind_of(module.text("type"));
      if (kind == "Transformer" || kind == "MLMTransformer") encoder_folder_ = inside(folder_, module);
    }
  }
  config_ = Config::load(encoder_folder_ / "config.json");
  weights_ = std::make_shared<const Weights>(Weights::load(encoder_folder_));
  const Parameters parameters(weights_);
  encoder_ = load_encoder(config_, parameters);
  masked_lm_head_ = MaskedLmHead::load(config_, parameters, *encoder_);
  m3_heads_ = M3Heads::load(folder_, encoder_->hidden_size);
  strips_ = !m3_heads_;
  origins_.push_back({"architecture",
                      fmt::format("{}, {} layers, hidden size {}", encoder_->architecture, encoder_->layer_count,
                                  encoder_->hidden_size),
                      config_.source()});
  origins_.push_back({"parameters", fmt::format("{}", parameter_count()), weights_->source()});

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
    if (value >= kNoLimit) return false;
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

uint64_t TransformerModel::parameter_count() const {
  uint64_t count = 0;
  for (const auto& [name, tensor] : weights_->tensors()) count += tensor.element_count();
  return count;
}

uint64_t TransformerModel::parameter_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : weights_->tensors()) bytes += tensor.bytes.size();
  return bytes;
}

const std::string& TransformerModel::hash() const {
  std::call_once(hashed_, [&] {
    std::string parts;
    for (const auto& [name, tensor] : weights_->tensors()) {
      parts += name + base::hash128_hex({reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()});
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

size_t TransformerModel::prompt_token_count(const std::string& prompt) const {
  std::vector<TokenId> ids;
  std::string_view used = prompt;
  if (strips_) used = strip(used);
  std::string lowered;
  if (lowercases_) used = lowered = lower(used);
  tokenizer().encode_ids(used, {}, ids);
  // An end token that the template appends does not belong to the prompt. What the template adds in front does.
  std::vector<TokenId> empty;
  tokenizer().encode_ids("", {}, empty);
  if (!ids.empty() && !empty.empty() && ids.back() == empty.back() && ids.size() > 1) ids.pop_back();
  return ids.size();
}

// Tokens that the tokenizer may give; 0: no limit.
size_t TransformerModel::limit_of(const EmbedOptions& options) const {
  const size_t positions = encoder_->max_positions;
  size_t limit = options.max_length > 0 ? options.max_length : max_length_;
  if (positions > 0 && (limit == 0 || limit > positions)) limit = positions;
  if (!appended_id_ || limit == 0) return limit;
  if (limit == 1) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("max_length is 1, model {} needs 2 or more: it appends a token", name_));
  }
  return limit - 1;
}

TransformerModel::Item TransformerModel::prepare(std::string_view text, const EmbedOptions& options) const {
  const std::string& prompt = options.prompt.empty() ? default_prompt_ : options.prompt;
  std::string whole = prompt + std::string(text);
  std::string_view used = whole;
  if (strips_) used = strip(used);
  std::string lowered;
  if (lowercases_) used = lowered = lower(used);
  Item item;
  EncodeOptions encode;
  encode.max_length = limit_of(options);
  item.tokens_dropped = tokenizer().encode_ids(used, encode, item.ids);
  if (appended_id_) item.ids.push_back(*appended_id_);
  if (!pooling_.include_prompt && !prompt.empty()) item.skipped = prompt_token_count(prompt);
  if (auto unknown = tokenizer().unknown_id()) {
    item.unknown_count = static_cast<size_t>(std::count(item.ids.begin(), item.ids.end(), *unknown));
  }
  return item;
}

std::vector<TokenId> TransformerModel::token_ids(std::string_view text, const EmbedOptions& options) const {
  return prepare(text, options).ids;
}

tensor::Matrix TransformerModel::hidden_states(const TokenBatch& batch) const {
  base::ThreadPool pool(1);
  tensor::Context context{pool};
  return run_encoder(*encoder_, batch, context);
}

tensor::Matrix TransformerModel::sentence_vectors(const tensor::Matrix& hidden, const tensor::Sequences& sequences,
                                                  std::span<const size_t> skipped, std::optional<bool> normalize,
                                                  size_t cut) const {
  base::ThreadPool pool_of_one(1);
  tensor::Context context{pool_of_one};
  tensor::Matrix copy(hidden.rows(), hidden.columns());
  std::copy(hidden.values().begin(), hidden.values().end(), copy.values().begin());
  tensor::Matrix x = pool(pooling_, encoder_->refine(std::move(copy), sequences, context), sequences, skipped);
  // A Normalize at the end is left to the caller's wish, and follows the cut.
  bool normalized = false;
  for (const Module& module : modules_) {
    if (std::holds_alternative<NormalizeModule>(module)) {
      normalized = true;
      continue;
    }
    if (std::exchange(normalized, false)) normalize_rows(x);
    if (const auto* dense = std::get_if<DenseModule>(&module)) {
      x = dense->linear(x, context);
      tensor::activate(dense->activation, x.values());
    } else {
      std::get<LayerNormModule>(module).norm(x, context);
    }
  }
  if (cut > 0 && cut < x.columns()) {
    // Nomic's models were trained for a layer norm before the cut.
    if (encoder_->norm_before_cut) tensor::standardize(x, 1e-5f, context);
    tensor::Matrix shorter(x.rows(), cut);
    for (size_t i = 0; i < x.rows(); ++i) std::memcpy(shorter.row(i), x.row(i), cut * sizeof(float));
    x = std::move(shorter);
  }
  if (normalize.value_or(normalized)) normalize_rows(x);
  return x;
}

template <class Use>
void TransformerModel::for_packs(const std::vector<Item>& items, Use use) const {
  for (size_t first = 0; first < items.size();) {
    TokenBatch batch;
    size_t end = first;
    // A sequence longer than a pack has one of its own; items without tokens have no rows.
    while (end < items.size() && (end == first || batch.ids.size() + items[end].ids.size() <= kPackRows)) {
      batch.ids.insert(batch.ids.end(), items[end].ids.begin(), items[end].ids.end());
      batch.sequences.append(items[end].ids.size());
      ++end;
    }
    use(first, hidden_states(batch), batch.sequences);
    first = end;
  }
}

SparseVector TransformerModel::lexical_weights(std::span<const TokenId> ids, const tensor::Matrix& weights,
                                               size_t first) const {
  std::map<TokenId, float> best;
  for (size_t i = 0; i < ids.size(); ++i) {
    const float weight = weights.row(first + i)[0];
    const bool structural = std::find(structural_ids_.begin(), structural_ids_.end(), ids[i]) != structural_ids_.end();
    if (weight > 0 && !structural) best[ids[i]] = std::max(best[ids[i]], weight);
  }
  SparseVector sparse;
  for (const auto& [id, weight] : best) {
    sparse.ids.push_back(id);
    sparse.weights.push_back(weight);
  }
  return sparse;
}

OutputSet TransformerModel::outputs() const {
  OutputSet set;
  set.dense = !splade_;
  set.sparse = splade_.has_value() || (m3_heads_ && !m3_heads_->sparse.empty());
  set.multi = m3_heads_ && !m3_heads_->colbert.empty();
  return set;
}

void TransformerModel::embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
                             EmbedReport* report) const {
  const size_t dim = options.dim > 0 ? options.dim : dim_;
  if (out.size() != texts.size() * dim) {
    throw Error(ErrorCode::invalid_argument, fmt::format("output has {} floats, {} texts of {} components need {}",
                                                         out.size(), texts.size(), dim, texts.size() * dim));
  }
  Outputs outputs;
  embed_outputs(texts, options, {}, outputs, report);
  std::copy(outputs.dense.begin(), outputs.dense.end(), out.begin());
}

void TransformerModel::embed_outputs(std::span<const std::string_view> texts, const EmbedOptions& options,
                                     OutputSet wanted, Outputs& out, EmbedReport* report) const {
  const OutputSet able = outputs();
  auto require = [&](bool asked, bool has, std::string_view what) {
    if (asked && !has) throw Error(ErrorCode::unsupported, fmt::format("model {} gives no {} vectors", name_, what));
  };
  require(wanted.dense, able.dense, "dense");
  require(wanted.sparse, able.sparse, "sparse");
  require(wanted.multi, able.multi, "token");
  const size_t dim = options.dim > 0 ? options.dim : dim_;
  if (dim > dim_) throw Error(ErrorCode::invalid_argument, fmt::format("dim is {}, model {} has {}", dim, name_, dim_));

  std::vector<Item> items;
  for (size_t i = 0; i < texts.size(); ++i) {
    items.push_back(prepare(texts[i], options));
    const Item& item = items.back();
    if (report == nullptr) continue;
    report->token_count += item.ids.size();
    report->unknown_count += item.unknown_count;
    if (item.ids.size() <= item.skipped) report->empty.push_back(i);
    if (item.tokens_dropped > 0) report->truncated.push_back({i, item.tokens_dropped});
  }
  out.dense.assign(wanted.dense ? texts.size() * dim : 0, 0.0f);
  out.sparse.assign(wanted.sparse ? texts.size() : 0, {});
  out.multi.assign(wanted.multi ? texts.size() : 0, {});
  base::ThreadPool pool(1);
  tensor::Context context{pool};
  for_packs(items, [&](size_t first, const tensor::Matrix& hidden, const tensor::Sequences& sequences) {
    if (wanted.dense) {
      std::vector<size_t> skipped;
      for (size_t s = 0; s < sequences.count(); ++s) skipped.push_back(items[first + s].skipped);
      const tensor::Matrix vectors = sentence_vectors(hidden, sequences, skipped, options.normalize, dim);
      for (size_t s = 0; s < sequences.count(); ++s) {
        if (sequences.length(s) == 0) continue;
        std::memcpy(out.dense.data() + (first + s) * dim, vectors.row(s), dim * sizeof(float));
      }
    }
    if (wanted.sparse && splade_) {
      for (size_t s = 0; s < sequences.count(); ++s) {
        // A sequence at a time: a row of logits is as wide as the vocabulary.
        tensor::Matrix one(sequences.length(s), hidden.columns());
        std::copy_n(hidden.row(sequences.begin(s)), one.values().size(), one.data());
        const std::vector<float> weights = (*splade_)((*masked_lm_head_)(one, context));
        SparseVector& sparse = out.sparse[first + s];
        for (size_t id = 0; id < weights.size(); ++id) {
          if (weights[id] <= 0) continue;
          sparse.ids.push_back(static_cast<TokenId>(id));
          sparse.weights.push_back(weights[id]);
        }
      }
    } else if (wanted.sparse) {
      const tensor::Matrix weights = m3_heads_->token_weights(hidden, context);
      for (size_t s = 0; s < sequences.count(); ++s) {
        out.sparse[first + s] = lexical_weights(items[first + s].ids, weights, sequences.begin(s));
      }
    }
    if (wanted.multi) {
      const tensor::Matrix vectors = m3_heads_->token_vectors(hidden, sequences, context);
      size_t row = 0;
      for (size_t s = 0; s < sequences.count(); ++s) {
        const size_t count = std::max<size_t>(1, sequences.length(s)) - 1;
        TokenVectors& multi = out.multi[first + s];
        multi.dim = vectors.columns();
        multi.vectors.assign(vectors.row(row), vectors.row(row) + count * multi.dim);
        row += count;
        const std::vector<TokenId>& ids = items[first + s].ids;
        for (size_t i = 1; i < ids.size(); ++i) {
          multi.ids.push_back(ids[i]);
          multi.tokens.push_back(tokenizer().id_to_token(ids[i]));
        }
      }
    }
  });
}

TokenVectors TransformerModel::embed_tokens(std::string_view text, const EmbedOptions& options) const {
  const Item item = prepare(text, options);
  TokenBatch batch;
  batch.ids = item.ids;
  batch.sequences.append(item.ids.size());
  const tensor::Matrix hidden = hidden_states(batch);
  TokenVectors tokens;
  tokens.ids = item.ids;
  tokens.dim = hidden.columns();
  tokens.vectors.assign(hidden.values().begin(), hidden.values().end());
  for (TokenId id : item.ids) tokens.tokens.push_back(tokenizer().id_to_token(id));
  // Offsets refer to the text as given: the prompt lies before it, and what was stripped from its start as well.
  const std::string& prompt = options.prompt.empty() ? default_prompt_ : options.prompt;
  const std::string whole = prompt + std::string(text);
  const std::string_view used = strips_ ? strip(whole) : std::string_view(whole);
  const size_t stripped = used.empty() ? 0 : static_cast<size_t>(used.data() - whole.data());
  std::vector<uint32_t> origins;
  EncodeOptions encode;
  encode.max_length = limit_of(options);
  const Encoding encoding = tokenizer().encode(lowercases_ ? lower(used, &origins) : std::string(used), encode);
  for (size_t i = 0; i < std::min(encoding.offsets.size(), item.ids.size()); ++i) {
    const TokenOffset offset = encoding.offsets[i];
    const size_t begin = (lowercases_ ? origins[offset.begin] : offset.begin) + stripped;
    const size_t end = (lowercases_ ? origins[offset.end] : offset.end) + stripped;
    const bool special = encoding.special_mask[i] != 0 || begin < prompt.size();
    tokens.offsets.push_back(special ? TokenOffset{}
                                     : TokenOffset{static_cast<uint32_t>(begin - prompt.size()),
                                                   static_cast<uint32_t>(end - prompt.size())});
  }
  tokens.offsets.resize(item.ids.size());
  return tokens;
}

Explanation TransformerModel::explain(std::string_view text, const EmbedOptions& options) const {
  const TokenVectors tokens = embed_tokens(text, options);
  const Item item = prepare(text, options);
  Explanation explanation;
  const std::string& prompt = options.prompt.empty() ? default_prompt_ : options.prompt;
  explanation.normalized_text = tokenizer().normalize(prompt + std::string(text));
  const size_t counted = tokens.ids.size() - std::min(tokens.ids.size(), item.skipped);
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    const float* row = tokens.vectors.data() + i * tokens.dim;
    float weight = 0;
    switch (pooling_.modes[0]) {
      case PoolingMode::cls:
        weight = i == 0 ? 1.0f : 0.0f;
        break;
      case PoolingMode::last_token:
        weight = i + 1 == tokens.ids.size() ? 1.0f : 0.0f;
        break;
      case PoolingMode::weighted_mean: {
        // Weights 1, 2, 3 ... of the positions, the skipped ones included.
        const size_t n = tokens.ids.size();
        const size_t skipped = n - counted;
        const double total = (static_cast<double>(n) * static_cast<double>(n + 1) -
                              static_cast<double>(skipped) * static_cast<double>(skipped + 1)) /
                             2;
        weight = i < skipped ? 0.0f : static_cast<float>(static_cast<double>(i + 1) / total);
        break;
      }
      default:
        weight = i < item.skipped || counted == 0 ? 0.0f : 1.0f / static_cast<float>(counted);
    }
    const float norm = std::sqrt(simd::kernels().dot_f32(row, row, tokens.dim));
    explanation.tokens.push_back(
        {tokens.ids[i], tokens.tokens[i], weight, norm, tokens.ids[i] != tokenizer().unknown_id()});
  }
  std::vector<std::string_view> names;
  for (PoolingMode mode : pooling_.modes) names.push_back(model::name(mode));
  explanation.pooling = fmt::format("{} of the last hidden states", fmt::join(names, " + "));
  const size_t dim = options.dim > 0 ? std::min(options.dim, dim_) : dim_;
  EmbedOptions raw = options;
  raw.normalize = false;
  explanation.vector.resize(dim);
  embed(std::span(&text, 1), raw, explanation.vector, nullptr);
  explanation.norm_before =
      std::sqrt(simd::kernels().dot_f32(explanation.vector.data(), explanation.vector.data(), dim));
  embed(std::span(&text, 1), options, explanation.vector, nullptr);
  return explanation;
}

}  // namespace sextant::model
