#include "models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/random.h"
#include "sextant/error.h"

namespace sextant::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;  // of what is written: a change of weights makes new folders
constexpr size_t kFirstWord = 5;
constexpr size_t kPositions = 512;
constexpr size_t kTopics = 61;  // word i belongs to topic i % kTopics

constexpr std::array<Shape, 8> kShapes = {{
    {"minilm-l6", Family::bert, 6, 384, 12, 12, 32, 1536, 30522},
    {"bge-small", Family::bert, 12, 384, 12, 12, 32, 1536, 30522},
    {"bge-base", Family::bert, 12, 768, 12, 12, 64, 3072, 30522},
    {"modernbert-base", Family::modernbert, 22, 768, 12, 12, 64, 1152, 50368, 128},
    {"qwen3-0.6b", Family::qwen3, 28, 1024, 16, 8, 128, 3072, 30522},
    // For the benchmark's own tests.
    {"tiny-bert", Family::bert, 2, 64, 4, 4, 16, 128, 1005},
    {"tiny-modernbert", Family::modernbert, 4, 64, 4, 4, 16, 96, 1005, 16},
    {"tiny-qwen3", Family::qwen3, 2, 64, 4, 2, 32, 128, 1005},
}};

// One to three syllables, a different word for each number below a million.
std::string word(size_t number) {
  constexpr std::string_view kConsonants = "bcdfghjklmnpqrstvwxz";
  constexpr std::string_view kVowels = "aeiou";
  size_t syllables = 1;
  for (size_t count = 100; number >= count; count *= 100) {
    number -= count;
    ++syllables;
  }
  std::string result;
  for (size_t i = 0; i < syllables; ++i) {
    result += kConsonants[number % 100 / 5];
    result += kVowels[number % 5];
    number /= 100;
  }
  return result;
}

// How the values of a tensor are drawn.
enum class Fill {
  matrix,       // normal, each row with a scale of its own
  table,        // normal
  words,        // normal, and what is common to a topic
  norm_weight,  // around SCALE, and outliers
  head_norm,    // around SCALE, no outliers
};

struct Tensor {
  std::string name;
  std::vector<size_t> dims;
  Fill fill;
  float scale;
  float mean = 0;

  size_t size() const {
    size_t n = 1;
    for (size_t dim : dims) n *= dim;
    return n;
  }
};

float root(size_t n) { return std::sqrt(static_cast<float>(n)); }

// Query and key weights whose scores spread with a deviation of about 1.5: a query then looks at a dozen keys of 128.
float score_scale(const Shape& shape) { return std::sqrt(1.3f / static_cast<float>(shape.hidden)); }

std::vector<Tensor> bert_tensors(const Shape& s) {
  const size_t h = s.hidden;
  std::vector<Tensor> all = {
      {"embeddings.word_embeddings.weight", {s.vocabulary, h}, Fill::words, 0.05f},
      {"embeddings.position_embeddings.weight", {kPositions, h}, Fill::table, 0.02f},
      {"embeddings.token_type_embeddings.weight", {2, h}, Fill::table, 0.01f},
      {"embeddings.LayerNorm.weight", {h}, Fill::norm_weight, 1},
      {"embeddings.LayerNorm.bias", {h}, Fill::table, 0.05f},
  };
  auto linear = [&](const std::string& name, size_t out, size_t in, float scale, float bias_mean = 0) {
    all.push_back({name + ".weight", {out, in}, Fill::matrix, scale});
    all.push_back({name + ".bias", {out}, Fill::table, 0.1f, bias_mean});
  };
  auto norm = [&](const std::string& name) {
    all.push_back({name + ".weight", {h}, Fill::norm_weight, 1});
    all.push_back({name + ".bias", {h}, Fill::table, 0.05f});
  };
  for (size_t i = 0; i < s.layers; ++i) {
    const std::string layer = fmt::format("encoder.layer.{}.", i);
    linear(layer + "attention.self.query", h, h, score_scale(s));
    linear(layer + "attention.self.key", h, h, score_scale(s));
    linear(layer + "attention.self.value", h, h, 1 / root(h));
    linear(layer + "attention.output.dense", h, h, 1 / root(h));
    norm(layer + "attention.output.LayerNorm");
    linear(layer + "intermediate.dense", s.inner, h, 1 / root(h), -0.3f);
    linear(layer + "output.dense", h, s.inner, 1.5f / root(s.inner));
    norm(layer + "output.LayerNorm");
  }
  return all;
}

