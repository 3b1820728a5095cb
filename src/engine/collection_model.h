// engine/collection_model.h: which models a collection's metadata names: the one whose vectors are searched, and the
// one that a re-embedding under way makes vectors of.
//
//   {"model": {"name", "hash", "document_prompt", "query_prompt"}, "reembed": {"model": {...}}}
// Both may be missing; what else stands there is left alone.
#pragma once

#include <optional>
#include <string>

#include "sextant/embed.h"

namespace sextant::engine {

// What a collection remembers of a model.
struct CollectionModel {
  std::string name, hash;
  std::string document_prompt, query_prompt;
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

}  // namespace sextant::engine
