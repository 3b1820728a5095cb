#include "engine/collection_model.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "sextant/error.h"

namespace sextant::engine {
namespace {

constexpr const char* kModelKey = "model";
constexpr const char* kReembedKey = "reembed";
constexpr const char* kPassagesKey = "passages";

// READ of the metadata.
template <class Read>
auto read_metadata(const std::string& metadata, const std::string& where, const Read& read) {
  try {
    return read(base::parse_json(metadata));
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: the collection's metadata: {}", where, error.what()));
  }
}

CollectionModel read_model(const nlohmann::json& model) {
  // Collections of the first versions do not name the pooling.
  return {model.at("name"), model.at("hash"), model.at("document_prompt"), model.at("query_prompt"),
          model.value("pooling", "")};
}

nlohmann::ordered_json model_json(const CollectionModel& model) {
  return {{"name", model.name},
          {"hash", model.hash},
          {"pooling", model.pooling},
          {"document_prompt", model.document_prompt},
          {"query_prompt", model.query_prompt}};
}

}  // namespace

CollectionModel model_of(const Embedder& model) {
  return {model.name(), model.hash(), document_prompt(model), query_prompt(model), model.pooling_name()};
}

CollectionModels read_models(const std::string& metadata, const std::string& where) {
  return read_metadata(metadata, where, [](const nlohmann::json& value) {
    CollectionModels models;
    if (value.contains(kModelKey)) models.now = read_model(value.at(kModelKey));
    if (value.contains(kReembedKey)) models.next = read_model(value.at(kReembedKey).at(kModelKey));
    return models;
  });
}

std::optional<PassageOptions> read_passages(const std::string& metadata, const std::string& where) {
  return read_metadata(metadata, where, [](const nlohmann::json& value) -> std::optional<PassageOptions> {
    if (!value.contains(kPassagesKey)) return std::nullopt;
    const nlohmann::json& passages = value.at(kPassagesKey);
    return PassageOptions{passages.at("tokens_max"), passages.at("overlap_tokens"), passages.at("window_tokens")};
  });
}

std::string with_passages(const std::string& metadata, const PassageOptions& passages) {
  nlohmann::ordered_json value = base::parse_ordered_json(metadata);
  value[kPassagesKey] = {{"tokens_max", passages.tokens_max},
                         {"overlap_tokens", passages.overlap_tokens},
                         {"window_tokens", passages.window_tokens}};
  return base::json_text(value);
}

std::string with_models(const std::string& metadata, const CollectionModels& models) {
  nlohmann::ordered_json value = base::parse_ordered_json(metadata);
  value.erase(kModelKey);
  value.erase(kReembedKey);
  if (models.now) value[kModelKey] = model_json(*models.now);
  if (models.next) value[kReembedKey] = {{kModelKey, model_json(*models.next)}};
  return base::json_text(value);
}

}  // namespace sextant::engine
