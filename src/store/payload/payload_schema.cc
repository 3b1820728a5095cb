#include "store/payload/payload_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "sextant/error.h"
#include "store/payload/json_shown.h"

namespace sextant::store {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::array<std::string_view, 8> kKinds = {"keyword",  "integer", "float", "bool",
                                                    "datetime", "geo",     "text",  "uuid"};
constexpr std::array<std::string_view, 4> kTokenizers = {"prefix", "whitespace", "word", "multilingual"};
constexpr std::array<std::string_view, 3> kMemories = {"cold", "cached", "pinned"};

std::string shown(const Json& json) {
  if (json.is_string()) return shown_string(json.get_ref<const std::string&>());
  if (json.is_array()) return "a list";
  if (json.is_object()) return "an object";
  return json.dump();
}

[[noreturn]] void expected(std::string_view place, std::string_view what, const Json& found) {
  throw Error(ErrorCode::invalid_argument, fmt::format("{}: expected {}, found {}", place, what, shown(found)));
}

template <size_t N>
size_t choice(std::string_view place, const std::array<std::string_view, N>& names, const Json& json) {
  if (json.is_string()) {
    const auto found = std::find(names.begin(), names.end(), json.get_ref<const std::string&>());
    if (found != names.end()) return static_cast<size_t>(found - names.begin());
  }
  expected(place, fmt::format("one of {}", fmt::join(names, ", ")), json);
}

bool flag(std::string_view place, const Json& json) {
  if (!json.is_boolean()) expected(place, "true or false", json);
  return json.get<bool>();
}

uint64_t length(std::string_view place, const Json& json) {
  if (!json.is_number_unsigned()) expected(place, "an unsigned integer", json);
  return json.get<uint64_t>();
}

[[noreturn]] void unsupported(std::string_view place, std::string_view what) {
  throw Error(ErrorCode::unsupported, fmt::format("{}: {}", place, what));
}

// A language's name, or {languages, custom}.
std::vector<std::string> stopwords(const std::string& place, const Json& json) {
  constexpr std::string_view kNone = "lists of stop words by language are not built in, expected {\"custom\": [...]}";
  if (json.is_string()) unsupported(place, kNone);
  if (!json.is_object()) expected(place, "an object", json);
  std::vector<std::string> out;
  for (const auto& [field, value] : json.items()) {
    if (value.is_null()) continue;
    const std::string within = place + '.' + field;
    if (field != "languages" && field != "custom") {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: there is no field {}, expected languages, custom", place, shown_string(field)));
    }
    if (!value.is_array()) expected(within, "a list of strings", value);
    for (size_t i = 0; i < value.size(); ++i) {
      if (!value[i].is_string()) expected(fmt::format("{}[{}]", within, i), "a string", value[i]);
      if (field == "languages") unsupported(within, kNone);
      out.push_back(value[i].get<std::string>());
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// Takes one member of an object; false where this kind of field has none of that name.
bool take(FieldSchema& out, const std::string& place, std::string_view field, const Json& value) {
  const FieldKind kind = out.kind;
  const bool number = kind == FieldKind::integer || kind == FieldKind::floating || kind == FieldKind::datetime;
  if (field == "on_disk") {
    out.on_disk = flag(place, value);
  } else if (field == "enable_hnsw") {
    out.enable_hnsw = flag(place, value);
  } else if (field == "memory") {
    out.memory = kMemories[choice(place, kMemories, value)];
  } else if (field == "is_tenant" && (kind == FieldKind::keyword || kind == FieldKind::uuid)) {
    out.is_tenant = flag(place, value);
  } else if (field == "prefix" && kind == FieldKind::keyword) {
    out.prefix = flag(place, value);
  } else if (field == "is_principal" && number) {
    out.is_principal = flag(place, value);
  } else if (field == "lookup" && kind == FieldKind::integer) {
    out.lookup = flag(place, value);
  } else if (field == "range" && kind == FieldKind::integer) {
    out.range = flag(place, value);
  } else if (kind != FieldKind::text) {
    return false;
  } else if (field == "tokenizer") {
    out.tokenizer = static_cast<TokenizerKind>(choice(place, kTokenizers, value));
  } else if (field == "min_token_len") {
    out.min_token_len = length(place, value);
  } else if (field == "max_token_len") {
    out.max_token_len = length(place, value);
  } else if (field == "lowercase") {
    out.lowercase = flag(place, value);
  } else if (field == "ascii_folding") {
    out.ascii_folding = flag(place, value);
  } else if (field == "phrase_matching") {
    out.phrase_matching = flag(place, value);
  } else if (field == "stopwords") {
    out.stopwords = stopwords(place, value);
  } else if (field == "stemmer") {
    if (!value.is_object() || value.value("type", Json()) != Json("none")) {
      unsupported(place, "stemmers are not built in, expected {\"type\": \"none\"}");
    }
  } else {
    return false;
  }
  return true;
}

FieldSchema field_schema(const Json& json, const std::string& name) {
  FieldSchema out;
  if (json.is_string()) {
    out.kind = static_cast<FieldKind>(choice(name, kKinds, json));
    return out;
  }
  if (!json.is_object()) expected(name, fmt::format("an object or one of {}", fmt::join(kKinds, ", ")), json);
  out.has_params = true;
  if (!json.contains("type")) throw Error(ErrorCode::invalid_argument, name + ": field 'type' is missing");
  out.kind = static_cast<FieldKind>(choice(name + ".type", kKinds, json["type"]));
  for (const auto& [field, value] : json.items()) {
    if (field == "type" || value.is_null()) continue;
    if (!take(out, name + '.' + field, field, value)) {
      throw Error(ErrorCode::invalid_argument, fmt::format("{}: an index of type {} has no field {}", name,
                                                           kKinds[static_cast<size_t>(out.kind)], shown_string(field)));
    }
  }
  if (!out.has_lookup() && !out.has_range()) {
    throw Error(ErrorCode::invalid_argument, name + ": expected 'lookup' or 'range' to be true");
  }
  if (out.min_token_len && out.max_token_len && *out.min_token_len > *out.max_token_len) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: min_token_len is {}, expected at most max_token_len, {}",
                                                         name, *out.min_token_len, *out.max_token_len));
  }
  return out;
}

Json parsed(std::string_view json, std::string_view name) {
  try {
    constexpr int kDepthMax = 8;
    return base::parse_json(json, kDepthMax, [&] {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: lists and objects lie more than {} deep in each other", name, kDepthMax));
    });
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: not valid JSON: {}", name, error.what()));
  }
}

OrderedJson json_of(const FieldSchema& schema) {
  const std::string_view kind = kKinds[static_cast<size_t>(schema.kind)];
  if (!schema.has_params) return kind;
  OrderedJson out = {{"type", kind}};
  const auto put = [&](const char* field, const auto& value) {
    if (value) out[field] = *value;
  };
  put("is_tenant", schema.is_tenant);
  put("prefix", schema.prefix);
  put("lookup", schema.lookup);
  put("range", schema.range);
  put("is_principal", schema.is_principal);
  if (schema.tokenizer) out["tokenizer"] = kTokenizers[static_cast<size_t>(*schema.tokenizer)];
  put("min_token_len", schema.min_token_len);
  put("max_token_len", schema.max_token_len);
  put("lowercase", schema.lowercase);
  put("ascii_folding", schema.ascii_folding);
  put("phrase_matching", schema.phrase_matching);
  if (schema.stopwords) out["stopwords"] = {{"custom", *schema.stopwords}};
  put("on_disk", schema.on_disk);
  put("memory", schema.memory);
  put("enable_hnsw", schema.enable_hnsw);
  return out;
}

}  // namespace