std::vector<Tensor> modernbert_tensors(const Shape& s) {
  const size_t h = s.hidden;
  std::vector<Tensor> all = {{"embeddings.tok_embeddings.weight", {s.vocabulary, h}, Fill::words, 0.05f},
                             {"embeddings.norm.weight", {h}, Fill::norm_weight, 1}};
  for (size_t i = 0; i < s.layers; ++i) {
    const std::string layer = fmt::format("layers.{}.", i);
    if (i > 0) all.push_back({layer + "attn_norm.weight", {h}, Fill::norm_weight, 1});
    all.push_back({layer + "attn.Wqkv.weight", {3 * h, h}, Fill::matrix, score_scale(s)});
    all.push_back({layer + "attn.Wo.weight", {h, h}, Fill::matrix, 0.7f / root(h)});
    all.push_back({layer + "mlp_norm.weight", {h}, Fill::norm_weight, 1});
    all.push_back({layer + "mlp.Wi.weight", {2 * s.inner, h}, Fill::matrix, 1 / root(h)});
    all.push_back({layer + "mlp.Wo.weight", {h, s.inner}, Fill::matrix, 0.8f / root(s.inner)});
  }
  all.push_back({"final_norm.weight", {h}, Fill::norm_weight, 1});
  return all;
}

std::vector<Tensor> qwen3_tensors(const Shape& s) {
  const size_t h = s.hidden, queries = s.heads * s.head_dim, keys = s.kv_heads * s.head_dim;
  std::vector<Tensor> all = {{"embed_tokens.weight", {s.vocabulary, h}, Fill::words, 1}};
  for (size_t i = 0; i < s.layers; ++i) {
    const std::string layer = fmt::format("layers.{}.", i);
    all.push_back({layer + "input_layernorm.weight", {h}, Fill::norm_weight, 1});
    all.push_back({layer + "self_attn.q_proj.weight", {queries, h}, Fill::matrix, 1 / root(h)});
    all.push_back({layer + "self_attn.k_proj.weight", {keys, h}, Fill::matrix, 1 / root(h)});
    all.push_back({layer + "self_attn.v_proj.weight", {keys, h}, Fill::matrix, 1 / root(h)});
    all.push_back({layer + "self_attn.o_proj.weight", {h, queries}, Fill::matrix, 0.7f / root(queries)});
    all.push_back({layer + "self_attn.q_norm.weight", {s.head_dim}, Fill::head_norm, 1.2f});
    all.push_back({layer + "self_attn.k_norm.weight", {s.head_dim}, Fill::head_norm, 1.2f});
    all.push_back({layer + "post_attention_layernorm.weight", {h}, Fill::norm_weight, 1});
    all.push_back({layer + "mlp.gate_proj.weight", {s.inner, h}, Fill::matrix, 1 / root(h)});
    all.push_back({layer + "mlp.up_proj.weight", {s.inner, h}, Fill::matrix, 1 / root(h)});
    all.push_back({layer + "mlp.down_proj.weight", {h, s.inner}, Fill::matrix, 0.8f / root(s.inner)});
  }
  all.push_back({"norm.weight", {h}, Fill::norm_weight, 1});
  return all;
}

std::vector<Tensor> tensors_of(const Shape& shape) {
  switch (shape.family) {
    case Family::bert:
      return bert_tensors(shape);
    case Family::modernbert:
      return modernbert_tensors(shape);
    case Family::qwen3:
      return qwen3_tensors(shape);
  }
  return {};
}

// Trained models have the same few outlying dimensions in all their layers.
std::vector<size_t> outliers_of(const Shape& shape) {
  base::Random random(shape.hidden);
  std::vector<size_t> dims(std::max<size_t>(2, shape.hidden / 128));
  for (size_t& dim : dims) dim = random.below(shape.hidden);
  return dims;
}

std::vector<float> values_of(const Tensor& tensor, const Shape& shape) {
  // Seeded by name: a tensor's values do not depend on what is written before it.
  base::Random random(base::hash64(tensor.name));
  std::vector<float> values(tensor.size());
  const size_t columns = tensor.dims.back();
  switch (tensor.fill) {
    case Fill::matrix:
      for (size_t row = 0; row < tensor.dims[0]; ++row) {
        const float scale = tensor.scale * static_cast<float>(std::exp(0.25 * random.normal()));
        for (size_t i = 0; i < columns; ++i) values[row * columns + i] = scale * static_cast<float>(random.normal());
      }
      break;
    case Fill::table:
      for (float& value : values) value = tensor.mean + tensor.scale * static_cast<float>(random.normal());
      break;
    case Fill::words: {
      std::vector<float> topics(kTopics * columns);
      for (float& value : topics) value = 0.7f * static_cast<float>(random.normal());
      for (size_t i = 0; i < values.size(); ++i) {
        const size_t topic = i / columns % kTopics;
        values[i] = tensor.scale * (topics[topic * columns + i % columns] + 0.7f * static_cast<float>(random.normal()));
      }
      break;
    }
    case Fill::norm_weight:
    case Fill::head_norm:
      for (float& value : values) value = tensor.scale * static_cast<float>(std::exp(0.15 * random.normal()));
      if (tensor.fill == Fill::head_norm) break;
      for (size_t dim : outliers_of(shape)) {
        values[dim] = tensor.scale * (3 + 3 * static_cast<float>(random.uniform()));
      }
      break;
  }
  return values;
}

