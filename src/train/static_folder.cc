#include "train/static_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/files.h"
#include "model/safetensors.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::train {
namespace {

namespace fs = std::filesystem;

std::string_view as_text(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// max_length 0 (a key of Sextant's own) says that texts of any length are read whole.
std::string config_json(size_t dim) {
  return fmt::format(
      "{{\"model_type\": \"model2vec\", \"architectures\": [\"StaticModel\"], \"hidden_dim\": {}, \"seq_length\": "
      "1000000, "
      "\"normalize\": true, \"max_length\": 0}}\n",
      dim);
}

constexpr std::string_view kModulesJson =
    "[{\"idx\": 0, \"name\": \"0\", \"path\": \".\", \"type\": \"sentence_transformers.models.StaticEmbedding\"},\n"
    " {\"idx\": 1, \"name\": \"1\", \"path\": \"1_Normalize\", \"type\": "
    "\"sentence_transformers.models.Normalize\"}]\n";

void write_folder(const fs::path& folder, std::string_view tokenizer_json, size_t dim, std::string_view weights) {
  base::make_folders(folder);
  base::write_file_atomically(folder / "model.safetensors", weights);
  base::write_file_atomically(folder / "tokenizer.json", tokenizer_json);
  base::write_file_atomically(folder / "modules.json", kModulesJson);
  base::write_file_atomically(folder / "config.json", config_json(dim));
}

}  // namespace

std::string read_tokenizer_json(const fs::path& file_or_folder) {
  fs::path path = fs::is_directory(file_or_folder) ? file_or_folder / "tokenizer.json" : file_or_folder;
  return base::read_file(path);
}

void write_static_folder(const fs::path& folder, std::string_view tokenizer_json, std::span<const float> rows,
                         size_t row_count, size_t dim) {
  write_folder(folder, tokenizer_json, dim,
               model::write_safetensors({{"embeddings", model::DType::f32, {row_count, dim}, as_text(rows)}}));
}

namespace {

// The table of a folder that holds 'embeddings' [rows, dim] and nothing else.
const model::TensorView& plain_table(const model::Safetensors& file) {
  const model::TensorView& table = file.at("embeddings");
  if (table.shape.size() != 2 || file.find("weights") != nullptr || file.find("mapping") != nullptr) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: expected 'embeddings' [rows, dim] alone, without weights or mapping", file.source()));
  }
  return table;
}

}  // namespace

void average_static(const std::vector<fs::path>& from, const fs::path& to) {
  if (from.size() < 2) throw Error(ErrorCode::invalid_argument, "average: expected two models or more");
  const std::string tokenizer_json = read_tokenizer_json(from[0]);
  std::vector<float> sum;
  std::vector<size_t> shape;
  for (const fs::path& folder : from) {
    base::MappedFile mapped(folder / "model.safetensors");
    model::Safetensors file(mapped.bytes(), (folder / "model.safetensors").string());
    const model::TensorView& table = plain_table(file);
    if (shape.empty()) {
      shape = table.shape;
      sum.resize(table.element_count(), 0.0f);
    }
    if (table.shape != shape || read_tokenizer_json(folder) != tokenizer_json) {
      throw Error(ErrorCode::invalid_argument, fmt::format("average: {} and {} differ in their tokenizer or shape",
                                                           from[0].string(), folder.string()));
    }
    simd::kernels().add_row_f32(sum.data(), model::to_float32(table).data(), 1.0f / static_cast<float>(from.size()),
                                sum.size());
  }
  write_static_folder(to, tokenizer_json, sum, shape[0], shape[1]);
}

void quantize_static(const fs::path& from, const fs::path& to) {
  base::MappedFile mapped(from / "model.safetensors");
  model::Safetensors file(mapped.bytes(), (from / "model.safetensors").string());
  const model::TensorView& table = plain_table(file);
  const size_t row_count = table.shape[0];
  const size_t dim = table.shape[1];
  const std::vector<float> rows = model::to_float32(table);
  std::vector<float> scales(row_count);
  std::string codes(row_count * dim, '\0');
  const simd::Kernels& kernel = simd::kernels();
  for (size_t row = 0; row < row_count; ++row) {
    const float* values = rows.data() + row * dim;
    const float largest = kernel.max_abs_f32(values, dim);
    scales[row] = largest / 127.0f;
    auto* out = reinterpret_cast<int8_t*>(codes.data()) + row * dim;
    kernel.f32_to_i8(values, dim, largest > 0 ? 127.0f / largest : 0.0f, out);
  }
  write_folder(to, read_tokenizer_json(from), dim,
               model::write_safetensors({{"weights", model::DType::f32, {row_count}, as_text(scales)},
                                         {"embeddings", model::DType::i8, {row_count, dim}, codes}}));
}

}  // namespace sextant::train
