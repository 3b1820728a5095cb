#include "cli/database.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::cli {

using nlohmann::ordered_json;

void add_database_options(Command command, DatabaseSettings& settings) {
  command.option("--db", settings.db, "The folder of collections").required();
  command.option("--memory", settings.memory,
                 "Memory for blocks of the database, and as much again for rows that wait for an index, such as 512M; "
                 "indexes are mapped");
}

void add_collection_options(Command command, DatabaseSettings& settings) {
  add_database_options(command, settings);
  command.option("--collection,-c", settings.collection, "The collection, or an alias of it").required();
}

std::unique_ptr<store::Database> open_database(const DatabaseSettings& settings, const Context& context,
                                               Access access) {
  store::DatabaseOptions options;
  options.create_if_missing = access == Access::make;
  options.store.read_only = access == Access::read;
  options.store.threads = context.thread_count;
  if (!settings.memory.empty()) options.memory_bytes = parse_bytes(settings.memory, "--memory");
  return std::make_unique<store::Database>(settings.db, options);
}

std::unique_ptr<Embedder> collection_model(const engine::Collection& collection, const std::string& named,
                                           const Context& context) {
  if (!named.empty()) return load_model(named, context);
  if (!collection.model()) {
    throw Error(ErrorCode::invalid_argument,
                "the collection has no model, so texts cannot be embedded: name one with --model, or give vectors");
  }
  const std::string& name = collection.model()->name;
  // A database may come from anybody, and must not choose the server that texts are sent to.
  if (name.find("://") != std::string::npos) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("the collection's model is '{}'; to send texts to that server, name it with --model", name));
  }
  try {
    return load_model(name, context);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("the collection's model: {} (--model names it elsewhere)", error.what()));
  }
}

std::string lasting_model_name(const std::string& name) {
  std::error_code error;
  return std::filesystem::is_directory(name, error) ? std::filesystem::canonical(name).string() : name;
}

ordered_json point_json(const store::StoredPoint& point, const store::StoreConfig& config) {
  ordered_json out;
  if (point.id.is_uuid()) {
    out["id"] = point.id.text();
  } else {
    out["id"] = point.id.number();
  }
  out["version"] = point.version;
  if (!point.payload.empty()) out["payload"] = base::parse_ordered_json(point.payload);
  if (point.expires_ms != 0) out["expires_ms"] = point.expires_ms;
  auto value_json = [&](const std::string& name, const store::VectorValue& value) -> ordered_json {
    const store::VectorConfig& vector = config.at(name);
    if (vector.kind == store::VectorKind::sparse) return {{"indices", value.indices}, {"values", value.values}};
    if (vector.kind == store::VectorKind::dense) return value.values;
    ordered_json rows = ordered_json::array();
    for (size_t i = 0; i < value.values.size(); i += vector.dim) {
      rows.push_back(std::vector<float>(value.values.begin() + static_cast<std::ptrdiff_t>(i),
                                        value.values.begin() + static_cast<std::ptrdiff_t>(i + vector.dim)));
    }
    return rows;
  };
  for (const auto& [name, value] : point.vectors) {
    if (name.empty()) {
      out["vector"] = value_json(name, value);
    } else {
      out["vectors"][name] = value_json(name, value);
    }
  }
  return out;
}

std::string point_text(const store::StoredPoint& point, size_t width) {
  constexpr size_t kIndent = 4;
  constexpr size_t kTextBytesMax = 480;
  if (point.payload.empty()) return "";
  ordered_json payload = base::parse_ordered_json(point.payload);
  std::string out;
  if (payload.contains("text") && payload["text"].is_string()) {
    std::string text = payload["text"].get<std::string>();
    if (text.size() > kTextBytesMax) {
      const size_t end = text.find_last_of(" \n", kTextBytesMax);
      text = base::repair_utf8(text.substr(0, end == std::string::npos ? kTextBytesMax : end)) + " ...";
    }
    out += wrap(text, width, kIndent);
    if (!out.ends_with('\n')) out += '\n';
    payload.erase("text");
  }
  std::string fields;
  for (const auto& [key, value] : payload.items()) {
    if (key == "document_hash") continue;
    fields += fmt::format("{}{}: {}", fields.empty() ? "" : ", ", key,
                          value.is_string() ? value.get<std::string>() : base::json_text(value));
  }
  if (!fields.empty()) out += faint(wrap(fields, width, kIndent));
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  return out;
}

}  // namespace sextant::cli
