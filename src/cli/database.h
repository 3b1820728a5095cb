// cli/database.h: what the commands of collections share: --db, --collection, --memory, and how points are shown.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/command.h"
#include "engine/collection.h"
#include "store/database.h"

namespace sextant::cli {

struct DatabaseSettings {
  std::string db, collection, memory;
};

// --db and --memory, and --collection.
void add_database_options(Command command, DatabaseSettings& settings);
void add_collection_options(Command command, DatabaseSettings& settings);

enum class Access {
  read,   // beside others that read
  write,  // alone
  make,   // likewise, and where it is missing it is made
};
// Throws not_found where it is missing.
std::unique_ptr<store::Database> open_database(const DatabaseSettings& settings, const Context& context, Access access);

// The collection's model by the name that it remembers, or NAMED where that is not empty. Throws invalid_argument where
// there is none.
std::unique_ptr<Embedder> collection_model(const engine::Collection& collection, const std::string& named,
                                           const Context& context);

// What a collection remembers a model by: of a folder its whole path, since the collection is searched from others.
std::string lasting_model_name(const std::string& name);

nlohmann::ordered_json point_json(const store::StoredPoint& point, const store::StoreConfig& config);
// Of a payload, some lines for people: text wrapped, then the other fields.
std::string point_text(const store::StoredPoint& point, size_t width);

}  // namespace sextant::cli
