// sextant/points.h: what goes into a collection of points and comes out of it: ids, vectors, payloads.
//
//   sextant::Point point{.id = sextant::PointId::of(7), .vectors = {{"", {{0.9f, 0.1f}}}}, .payload = R"({"a": 1})"};
// Threads: values.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sextant {

// What users call a point: an unsigned 64-bit number or a UUID (RFC 4122; any version, nil too). Numbers come before
// UUIDs, each in ascending order; UUIDs in the order of their bytes. key() sorts the same way.
class PointId {
 public:
  PointId() = default;  // number 0
  static PointId of(uint64_t number) { return PointId(false, 0, number); }
  static PointId of_uuid(const std::array<uint8_t, 16>& bytes);
  // The UUID's bytes as one number of 128 bits, most significant first.
  static PointId of_uuid(uint64_t high, uint64_t low) { return PointId(true, high, low); }

  // A decimal number, or a UUID as clients write it: with or without dashes, in braces or after "urn:uuid:", in upper
  // or lower case. nullopt for anything else.
  static std::optional<PointId> read(std::string_view text);
  // The same, or throws invalid_argument that names what was found.
  static PointId parse(std::string_view text);
  // Of a UUID alone.
  static std::optional<PointId> read_uuid(std::string_view text);
  // What key() made, or nullopt.
  static std::optional<PointId> of_key(std::string_view key);

  bool is_uuid() const { return is_uuid_; }
  uint64_t number() const { return low_; }  // REQUIRES: !is_uuid()
  uint64_t high() const { return high_; }   // of a UUID as of_uuid takes it; 0 for a number
  uint64_t low() const { return low_; }

  // 9 bytes for a number, 17 for a UUID: a tag, then the value, most significant byte first.
  std::string key() const;
  // "42", or the UUID in lower case with dashes.
  std::string text() const;
  // As it stands in JSON: 42, or the text in quotes.
  std::string json() const;

  auto operator<=>(const PointId&) const = default;

 private:
  PointId(bool is_uuid, uint64_t high, uint64_t low) : is_uuid_(is_uuid), high_(high), low_(low) {}

  bool is_uuid_ = false;
  uint64_t high_ = 0;
  uint64_t low_ = 0;
};

// One value of a named vector: dense: values [dim]; multi: values [n, dim], n >= 1; sparse: values [n] at the
// components indices [n], ascending.
struct VectorValue {
  std::vector<float> values;
  std::vector<uint32_t> indices;
  bool operator==(const VectorValue&) const = default;
};

// The name of a collection's only vector is "".
using NamedVectors = std::vector<std::pair<std::string, VectorValue>>;

struct Point {
  PointId id;
  NamedVectors vectors;
  std::string payload;      // a JSON object; empty: none
  uint64_t expires_ms = 0;  // milliseconds since 1970; 0: as the collection says
};

// A point as it is kept.
struct StoredPoint {
  PointId id;
  uint64_t version = 0;  // the number of the write that changed it last
  NamedVectors vectors;  // where they were asked for
  std::string payload;   // likewise; "{}" where it has none
  uint64_t expires_ms = 0;
};

enum class VectorKind : uint32_t {
  dense,   // one vector of dim components
  sparse,  // some components of 2^32
  multi,   // any number of vectors of dim components, compared by MaxSim
};
std::string_view name(VectorKind kind);

enum class Durability : uint32_t {
  sync,      // a write is acknowledged when it is on the disk
  periodic,  // ... when it is written to the system; the disk has it a second later
};
std::string_view name(Durability durability);
// sync, periodic. Throws invalid_argument otherwise.
Durability parse_durability(std::string_view name);

enum class WriteMode : uint8_t {
  upsert,  // replace or insert
  insert,  // leave those that are there as they are
  update,  // leave those that are not there
};

// What became of a write.
struct Written {
  uint64_t version = 0;  // of the points that it changed
  size_t inserted = 0;
  size_t updated = 0;
  size_t removed = 0;
  size_t missing = 0;  // ids that are not there, or, by WriteMode, were left as they are
};

// How a part of a collection was searched.
struct PartPlan {
  std::string part;  // "segment 3", "newest rows", "segment 4 (damaged)"
  uint64_t rows = 0;
  std::string plan;  // SearchPlan's name, "inverted lists" or "truth"
  bool exact = true;
  uint64_t compared = 0;  // vectors or codes that the query was compared with
  double expected_recall = 1;
};

}  // namespace sextant
