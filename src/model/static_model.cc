#include "model/static_model.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "base/utf8.h"
#include "model/config.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::model {
namespace {

// model2vec's encode() default.
constexpr size_t kModel2VecTokensMax = 512;

struct Json {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  bool present = false;
};

void parse_config(std::string_view text, const std::string& source, Json& config) {
  if (text.empty()) return;
  if (auto error = config.parser.parse(text.data(), text.size()).get(config.root)) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: not valid JSON: {}", source, simdjson::error_message(error)));
  }
  config.present = true;
}

size_t median_token_length(const Tokenizer& tokenizer) {
  std::vector<size_t> lengths;
  for (size_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
    std::string token = tokenizer.id_to_token(static_cast<TokenId>(id));
    if (!token.empty()) lengths.push_back(base::count_code_points(token));
  }
  if (lengths.empty()) return 1;
  std::sort(lengths.begin(), lengths.end());
  size_t middle = lengths.size() / 2;
  // int(numpy.median(...)): the mean of the two middle ones, rounded down.
  return lengths.size() % 2 == 1 ? lengths[middle] : (lengths[middle - 1] + lengths[middle]) / 2;
}

// The first code_points_max code points of TEXT.
std::string_view cut_code_points(std::string_view text, size_t code_points_max) {
  if (text.size() <= code_points_max) return text;
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    bool starts = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts && ++count > code_points_max) return text.substr(0, i);
  }
  return text;
}

}  // namespace

StaticModel::StaticModel(const StaticModelFiles& files)
    : name_(files.name), tokenizer_(Tokenizer::from_json(files.tokenizer, files.name + "/tokenizer.json")) {
  Json config, modules, sentence_transformers;
  parse_config(files.config, files.name + "/config.json", config);
  parse_config(files.modules, files.name + "/modules.json", modules);
  parse_config(files.sentence_transformers, files.name + "/config_sentence_transformers.json", sentence_transformers);

  Safetensors weights(files.weights, files.name + "/model.safetensors");
  read_weights(weights);
  if (weights.find("embeddings") != nullptr) {
    // Model2Vec: its unknown token is dropped where the tokenizer's model names one by its text.
    if (tokenizer_.model_name() != "Unigram") dropped_id_ = tokenizer_.unknown_id();
    max_length_ = kModel2VecTokensMax;
    code_points_max_ = kModel2VecTokensMax * median_token_length(tokenizer_);
    half_arithmetic_ = storage_ == Storage::f16 && weights_.empty();
    if (config.present) {
      bool normalizes = false;
      normalizes_ = config.root["normalize"].get(normalizes) == simdjson::SUCCESS && normalizes;
    }
    // A key of our own: 0 for no limit, for models that have none.
    uint64_t limit = 0;
    if (config.present && config.root["max_length"].get(limit) == simdjson::SUCCESS) {
      max_length_ = limit;
      code_points_max_ = 0;
    }
  }
  // sentence-transformers: as the list of modules says, whoever trained the table.
  simdjson::dom::array list;
  if (modules.present && modules.root.get(list) == simdjson::SUCCESS) {
    normalizes_ = false;
    for (auto module : list) {
      std::string_view type;
      if (module["type"].get(type) == simdjson::SUCCESS && type.ends_with("Normalize")) normalizes_ = true;
    }
  }
  if (sentence_transformers.present) {
    std::string_view similarity;
    if (sentence_transformers.root["similarity_fn_name"].get(similarity) == simdjson::SUCCESS) {
      similarity_ = parse_metric(similarity);
      if (similarity_ == Metric::hamming) {
        throw Error(ErrorCode::unsupported, "similarity_fn_name is hamming, expected one of vectors of floats");
      }
    }
    simdjson::dom::object prompts;
    if (sentence_transformers.root["prompts"].get(prompts) == simdjson::SUCCESS) {
      for (auto field : prompts) {
        std::string_view prompt;
        if (field.value.get(prompt) == simdjson::SUCCESS)
          prompts_.emplace_back(std::string(field.key), std::string(prompt));
      }
    }
  }
  std::string_view bytes(reinterpret_cast<const char*>(files.weights.data()), files.weights.size());
  hash_ = base::hash128_hex(base::hash128_hex(bytes) + base::hash128_hex(files.tokenizer) +
                            base::hash128_hex(files.config));
}

