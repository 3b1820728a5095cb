// store/point_id.h: what users call a point: an unsigned 64-bit number or a UUID (RFC 4122; any version, nil too).
//
// Numbers come before UUIDs, each in ascending order; UUIDs in the order of their bytes. key() sorts the same way.
// Threads: a value.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sextant::store {

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

struct PointIdHash {
  size_t operator()(const PointId& id) const noexcept {
    uint64_t mixed =
        (id.high() + 0x9E3779B97F4A7C15u * (1 + uint64_t{id.is_uuid()})) ^ (id.low() * 0xD6E8FEB86659FD93u);
    mixed ^= mixed >> 32;
    return static_cast<size_t>(mixed * 0xD6E8FEB86659FD93u);
  }
};

}  // namespace sextant::store