// To nearest, ties to even.
uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void write_weights(const Shape& shape, const fs::path& path) {
  const bool halves = shape.family == Family::qwen3;  // as its folder on the hub is
  const size_t width = halves ? sizeof(uint16_t) : sizeof(float);
  const std::vector<Tensor> tensors = tensors_of(shape);
  json header = json::object();
  size_t offset = 0;
  for (const Tensor& tensor : tensors) {
    const size_t end = offset + tensor.size() * width;
    header[tensor.name] = {{"dtype", halves ? "BF16" : "F32"}, {"shape", tensor.dims}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = base::json_text(header);
  text.resize((text.size() + 8 + 63) / 64 * 64 - 8, ' ');
  std::ofstream file(path, std::ios::binary);
  const uint64_t length = text.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << text;
  for (const Tensor& tensor : tensors) {
    const std::vector<float> values = values_of(tensor, shape);
    if (halves) {
      std::vector<uint16_t> rounded(values.size());
      std::transform(values.begin(), values.end(), rounded.begin(), to_bfloat16);
      file.write(reinterpret_cast<const char*>(rounded.data()), static_cast<std::streamsize>(rounded.size() * width));
    } else {
      file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * width));
    }
  }
  if (!file.flush()) throw Error(ErrorCode::unavailable, fmt::format("{}: cannot be written", path.string()));
}

json config_of(const Shape& s) {
  json config = {{"hidden_size", s.hidden},      {"num_hidden_layers", s.layers}, {"num_attention_heads", s.heads},
                 {"intermediate_size", s.inner}, {"vocab_size", s.vocabulary},    {"pad_token_id", 0}};
  switch (s.family) {
    case Family::bert:
      config.update({{"model_type", "bert"},
                     {"max_position_embeddings", kPositions},
                     {"type_vocab_size", 2},
                     {"hidden_act", "gelu"},
                     {"layer_norm_eps", 1e-12}});
      break;
    case Family::modernbert:
      config.update({{"model_type", "modernbert"},
                     {"max_position_embeddings", 8192},
                     {"hidden_activation", "gelu"},
                     {"norm_eps", 1e-5},
                     {"norm_bias", false},
                     {"attention_bias", false},
                     {"mlp_bias", false},
                     {"global_attn_every_n_layers", 3},
                     {"local_attention", s.local_window},
                     {"global_rope_theta", 160000.0},
                     {"local_rope_theta", 10000.0}});
      break;
    case Family::qwen3:
      config.update({{"model_type", "qwen3"},
                     {"max_position_embeddings", 32768},
                     {"num_key_value_heads", s.kv_heads},
                     {"head_dim", s.head_dim},
                     {"hidden_act", "silu"},
                     {"rms_norm_eps", 1e-6},
                     {"rope_theta", 1000000.0},
                     {"attention_bias", false},
                     {"tie_word_embeddings", true},
                     {"use_sliding_window", false}});
      break;
  }
  return config;
}