void StaticModel::read_weights(const Safetensors& file) {
  const TensorView* table = file.find("embeddings");
  const TensorView* weights = file.find("weights");
  const TensorView* mapping = file.find("mapping");
  if (table == nullptr) {
    table = file.find("embedding.weight");
    weights = mapping = nullptr;
  }
  if (table == nullptr) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("{}: neither 'embeddings' nor 'embedding.weight' is there: not a static model", file.source()));
  }
  if (table->shape.size() != 2 || table->shape[0] == 0 || table->shape[1] == 0) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: the embeddings' shape is [{}], expected [rows, dim]",
                                                  file.source(), fmt::join(table->shape, ", ")));
  }
  row_count_ = table->shape[0];
  dim_ = table->shape[1];
  const size_t address = reinterpret_cast<size_t>(table->bytes.data());
  if (table->dtype == DType::i8) {
    storage_ = Storage::i8;
    table_ = table->bytes.data();
  } else if (table->dtype == DType::f16 && address % alignof(simd::Float16) == 0) {
    storage_ = Storage::f16;
    table_ = table->bytes.data();
  } else if (table->dtype == DType::f32 && address % alignof(float) == 0) {
    table_ = table->bytes.data();
  } else {
    own_table_ = to_float32(*table);
    table_ = own_table_.data();
  }

  const size_t vocabulary = tokenizer_.vocabulary_size();
  auto expect_vocabulary = [&](const TensorView& tensor, std::string_view key) {
    if (tensor.shape.size() != 1 || tensor.shape[0] < vocabulary) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: '{}' has shape [{}], expected [{}] as the vocabulary has",
                                                    file.source(), key, fmt::join(tensor.shape, ", "), vocabulary));
    }
  };
  if (weights != nullptr) {
    expect_vocabulary(*weights, "weights");
    weights_ = to_float32(*weights);
  }
  if (mapping != nullptr) {
    expect_vocabulary(*mapping, "mapping");
    if (mapping->dtype != DType::i32 && mapping->dtype != DType::i64) {
      throw Error(ErrorCode::corrupted,
                  fmt::format("{}: 'mapping' is {}, expected I32 or I64", file.source(), model::name(mapping->dtype)));
    }
    mapping_.resize(mapping->shape[0]);
    for (size_t i = 0; i < mapping_.size(); ++i) {
      int64_t row = 0;
      if (mapping->dtype == DType::i32) {
        int32_t narrow = 0;
        std::memcpy(&narrow, mapping->bytes.data() + i * 4, 4);
        row = narrow;
      } else {
        std::memcpy(&row, mapping->bytes.data() + i * 8, 8);
      }
      if (row < 0 || static_cast<uint64_t>(row) >= row_count_) {
        throw Error(ErrorCode::corrupted,
                    fmt::format("{}: 'mapping'[{}] is {}, the table has {} rows", file.source(), i, row, row_count_));
      }
      mapping_[i] = static_cast<uint32_t>(row);
    }
  } else if (row_count_ < vocabulary) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: the embeddings have {} rows, the vocabulary has {} tokens",
                                                  file.source(), row_count_, vocabulary));
  }
}

bool is_static_model(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  if (fs::exists(folder / "modules.json")) {
    for (const Config& module :
         Config::parse_list(base::read_file(folder / "modules.json"), (folder / "modules.json").string())) {
      if (module.text("type", "").ends_with("StaticEmbedding")) return true;
    }
  }
  const Config config = Config::load_if_there(folder / "config.json");
  return !config.has("model_type") || config.text("model_type") == "model2vec";
}

std::unique_ptr<StaticModel> StaticModel::load(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  auto optional = [](const fs::path& path) { return fs::exists(path) ? base::read_file(path) : std::string(); };
  std::string modules = optional(folder / "modules.json");
  // sentence-transformers may keep the module in a folder of its own, which modules.json names.
  fs::path at = folder;
  Json parsed;
  parse_config(modules, (folder / "modules.json").string(), parsed);
  simdjson::dom::array list;
  if (parsed.present && parsed.root.get(list) == simdjson::SUCCESS) {
    for (auto module : list) {
      std::string_view type, path;
      if (module["type"].get(type) != simdjson::SUCCESS || module["path"].get(path) != simdjson::SUCCESS) continue;
      std::string_view kind = type.substr(type.rfind('.') + 1);
      if (kind == "StaticEmbedding") {
        at = path.empty() || path == "." ? folder : folder / path;
      } else if (kind != "Normalize") {
        throw Error(ErrorCode::unsupported,
                    fmt::format("{}: module '{}' is not one of a static model (StaticEmbedding, Normalize)",
                                (folder / "modules.json").string(), type));
      }
    }
  }
  base::MappedFile weights(at / "model.safetensors");
  std::string config = optional(folder / "config.json");
  std::string sentence_transformers = optional(folder / "config_sentence_transformers.json");
  fs::path tokenizer_path = fs::exists(at / "tokenizer.json") ? at / "tokenizer.json" : folder / "tokenizer.json";
  std::string tokenizer = base::read_file(tokenizer_path);
  StaticModelFiles files{folder.string(), config, modules, sentence_transformers, weights.bytes(), tokenizer};
  auto model = std::make_unique<StaticModel>(files);
  model->mapped_ = std::move(weights);
  return model;
}

