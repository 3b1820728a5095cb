#include "store/store_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::store {
namespace {

using nlohmann::json;

constexpr size_t kVectorsMax = 256;
constexpr size_t kNameBytesMax = 255;
constexpr std::string_view kKinds[] = {"dense", "sparse", "multi"};
constexpr std::string_view kDurabilities[] = {"sync", "periodic"};
constexpr std::string_view kIndexes[] = {"graph", "flat"};
constexpr std::string_view kCodes[] = {"automatic", "none", "sq4", "sq8", "sq1"};
constexpr std::string_view kTypes[] = {"float32", "float16", "bfloat16", "int8", "uint8", "bit"};

template <size_t N>
uint32_t find_name(const std::string_view (&names)[N], const std::string& name, const char* field) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<uint32_t>(i);
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: '{}', expected one of {}", field, name, fmt::join(names, ", ")));
}

json to_json(const VectorConfig& vector) {
  return {{"name", vector.name},
          {"slot", vector.slot},
          {"kind", name(vector.kind)},
          {"dim", vector.dim},
          {"metric", sextant::name(vector.metric)},
          {"type", kTypes[static_cast<size_t>(vector.type)]},
          {"index", kIndexes[static_cast<size_t>(vector.index)]},
          {"codes", kCodes[static_cast<size_t>(vector.codes)]},
          {"degree", vector.degree},
          {"build_breadth", vector.build_breadth}};
}

VectorConfig vector_of(const json& value) {
  VectorConfig vector;
  vector.name = value.at("name").get<std::string>();
  vector.slot = value.at("slot").get<uint16_t>();
  vector.kind = static_cast<VectorKind>(find_name(kKinds, value.at("kind").get<std::string>(), "kind"));
  vector.dim = value.at("dim").get<size_t>();
  vector.metric = parse_metric(value.at("metric").get<std::string>());
  vector.type = static_cast<ElementType>(find_name(kTypes, value.at("type").get<std::string>(), "type"));
  vector.index = static_cast<IndexKind>(find_name(kIndexes, value.at("index").get<std::string>(), "index"));
  vector.codes = static_cast<CodeKind>(find_name(kCodes, value.at("codes").get<std::string>(), "codes"));
  vector.degree = value.at("degree").get<size_t>();
  vector.build_breadth = value.at("build_breadth").get<size_t>();
  return vector;
}

void check(const VectorConfig& vector) {
  auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::invalid_argument, fmt::format("vector '{}': {}", vector.name, what));
  };
  if (vector.name.size() > kNameBytesMax)
    fail(fmt::format("a name of {} bytes, at most {}", vector.name.size(), kNameBytesMax));
  // It is kept as JSON, which would make another of it.
  if (!base::is_valid_utf8(vector.name)) fail("a name that is no UTF-8");
  if (vector.kind == VectorKind::sparse) {
    if (vector.dim != 0) fail("a sparse vector has no dim");
    if (vector.metric != Metric::dot)
      fail(fmt::format("metric {}, sparse vectors are compared by dot", name(vector.metric)));
    return;
  }
  if (vector.dim < 1 || vector.dim > 65536) fail(fmt::format("dim {}, expected 1 to 65,536", vector.dim));
  if ((vector.type == ElementType::bit) != (vector.metric == Metric::hamming)) {
    fail("bits are compared by hamming, and nothing else is");
  }
  if (vector.kind == VectorKind::multi && !higher_is_nearer(vector.metric)) {
    fail(fmt::format("metric {}, several vectors a point are compared by cosine or dot", name(vector.metric)));
  }
  if (vector.degree < 4 || vector.degree > 128) fail(fmt::format("degree {}, expected 4 to 128", vector.degree));
  if (vector.build_breadth < 1 || vector.build_breadth > 10000) {
    fail(fmt::format("build_breadth {}, expected 1 to 10,000", vector.build_breadth));
  }
  if (vector.codes == CodeKind::automatic || vector.codes == CodeKind::none) return;
  const std::string_view codes = kCodes[static_cast<size_t>(vector.codes)];
  if (vector.metric == Metric::l1 || vector.metric == Metric::hamming) {
    fail(fmt::format("codes {}, expected automatic or none for metric {}", codes, name(vector.metric)));
  }
  if (vector.index == IndexKind::flat && vector.codes != CodeKind::sq8) {
    fail(fmt::format("codes {}, expected automatic, none or sq8 for a flat index", codes));
  }
}

}  // namespace

const VectorConfig* StoreConfig::find(std::string_view wanted) const {
  const auto at = std::find_if(vectors.begin(), vectors.end(), [&](const VectorConfig& v) { return v.name == wanted; });
  return at == vectors.end() ? nullptr : &*at;
}

const VectorConfig& StoreConfig::at(std::string_view wanted) const {
  if (const VectorConfig* vector = find(wanted)) return *vector;
  std::vector<std::string> names;
  for (const VectorConfig& vector : vectors) names.push_back("'" + vector.name + "'");
  throw Error(ErrorCode::not_found,
              fmt::format("no vector '{}' in the collection, which has {}", wanted, fmt::join(names, ", ")));
}

