#include "eval/token_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/json.h"
#include "io/npy.h"
#include "model/transformer_model.h"
#include "sextant/error.h"

namespace sextant::eval {
namespace {

void require_npy(const std::string& path) {
  if (!path.empty() && !path.ends_with(".npy")) {
    throw Error(ErrorCode::invalid_argument, fmt::format("output '{}' has an unknown ending, expected .npy", path));
  }
}

void write_npy(const std::string& path, const tensor::Matrix& matrix) {
  io::NpyWriter writer(path, io::NpyType::float32, matrix.columns());
  writer.append(matrix.values());
  writer.finish();
}

}  // namespace

TokenInputs read_token_inputs(const std::filesystem::path& path) {
  TokenInputs inputs;
  try {
    const auto json = base::parse_json(base::read_file(path));
    const auto ids = json.at("input_ids").get<std::vector<std::vector<TokenId>>>();
    std::vector<std::vector<int>> mask;
    std::vector<std::vector<TokenId>> types;
    if (json.contains("attention_mask")) mask = json.at("attention_mask").get<std::vector<std::vector<int>>>();
    if (json.contains("token_type_ids")) types = json.at("token_type_ids").get<std::vector<std::vector<TokenId>>>();
    for (size_t s = 0; s < ids.size(); ++s) {
      size_t length = 0;
      inputs.padded_length = std::max(inputs.padded_length, ids[s].size());
      for (size_t i = 0; i < ids[s].size(); ++i) {
        if (!mask.empty() && mask.at(s).at(i) == 0) continue;
        inputs.batch.ids.push_back(ids[s][i]);
        if (!types.empty()) inputs.batch.type_ids.push_back(types.at(s).at(i));
        inputs.positions.push_back(i);
        ++length;
      }
      inputs.batch.sequences.append(length);
    }
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorCode::corrupted,
                fmt::format("{}: expected {{\"input_ids\": [[...]]}}: {}", path.string(), e.what()));
  } catch (const std::out_of_range&) {
    throw Error(ErrorCode::corrupted,
                fmt::format("{}: attention_mask or token_type_ids is shorter than input_ids", path.string()));
  }
  return inputs;
}

void embed_token_ids(const std::string& model_folder, const std::string& inputs_path, const std::string& hidden_path,
                     const std::string& output) {
  if (hidden_path.empty() && output.empty()) {
    throw Error(ErrorCode::invalid_argument, "--token-ids needs --hidden or --output, for where the results go");
  }
  require_npy(hidden_path);
  require_npy(output);
  const TokenInputs inputs = read_token_inputs(inputs_path);
  const model::TransformerModel model(model_folder);
  const tensor::Matrix hidden = model.hidden_states(inputs.batch);
  const tensor::Sequences& sequences = inputs.batch.sequences;
  if (!hidden_path.empty()) {
    write_npy(hidden_path, hidden);
    io::NpyWriter lengths(hidden_path.substr(0, hidden_path.size() - 4) + ".lengths.npy", io::NpyType::int64, 0);
    for (size_t s = 0; s < sequences.count(); ++s) {
      const auto length = static_cast<int64_t>(sequences.length(s));
      lengths.append(std::span<const int64_t>(&length, 1));
    }
    lengths.finish();
  }
  if (!output.empty()) write_npy(output, model.sentence_vectors(hidden, sequences, {}, std::nullopt));
}

}  // namespace sextant::eval
