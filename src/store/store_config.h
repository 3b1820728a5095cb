// store/store_config.h: what a collection of points is made of: its named vectors, how durable its writes are, and what
// its users keep beside them.
//
// It is written as JSON into the truth and into snapshots; unknown fields are kept out, so that a later version's
// collection is refused by its format's number and not half understood.     Threads: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/index.h"
#include "sextant/points.h"
#include "store/payload/payload_schema.h"

namespace sextant::store {

using sextant::Durability;
using sextant::VectorKind;

// A space of vectors that each point of the collection may have one value in.
struct VectorConfig {
  std::string name;  // "" is a name like others: that of the only vector
  // Which it is in keys of the truth; given when it is made, never twice.
  uint16_t slot = 0;
  VectorKind kind = VectorKind::dense;
  size_t dim = 0;  // 0 for sparse
  Metric metric = Metric::cosine;
  ElementType type = ElementType::float32;
  IndexKind index = IndexKind::graph;
  CodeKind codes = CodeKind::automatic;
  size_t degree = 32;
  size_t build_breadth = 150;
  bool operator==(const VectorConfig&) const = default;
};

struct StoreConfig {
  std::vector<VectorConfig> vectors;
  Durability durability = Durability::sync;
  uint64_t ttl_seconds = 0;  // of points that say nothing else; 0: they stay
  // From so many newest rows on an index is built of them.
  size_t tail_rows_max = 8192;
  uint16_t next_slot = 1;
  // Of vectors that were removed, while rows of the truth may still have some.
  std::vector<uint16_t> dropped_slots = {};
  PayloadSchema payload_schema;  // which fields are indexed, and how their words are found
  // The caller's own, as one JSON object: the model, its prompts and whatever belongs to it.
  std::string metadata = "{}";

  const VectorConfig* find(std::string_view name) const;
  // Throws not_found that names those that there are.
  const VectorConfig& at(std::string_view name) const;
};

// Throws invalid_argument where a vector is in another slot than whoever asks has known it in.
void check_slot(const VectorConfig& vector, uint16_t expected);

// Throws invalid_argument naming the field: dims, metrics that do not go together, names used twice.
void check(const StoreConfig& config);

// How the vectors of a collection change, and what its users keep beside them: in one step, in this order.
struct VectorsChange {
  std::vector<std::string> remove = {};  // names
  struct Replacement {
    std::string name;
    std::string by;  // another vector, which takes this name and the place of the one that had it; that one goes
  };
  std::vector<Replacement> replace = {};
  std::vector<VectorConfig> add = {};  // their slots are given
  std::optional<std::string> metadata = std::nullopt;
  // Where it has a value: nothing is done while a row from row_begin on lacks the vector NAME.
  struct Completeness {
    std::string name;
    uint64_t row_begin = 0;
  };
  std::optional<Completeness> complete = std::nullopt;
};
// Throws not_found, invalid_argument, exhausted (slots).
StoreConfig changed(const StoreConfig& config, const VectorsChange& change);

std::string write_config(const StoreConfig& config);
// Throws corrupted; WHERE begins the message.
StoreConfig read_config(std::string_view json, const std::string& where);

}  // namespace sextant::store
