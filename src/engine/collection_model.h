// engine/collection_model.h: what a collection's metadata says of models: the one whose vectors are searched, the one
// that a re-embedding under way makes vectors of, and how documents are cut for them.
//
//   {"model": {"name", "hash", "pooling", "document_prompt", "query_prompt"}, "reembed": {"model": {...}},
//    "passages": {"tokens_max", "overlap_tokens", "window_tokens"}}
// Each may be missing; what else stands there is left alone.
#pragma once

#include <optional>
#include <string>

#include "engine/passages.h"
#include "sextant/embed.h"

namespace sextant::engine {

// What a collection remembers of a model.
struct CollectionModel {
  std::string name, hash;
  std::string document_prompt, query_prompt;
  std::string pooling;  // Embedder::pooling_name; the hash has it, too
};
CollectionModel model_of(const Embedder& model);

struct CollectionModels {
  std::optional<CollectionModel> now;
  std::optional<CollectionModel> next;  // where a re-embedding is under way
};
// Throws corrupted; WHERE begins the message.
CollectionModels read_models(const std::string& metadata, const std::string& where);
// METADATA with these models.
std::string with_models(const std::string& metadata, const CollectionModels& models);

// The same for passages; nothing where the collection has no sizes of its own.
std::optional<PassageOptions> read_passages(const std::string& metadata, const std::string& where);
std::string with_passages(const std::string& metadata, const PassageOptions& passages);

}  // namespace sextant::engine
