// store/operation.h: what can be done to points. Each operation is there whole or not at all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "store/point_id.h"

namespace sextant::store {

using sextant::NamedVectors;
using sextant::Point;
using sextant::VectorValue;
using sextant::WriteMode;
using sextant::Written;

// What the store itself says of a point beside what its users are told.
struct StoredPoint : sextant::StoredPoint {
  std::vector<uint16_t> slots;  // of its vectors, ascending; those of vectors that were removed may be among them
};

struct UpsertPoints {
  std::vector<Point> points;  // of equal ids the last one counts, the first where the mode is insert
  WriteMode mode = WriteMode::upsert;
  // Where it has a value, every point must have this version (0: not be there), or the operation fails: invalid.
  std::optional<uint64_t> expected_version = std::nullopt;
  // Points that go in the same step, such as what a document had and has no more; counted in Written::removed alone.
  std::vector<PointId> remove = {};
  // Where it has a value, the vector "" must be in this slot, or the operation fails: invalid. Whoever makes vectors
  // with a model says so which ones they belong to.
  std::optional<uint16_t> expected_slot = std::nullopt;
};

// Sets the named vectors of points, and leaves their others. Points that are not there are counted as missing.
struct UpdateVectors {
  std::vector<Point> points;  // ids and vectors
  // Of each point, or none: one that has another version now is left as it is, and counted as missing.
  std::vector<uint64_t> expected_versions = {};
};

struct DeleteVectors {
  std::vector<PointId> ids;
  std::vector<std::string> names;
};

enum class PayloadChange : uint8_t {
  merge,      // keys of the given payload replace the point's
  overwrite,  // the given payload replaces the point's
  remove,     // keys, as dotted paths, are taken away
  clear,      // all are
};

struct ChangePayload {
  std::vector<PointId> ids;
  PayloadChange change = PayloadChange::merge;
  std::string payload;            // of merge and overwrite: a JSON object
  std::string key;                // of merge: a dotted path to merge into, "" for the payload itself
  std::vector<std::string> keys;  // of remove
};

struct DeletePoints {
  std::vector<PointId> ids;
  // Where it has a value, only those whose time came by then, in milliseconds since 1970.
  std::optional<uint64_t> expired_by_ms = std::nullopt;
};

using Operation = std::variant<UpsertPoints, UpdateVectors, DeleteVectors, ChangePayload, DeletePoints>;

}  // namespace sextant::store
