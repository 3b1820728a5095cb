#include "store/point_id.h"

#include <fmt/format.h>

#include <charconv>

#include "sextant/error.h"
#include "store/key_bytes.h"

namespace sextant {
namespace {

using store::append_big_endian;
using store::take_big_endian;

constexpr char kNumberTag = 1;
constexpr char kUuidTag = 2;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

PointId PointId::of_uuid(const std::array<uint8_t, 16>& bytes) {
  std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  uint64_t high = 0, low = 0;
  take_big_endian(view, high);
  take_big_endian(view, low);
  return PointId(true, high, low);
}

std::optional<PointId> PointId::read_uuid(std::string_view text) {
  constexpr std::string_view kUrn = "urn:uuid:";
  if (text.starts_with(kUrn)) text.remove_prefix(kUrn.size());
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') text = text.substr(1, 36);
  const bool dashes = text.size() == 36;
  if (!dashes && text.size() != 32) return std::nullopt;
  uint64_t halves[2] = {0, 0};
  size_t digits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (dashes && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = hex_value(text[i]);
    if (value < 0) return std::nullopt;
    halves[digits / 16] = halves[digits / 16] << 4 | static_cast<uint64_t>(value);
    ++digits;
  }
  return PointId(true, halves[0], halves[1]);
}

std::optional<PointId> PointId::read(std::string_view text) {
  // 32 digits are a UUID without dashes; a number has 20 at most.
  if (std::optional<PointId> uuid = read_uuid(text)) return uuid;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return of(number);
}

PointId PointId::parse(std::string_view text) {
  if (std::optional<PointId> id = read(text)) return *id;
  throw Error(ErrorCode::invalid_argument, fmt::format("'{}' is no point id: expected a number from 0 to {} or a UUID",
                                                       text.substr(0, 64), UINT64_MAX));
}

std::optional<PointId> PointId::of_key(std::string_view key) {
  const char tag = key.empty() ? '\0' : key.front();
  if (key.size() != (tag == kUuidTag ? 17 : 9) || (tag != kUuidTag && tag != kNumberTag)) return std::nullopt;
  key.remove_prefix(1);
  uint64_t high = 0, low = 0;
  if (tag == kUuidTag) take_big_endian(key, high);
  take_big_endian(key, low);
  return PointId(tag == kUuidTag, high, low);
}

std::string PointId::key() const {
  std::string out;
  out.push_back(is_uuid_ ? kUuidTag : kNumberTag);
  if (is_uuid_) append_big_endian(out, high_);
  append_big_endian(out, low_);
  return out;
}

std::string PointId::text() const {
  if (!is_uuid_) return fmt::format("{}", low_);
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high_ >> 32, high_ >> 16 & 0xFFFF, high_ & 0xFFFF,
                     low_ >> 48, low_ & 0xFFFFFFFFFFFFu);
}

std::string PointId::json() const { return is_uuid_ ? '"' + text() + '"' : text(); }

}  // namespace sextant