void check_slot(const VectorConfig& vector, uint16_t expected) {
  if (vector.slot == expected) return;
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("vector '{}' is in slot {}, expected slot {}: another took its place since (the collection was "
                  "re-embedded, say); open the collection again",
                  vector.name, vector.slot, expected));
}

void check(const StoreConfig& config) {
  if (config.vectors.size() > kVectorsMax) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} vectors a point, expected at most {}", config.vectors.size(), kVectorsMax));
  }
  if (config.tail_rows_max < 1 || config.tail_rows_max > (size_t{1} << 24)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("tail_rows_max {}, expected 1 to {}", config.tail_rows_max, size_t{1} << 24));
  }
  // Times of expiry are milliseconds in 64 bits, from now on.
  if (config.ttl_seconds > UINT64_MAX / 2000) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("ttl_seconds {}, expected at most {}", config.ttl_seconds, UINT64_MAX / 2000));
  }
  for (size_t i = 0; i < config.vectors.size(); ++i) {
    check(config.vectors[i]);
    for (size_t j = 0; j < i; ++j) {
      if (config.vectors[i].name == config.vectors[j].name) {
        throw Error(ErrorCode::invalid_argument, fmt::format("vector '{}' is there twice", config.vectors[i].name));
      }
    }
  }
}

StoreConfig changed(const StoreConfig& before, const VectorsChange& change) {
  StoreConfig config = before;
  auto take = [&](std::string_view name) {
    const VectorConfig vector = config.at(name);
    std::erase_if(config.vectors, [&](const VectorConfig& other) { return other.slot == vector.slot; });
    return vector;
  };
  for (const std::string& name : change.remove) config.dropped_slots.push_back(take(name).slot);
  for (const VectorsChange::Replacement& replacement : change.replace) {
    const uint16_t slot = config.at(replacement.name).slot;
    VectorConfig by = take(replacement.by);
    by.name = replacement.name;
    const auto old = std::find_if(config.vectors.begin(), config.vectors.end(),
                                  [&](const VectorConfig& vector) { return vector.slot == slot; });
    if (old == config.vectors.end()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("vector '{}' replaced by itself, expected another", replacement.name));
    }
    *old = std::move(by);
    config.dropped_slots.push_back(slot);
  }
  for (VectorConfig vector : change.add) {
    if (config.next_slot == UINT16_MAX) {
      throw Error(ErrorCode::exhausted,
                  fmt::format("vector '{}': {} vectors were made and removed, which is all a collection may have",
                              vector.name, UINT16_MAX - 1));
    }
    vector.slot = config.next_slot++;
    config.vectors.push_back(std::move(vector));
  }
  if (change.metadata) config.metadata = *change.metadata;
  check(config);
  return config;
}

std::string write_config(const StoreConfig& config) {
  json vectors = json::array();
  for (const VectorConfig& vector : config.vectors) vectors.push_back(to_json(vector));
  return base::json_text(json{{"vectors", vectors},
                              {"durability", name(config.durability)},
                              {"ttl_seconds", config.ttl_seconds},
                              {"tail_rows_max", config.tail_rows_max},
                              {"next_slot", config.next_slot},
                              {"dropped_slots", config.dropped_slots},
                              {"payload_schema", payload_schema_json(config.payload_schema)},
                              {"metadata", config.metadata}});
}

StoreConfig read_config(std::string_view text, const std::string& where) {
  try {
    const json value = base::parse_json(text);
    StoreConfig config;
    for (const json& vector : value.at("vectors")) config.vectors.push_back(vector_of(vector));
    config.durability = parse_durability(value.at("durability").get<std::string>());
    config.ttl_seconds = value.at("ttl_seconds").get<uint64_t>();
    config.tail_rows_max = value.at("tail_rows_max").get<size_t>();
    config.next_slot = value.at("next_slot").get<uint16_t>();
    // Collections that are older than the removal of vectors have none.
    config.dropped_slots = value.value("dropped_slots", std::vector<uint16_t>());
    config.payload_schema = parse_payload_schema(value.at("payload_schema").get<std::string>());
    config.metadata = value.at("metadata").get<std::string>();
    check(config);
    return config;
  } catch (const json::exception& error) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: the collection's configuration: {}", where, error.what()));
  } catch (const Error& error) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: the collection's configuration: {}", where, error.what()));
  }
}

}  // namespace sextant::store

namespace sextant {

std::string_view name(VectorKind kind) { return store::kKinds[static_cast<size_t>(kind)]; }
std::string_view name(Durability durability) { return store::kDurabilities[static_cast<size_t>(durability)]; }
Durability parse_durability(std::string_view name) {
  return static_cast<Durability>(store::find_name(store::kDurabilities, std::string(name), "durability"));
}

}  // namespace sextant