void StaticModel::select(std::string_view text, const EmbedOptions& options, Selection& selection) const {
  selection.ids.clear();
  selection.unknown_count = selection.tokens_dropped = 0;
  std::string prompted;
  if (!options.prompt.empty()) {
    prompted = options.prompt;
    prompted += text;
    text = prompted;
  }
  const EncodeOptions encode{.add_special_tokens = false};
  std::string_view used = code_points_max_ > 0 ? cut_code_points(text, code_points_max_) : text;
  tokenizer_.encode_ids(used, encode, selection.ids);
  auto drop_unknown = [&](std::vector<TokenId>& ids) {
    if (!dropped_id_) return size_t{0};
    size_t before = ids.size();
    ids.erase(std::remove(ids.begin(), ids.end(), *dropped_id_), ids.end());
    return before - ids.size();
  };
  selection.unknown_count = drop_unknown(selection.ids);
  if (used.size() < text.size()) {
    // Rare and long: tokenise once more to say how much the cut lost.
    std::vector<TokenId> all;
    tokenizer_.encode_ids(text, encode, all);
    drop_unknown(all);
    selection.tokens_dropped = all.size() - std::min(all.size(), selection.ids.size());
  }
  size_t limit = options.max_length > 0 ? options.max_length : max_length_;
  if (limit > 0 && selection.ids.size() > limit) {
    selection.tokens_dropped += selection.ids.size() - limit;
    selection.ids.resize(limit);
  }
}

void StaticModel::add_rows(std::span<const TokenId> ids, std::vector<uint32_t>& rows, std::vector<float>& weights,
                           float* accumulator) const {
  const simd::Kernels& kernel = simd::kernels();
  rows.resize(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    rows[i] = mapping_.empty() ? static_cast<uint32_t>(ids[i]) : mapping_[static_cast<size_t>(ids[i])];
  }
  simd::Bag bag{rows.data(), nullptr, ids.size()};
  if (!weights_.empty()) {
    weights.resize(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) weights[i] = weights_[static_cast<size_t>(ids[i])];
    bag.weights = weights.data();
  }
  switch (storage_) {
    case Storage::f32:
      kernel.bag_f32({static_cast<const float*>(table_), row_count_, dim_, dim_ * sizeof(float)}, nullptr, bag,
                     accumulator);
      break;
    case Storage::f16:
      kernel.bag_f16({static_cast<const simd::Float16*>(table_), row_count_, dim_, dim_ * sizeof(simd::Float16)},
                     nullptr, bag, accumulator);
      break;
    case Storage::i8:
      kernel.bag_i8({static_cast<const int8_t*>(table_), row_count_, dim_, dim_}, nullptr, bag, accumulator);
      break;
  }
}

void StaticModel::finish(float* sum, size_t dim, size_t count, bool normalize) const {
  const simd::Kernels& kernel = simd::kernels();
  if (!half_arithmetic_) {
    kernel.scale_f32(sum, dim, 1.0f / static_cast<float>(count));
    if (normalize) kernel.normalize_f32(sum, dim);
    return;
  }
  auto half = [&](float value) {
    simd::Float16 bits;
    kernel.f32_to_f16(&value, 1, &bits);
    kernel.f16_to_f32(&bits, 1, &value);
    return value;
  };
  for (size_t i = 0; i < dim; ++i) sum[i] = half(sum[i] / static_cast<float>(count));
  if (normalize) kernel.normalize_f32(sum, dim);
}