// WordPiece for all shapes: tokenising is a small part of the work, and only Sextant pays for it here.
json tokenizer_of(const Shape& s) {
  const std::array<const char*, kFirstWord> special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  json vocabulary = json::object();
  json added = json::array();
  for (size_t id = 0; id < special.size(); ++id) {
    vocabulary[special[id]] = id;
    added.push_back({{"id", id},
                     {"content", special[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  for (size_t id = kFirstWord; id < s.vocabulary; ++id) vocabulary[word(id - kFirstWord)] = id;
  auto token = [](const char* name) { return json{{"SpecialToken", {{"id", name}, {"type_id", 0}}}}; };
  auto entry = [](const char* name, int id) { return json{{"id", name}, {"ids", {id}}, {"tokens", {name}}}; };
  auto text = [](const char* name, int type) { return json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  // A decoder's text ends with one token, from which its vector is taken.
  json single = s.family == Family::qwen3 ? json::array({text("A", 0), token("[SEP]")})
                                          : json::array({token("[CLS]"), text("A", 0), token("[SEP]")});
  json pair = single;
  pair.push_back(text("B", 0));
  pair.push_back(token("[SEP]"));
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", true},
            {"handle_chinese_chars", true},
            {"strip_accents", nullptr},
            {"lowercase", true}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", single},
            {"pair", pair},
            {"special_tokens", {{"[CLS]", entry("[CLS]", 2)}, {"[SEP]", entry("[SEP]", 3)}}}}},
          {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
          {"model",
           {{"type", "WordPiece"},
            {"unk_token", "[UNK]"},
            {"continuing_subword_prefix", "##"},
            {"max_input_chars_per_word", 100},
            {"vocab", vocabulary}}}};
}

}  // namespace

double Shape::operations(size_t length) const {
  const auto n = static_cast<double>(length);
  const double queries = static_cast<double>(heads * head_dim), keys = static_cast<double>(kv_heads * head_dim);
  const double matrices = family == Family::bert ? 2 : 3;  // of a feed-forward
  const double linear = static_cast<double>(hidden) * (2 * queries + 2 * keys + matrices * static_cast<double>(inner));
  double pairs = 0;  // of query and key, all layers
  for (size_t layer = 0; layer < layers; ++layer) {
    if (family == Family::qwen3) {
      pairs += n * (n + 1) / 2;
    } else if (local_window > 0 && layer % 3 != 0) {
      for (size_t i = 0; i < length; ++i) {
        const size_t half = local_window / 2;
        pairs += static_cast<double>(std::min(length, i + half + 1) - (i > half ? i - half : 0));
      }
    } else {
      pairs += n * n;
    }
  }
  return 2 * (n * linear * static_cast<double>(layers) + 2 * queries * pairs);
}

std::span<const Shape> shapes() { return kShapes; }

const Shape& shape_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Shape& shape : kShapes) {
    if (shape.name == name) return shape;
    names.push_back(shape.name);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("shape '{}' is unknown; expected one of {}", name, fmt::join(names, ", ")));
}

fs::path model_folder(const Shape& shape, const fs::path& into) {
  const fs::path folder = into / fmt::format("{}-v{}", shape.name, kVersion);
  if (fs::exists(folder)) return folder;
  fs::path partial = folder;
  partial += ".partial";
  fs::remove_all(partial);
  base::make_folders(partial / "1_Pooling");
  base::make_folders(partial / "2_Normalize");
  auto module = [](int index, const char* path, const char* type) {
    return json{{"idx", index},
                {"name", std::to_string(index)},
                {"path", path},
                {"type", std::string("sentence_transformers.models.") + type}};
  };
  const json modules = {module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling"),
                        module(2, "2_Normalize", "Normalize")};
  const bool last = shape.family == Family::qwen3;
  const json pooling = {{"word_embedding_dimension", shape.hidden},
                        {"pooling_mode_mean_tokens", !last},
                        {"pooling_mode_lasttoken", last}};
  base::write_file_atomically(partial / "config.json", base::json_text(config_of(shape), 2));
  base::write_file_atomically(partial / "modules.json", base::json_text(modules, 2));
  base::write_file_atomically(partial / "1_Pooling/config.json", base::json_text(pooling, 2));
  base::write_file_atomically(partial / "tokenizer.json", base::json_text(tokenizer_of(shape)));
  write_weights(shape, partial / "model.safetensors");
  fs::rename(partial, folder);
  return folder;
}

std::string text_of(const Shape& shape, size_t tokens, uint64_t seed) {
  base::Random random(seed);
  const size_t special = shape.family == Family::qwen3 ? 1 : 2;
  const size_t words = shape.vocabulary - kFirstWord;
  const std::array<size_t, 2> topics = {random.below(kTopics), random.below(kTopics)};
  std::string text;
  for (size_t i = special; i < tokens; ++i) {
    if (!text.empty()) text += ' ';
    // Common words are more common than rare ones, and most are of the text's topics.
    const double share = random.uniform();
    auto number = static_cast<size_t>(share * share * static_cast<double>(words - kTopics));
    if (random.uniform() < 0.7) number = number / kTopics * kTopics + topics[random.below(2)];
    text += word(number);
  }
  return text;
}

std::vector<size_t> mixed_lengths(size_t count) {
  base::Random random(40);
  std::vector<size_t> lengths(count);
  for (size_t& length : lengths) {
    length = static_cast<size_t>(std::lround(std::clamp(40 * std::exp(0.95 * random.normal()), 4.0, 256.0)));
  }
  return lengths;
}

}  // namespace sextant::bench