std::string_view name(FieldKind kind) { return kKinds[static_cast<size_t>(kind)]; }

FieldSchema parse_field_schema(std::string_view json, std::string_view name) {
  return field_schema(parsed(json, name), std::string(name));
}

FieldSchema read_field_schema(std::string_view text, std::string_view name) {
  const bool is_json = text.starts_with('{') || text.starts_with('"');
  return parse_field_schema(is_json ? std::string(text) : base::json_text(nlohmann::json(text)), name);
}

std::string field_schema_json(const FieldSchema& schema) { return base::json_text(json_of(schema)); }

void PayloadSchema::set(const KeyPath& path, const FieldSchema& field) {
  if (fields_.size() == kFieldsMax && !fields_.contains(path.text())) {
    throw Error(ErrorCode::exhausted,
                fmt::format("'{}' would be one field more than the {} that can be indexed", path.text(), kFieldsMax));
  }
  fields_[path.text()] = field;
}

const FieldSchema* PayloadSchema::find(const std::string& path) const {
  const auto found = fields_.find(path);
  return found == fields_.end() ? nullptr : &found->second;
}

PayloadSchema parse_payload_schema(std::string_view json, std::string_view name) {
  const Json root = parsed(json, name);
  if (!root.is_object()) expected(name, "an object", root);
  PayloadSchema out;
  for (const auto& [path, field] : root.items()) {
    out.set(KeyPath::parse(path), field_schema(field, fmt::format("{}.{}", name, path)));
  }
  return out;
}

std::string payload_schema_json(const PayloadSchema& schema) {
  OrderedJson out = OrderedJson::object();
  for (const auto& [path, field] : schema.fields()) out[path] = json_of(field);
  return base::json_text(out);
}

}  // namespace sextant::store
