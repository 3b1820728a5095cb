// store/payload/payload_schema.h: which fields of payloads are indexed, and how, as Qdrant's REST API writes it:
// "keyword" or {"type": "keyword", ...}.
//
// What clients sent is kept and given back, also where it changes nothing here: is_tenant, is_principal, on_disk,
// memory, enable_hnsw, prefix (every keyword index finds prefixes) and phrase_matching (phrases are always found).
// Stemmers and lists of stop words by language are refused as unsupported.
// Threads: values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/payload/key_path.h"

namespace sextant::store {

enum class FieldKind : uint8_t { keyword, integer, floating, boolean, datetime, geo, text, uuid };
// As the API says it: "keyword", "integer", "float", "bool", ...
std::string_view name(FieldKind kind);

enum class TokenizerKind : uint8_t { prefix, whitespace, word, multilingual };

struct FieldSchema {
  FieldKind kind = FieldKind::keyword;
  bool has_params = false;  // written as an object

  // keyword, uuid
  std::optional<bool> is_tenant;
  // keyword
  std::optional<bool> prefix;
  // integer
  std::optional<bool> lookup, range;
  // integer, float, datetime
  std::optional<bool> is_principal;
  // text
  std::optional<TokenizerKind> tokenizer;
  std::optional<uint64_t> min_token_len, max_token_len;
  std::optional<bool> lowercase, ascii_folding, phrase_matching;
  std::optional<std::vector<std::string>> stopwords;  // sorted, each once
  // all
  std::optional<bool> on_disk, enable_hnsw;
  std::optional<std::string> memory;

  bool has_lookup() const { return lookup.value_or(true); }
  bool has_range() const { return range.value_or(true); }
  bool operator==(const FieldSchema&) const = default;
};

// Throws invalid_argument or unsupported that names the place, NAME standing for the whole.
FieldSchema parse_field_schema(std::string_view json, std::string_view name = "field_schema");
// The same, where a word such as keyword needs no quotes, as people write it.
FieldSchema read_field_schema(std::string_view text, std::string_view name);
std::string field_schema_json(const FieldSchema& schema);

class PayloadSchema {
 public:
  static constexpr size_t kFieldsMax = 256;

  // Replaces what there was. Throws exhausted beyond kFieldsMax.
  void set(const KeyPath& path, const FieldSchema& field);
  bool remove(const KeyPath& path) { return fields_.erase(path.text()) > 0; }
  // By the path as KeyPath::text() writes it; nullptr where there is none.
  const FieldSchema* find(const std::string& path) const;
  const std::map<std::string, FieldSchema>& fields() const { return fields_; }

  bool operator==(const PayloadSchema&) const = default;

 private:
  std::map<std::string, FieldSchema> fields_;
};

// {"a.b": "keyword", ...}. Throws as parse_field_schema does.
PayloadSchema parse_payload_schema(std::string_view json, std::string_view name = "payload_schema");
std::string payload_schema_json(const PayloadSchema& schema);

}  // namespace sextant::store
