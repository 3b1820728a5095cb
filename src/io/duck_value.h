// io/duck_value.h: what stands in DuckDB's vectors, as JSON, as numbers, as text.
//
//   integers, decimals      numbers; what no 64-bit integer holds is a string of digits
//   floats                  the shortest decimal that reads back; null for NaN and infinities
//   dates and times         RFC 3339: "2024-01-02", "2024-01-02T03:04:05.5Z" (without a zone: UTC), "03:04:05"
//   intervals               ISO 8601: "P1Y2M3DT4H5M6.5S"
//   text, enumerations      strings; columns that are JSON, as what they hold
//   uuid, bits, blobs       strings: "0b4c...", "0101", base64
//   lists, arrays           lists
//   structures, maps        objects; a map whose keys are lists or structures: a list of {"key", "value"}
//   unions                  the value that is meant
// Threads: any number read; a vector lives as long as its chunk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/duckdb_api.h"

namespace sextant::io {

// A column's type with everything inside it.
struct DuckType {
  duck::TypeId id = duck::TypeId::invalid;
  bool is_json = false;  // a text that is JSON
  bool is_known = true;  // false: it, or something inside it, can be read as to_json(column) alone
  uint8_t scale = 0;     // of a decimal
  duck::TypeId stored = duck::TypeId::invalid;  // what a decimal or an enumeration is kept as
  uint64_t array_size = 0;
  std::vector<std::string> names;  // of a structure's children, an enumeration's values
  std::vector<DuckType> children;  // a list's one, a map's key and value, a structure's, a union's members

  // "list of float32", for messages.
  std::string name() const;
};

// Takes nothing over. A type that nests deeper than 64 is not known.
DuckType describe_type(const duck::Api& api, duck::LogicalType type);

class DuckVector {
 public:
  DuckVector(const duck::Api& api, const DuckType& type, duck::Vector vector);

  const DuckType& type() const { return *type_; }
  bool is_null(uint64_t row) const { return validity_ != nullptr && (validity_[row / 64] >> (row % 64) & 1) == 0; }

  void append_json(std::string& out, uint64_t row) const;
  // The bytes of a text or a blob.
  std::string_view bytes(uint64_t row) const;
  // An integer of 64 bits or fewer, a UUID or a text as what names a row; nothing for other types and for negative
  // integers.
  std::optional<std::string> as_id(uint64_t row) const;

  // A list or an array of numbers: where its elements are, and one of them.
  static bool holds_numbers(const DuckType& type);
  duck::ListEntry list(uint64_t row) const;
  const DuckVector& elements() const { return children_[0]; }
  // Elements [first, first + count) of a vector of numbers. False where one of them is null.
  bool read_floats(uint64_t first, uint64_t count, float* out) const;

 private:
  template <class Value>
  Value at(uint64_t row) const {
    return static_cast<const Value*>(data_)[row];
  }
  void append_value(std::string& out, uint64_t row) const;
  void append_map(std::string& out, uint64_t row) const;
  duck::Wide decimal(uint64_t row) const;  // in units of its scale
  std::string_view enumeration(uint64_t row) const;

  const DuckType* type_;
  const void* data_;
  const uint64_t* validity_;
  std::vector<DuckVector> children_;
};

}  // namespace sextant::io