void StaticModel::embed(std::span<const std::string_view> texts, const EmbedOptions& options, std::span<float> out,
                        EmbedReport* report) const {
  const size_t dim = options.dim > 0 ? options.dim : dim_;
  if (dim > dim_) {
    throw Error(ErrorCode::invalid_argument, fmt::format("dim is {}, model {} has {}", dim, name_, dim_));
  }
  if (out.size() != texts.size() * dim) {
    throw Error(ErrorCode::invalid_argument, fmt::format("output has {} floats, {} texts of {} components need {}",
                                                         out.size(), texts.size(), dim, texts.size() * dim));
  }
  Selection selection;
  std::vector<uint32_t> rows;
  std::vector<float> weights;
  std::vector<float> pooled(dim_);
  for (size_t i = 0; i < texts.size(); ++i) {
    select(texts[i], options, selection);
    std::fill(pooled.begin(), pooled.end(), 0.0f);
    if (!selection.ids.empty()) {
      add_rows(selection.ids, rows, weights, pooled.data());
      finish(pooled.data(), dim, selection.ids.size(), options.normalize.value_or(normalizes_));
    }
    std::memcpy(out.data() + i * dim, pooled.data(), dim * sizeof(float));
    if (report == nullptr) continue;
    report->token_count += selection.ids.size();
    report->unknown_count += selection.unknown_count;
    if (selection.ids.empty()) report->empty.push_back(i);
    if (selection.tokens_dropped > 0) report->truncated.push_back({i, selection.tokens_dropped});
  }
}

Explanation StaticModel::explain(std::string_view text, const EmbedOptions& options) const {
  Explanation result;
  std::string prompted = options.prompt + std::string(text);
  result.normalized_text = tokenizer_.normalize(prompted);
  Encoding encoding = tokenizer_.encode(prompted, {.add_special_tokens = false});
  Selection selection;
  select(text, options, selection);
  const size_t dim = options.dim > 0 ? std::min(options.dim, dim_) : dim_;
  std::vector<uint32_t> rows;
  std::vector<float> weights, row(dim_);
  double total = 0;
  size_t used = 0;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    TokenId id = encoding.ids[i];
    bool known = !(dropped_id_ && id == *dropped_id_);
    float norm = 0;
    if (known && used < selection.ids.size()) {
      ++used;
      std::fill(row.begin(), row.end(), 0.0f);
      add_rows(std::span(&id, 1), rows, weights, row.data());
      norm = std::sqrt(simd::kernels().dot_f32(row.data(), row.data(), dim));
    }
    total += norm;
    result.tokens.push_back({id, encoding.tokens[i], norm, norm, known});
  }
  for (Explanation::Token& token : result.tokens)
    token.weight = total > 0 ? static_cast<float>(token.weight / total) : 0.0f;
  result.pooling = dropped_id_ ? "mean over known tokens" : "mean over tokens";
  result.vector.resize(dim);
  EmbedOptions raw = options;
  raw.normalize = false;
  const std::string_view texts[] = {text};
  embed(texts, raw, result.vector, nullptr);
  result.norm_before = std::sqrt(simd::kernels().dot_f32(result.vector.data(), result.vector.data(), dim));
  if (options.normalize.value_or(normalizes_)) simd::kernels().normalize_f32(result.vector.data(), dim);
  return result;
}

std::vector<std::string> StaticModel::words() const {
  const bool pieces = tokenizer_.model_name() == "WordPiece";
  const std::string_view model = tokenizer_.model_name();
  std::vector<std::string> words;
  for (size_t id = 0; id < tokenizer_.vocabulary_size(); ++id) {
    std::string token = tokenizer_.id_to_token(static_cast<TokenId>(id));
    if (token.empty()) continue;
    if (pieces || model == "WordLevel") {
      if (token.starts_with("##") || token.front() == '[') continue;
    } else {
      // SentencePiece marks the start of a word with U+2581, byte-level BPE with U+0120.
      if (token.starts_with("\xE2\x96\x81")) {
        token.erase(0, 3);
      } else if (token.starts_with("\xC4\xA0")) {
        token.erase(0, 2);
      } else {
        continue;
      }
    }
    bool letters = !token.empty();
    for (size_t position = 0; position < token.size();) {
      const char32_t c = base::decode_utf8(token, position);
      const bool latin = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
      // Above ASCII all but symbols and pictures count as letters.
      const bool other = c >= 0xAA && !(c >= 0x2000 && c < 0x2C00) && c < 0x1F000;
      letters = letters && (latin || other || c == '-' || c == '\'');
    }
    if (letters) words.push_back(std::move(token));
  }
  return words;
}

}  // namespace sextant::model
