// train/static_folder.h: static models as folders in Model2Vec's form, which sentence-transformers reads too.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::train {

// The text of the tokenizer.json that FILE_OR_FOLDER is or holds. Throws not_found.
std::string read_tokenizer_json(const std::filesystem::path& file_or_folder);

// Writes config.json, modules.json, tokenizer.json and model.safetensors (`embeddings` [row_count, dim], float32).
void write_static_folder(const std::filesystem::path& folder, std::string_view tokenizer_json,
                         std::span<const float> rows, size_t row_count, size_t dim);

// The mean of the rows of two or more models (Wortsman et al. 2022): runs of other lengths or sources that started from
// the same seed and vocabulary lie in one basin, and their mean keeps what each learned. Throws invalid_argument when
// tokenizers or shapes differ.
void average_static(const std::vector<std::filesystem::path>& from, const std::filesystem::path& to);

// Rewrites a Model2Vec folder with int8 rows and a float weight a token: a quarter of the size, read in place.
void quantize_static(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace sextant::train
