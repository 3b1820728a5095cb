#include "io/duck_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <limits>

#include "io/json_text.h"
#include "io/jsonl.h"

namespace sextant::io {
namespace {

using duck::TypeId;

constexpr size_t kTypeDepthMax = 64;
constexpr int64_t kMicrosecond = 1'000'000;         // of a second
constexpr int64_t kNanosecond = 1'000'000'000;      // of a second
constexpr int64_t kZoneSecondsMax = 16 * 3600 - 1;  // what a time's zone is counted down from

using Wide = duck::Wide;
__extension__ typedef unsigned __int128 UnsignedWide;

Wide wide(duck::Int128 value) { return static_cast<Wide>(static_cast<UnsignedWide>(value.upper) << 64 | value.lower); }

std::string take_text(const duck::Api& api, char* text) {
  std::string out = text == nullptr ? "" : text;
  api.free(text);
  return out;
}

// Digits of VALUE without a sign.
std::string digits_of(UnsignedWide value) {
  std::string out;
  do {
    out += static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  std::reverse(out.begin(), out.end());
  return out;
}

UnsignedWide magnitude(Wide value) {
  return value < 0 ? UnsignedWide{0} - static_cast<UnsignedWide>(value) : static_cast<UnsignedWide>(value);
}

// Readers of JSON hold integers of 64 bits: a longer one is a string.
void append_integer(std::string& out, bool negative, UnsignedWide value) {
  const UnsignedWide limit = negative ? UnsignedWide{1} << 63 : UnsignedWide{std::numeric_limits<uint64_t>::max()};
  const bool quoted = value > limit;
  if (quoted) out += '"';
  if (negative) out += '-';
  out += digits_of(value);
  if (quoted) out += '"';
}

void append_decimal(std::string& out, Wide value, size_t scale) {
  if (scale == 0) return append_integer(out, value < 0, magnitude(value));
  std::string digits = digits_of(magnitude(value));
  if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
  if (value < 0) out += '-';
  out.append(digits, 0, digits.size() - scale).append(".").append(digits, digits.size() - scale);
}

// ".5", ".000001": what is left of a second, in units of which PER_SECOND make one; nothing where nothing is left.
void append_fraction(std::string& out, int64_t part, int64_t per_second) {
  if (part == 0) return;
  std::string digits = fmt::format("{}", per_second + part);  // the leading 1 keeps the zeros
  digits[0] = '.';
  digits.resize(digits.find_last_not_of('0') + 1);
  out += digits;
}

int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

// Civil date of days since 1970-01-01 in the Gregorian calendar, carried back before its beginning: years are counted
// from March, so that the leap day is a year's last.
void append_date(std::string& out, int64_t days) {
  const int64_t shifted = days + 719468;  // since 0000-03-01
  const int64_t era = floor_divide(shifted, 146097);
  const int64_t day_of_era = shifted - era * 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  if (year < 0) out += '-';
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}", std::abs(year), month, day);
}

void append_time_of_day(std::string& out, int64_t units, int64_t per_second) {
  const int64_t seconds = units / per_second;
  fmt::format_to(std::back_inserter(out), "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  append_fraction(out, units % per_second, per_second);
}

// Of dates and times, the ends of the range mean infinities.
template <class Value>
bool append_infinity(std::string& out, Value value) {
  if (value == std::numeric_limits<Value>::max()) {
    out += "infinity";
  } else if (value == -std::numeric_limits<Value>::max()) {
    out += "-infinity";
  } else {
    return false;
  }
  return true;
}

void append_timestamp(std::string& out, int64_t units, int64_t per_second) {
  if (append_infinity(out, units)) return;
  const int64_t days = floor_divide(units, 86400 * per_second);
  append_date(out, days);
  out += 'T';
  // By remainders: the number of days can be of a range whose product with a day's units is not.
  const int64_t rest = units % (86400 * per_second);
  append_time_of_day(out, rest < 0 ? rest + 86400 * per_second : rest, per_second);
  out += 'Z';
}

void append_interval(std::string& out, const duck::Interval& value) {
  const size_t start = out.size();
  out += 'P';
  const int64_t months = value.months;
  if (months / 12 != 0) fmt::format_to(std::back_inserter(out), "{}Y", months / 12);
  if (months % 12 != 0) fmt::format_to(std::back_inserter(out), "{}M", months % 12);
  if (value.days != 0) fmt::format_to(std::back_inserter(out), "{}D", value.days);
  if (value.microseconds != 0) {
    out += 'T';
    const int64_t seconds = value.microseconds / kMicrosecond;
    if (seconds / 3600 != 0) fmt::format_to(std::back_inserter(out), "{}H", seconds / 3600);
    if (seconds / 60 % 60 != 0) fmt::format_to(std::back_inserter(out), "{}M", seconds / 60 % 60);
    const int64_t part = value.microseconds % kMicrosecond;
    if (seconds % 60 != 0 || part != 0) {
      if (value.microseconds < 0) out += '-';
      fmt::format_to(std::back_inserter(out), "{}", std::abs(seconds % 60));
      append_fraction(out, std::abs(part), kMicrosecond);
      out += 'S';
    }
  }
  if (out.size() == start + 1) out += "T0S";
}

void append_uuid(std::string& out, duck::Int128 value) {
  // The first bit is turned over, so that signed numbers sort as UUIDs do.
  const uint64_t upper = static_cast<uint64_t>(value.upper) ^ (uint64_t{1} << 63);
  fmt::format_to(std::back_inserter(out), "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", upper >> 32, upper >> 16 & 0xFFFF,
                 upper & 0xFFFF, value.lower >> 48, value.lower & 0xFFFF'FFFF'FFFF);
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t three = 0;
    for (size_t j = 0; j < 3; ++j) three = three << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out += j <= count ? kDigits[three >> (18 - 6 * j) & 63] : '=';
  }
}

// The first byte says how many bits of the second are only there to fill it.
void append_bits(std::string& out, std::string_view bytes) {
  if (bytes.empty()) return;
  for (size_t bit = static_cast<unsigned char>(bytes[0]); bit < (bytes.size() - 1) * 8; ++bit) {
    out += (static_cast<unsigned char>(bytes[1 + bit / 8]) >> (7 - bit % 8) & 1) != 0 ? '1' : '0';
  }
}

bool is_number(TypeId id) { return (id >= TypeId::int8 && id <= TypeId::float64) || id == TypeId::decimal; }

DuckType describe(const duck::Api& api, duck::LogicalType type, size_t depth) {
  DuckType out;
  out.id = type == nullptr ? TypeId::invalid : api.get_type_id(type);
  if (depth >= kTypeDepthMax) out.id = TypeId::invalid;
  auto child = [&](duck::LogicalType inner) {
    out.children.push_back(describe(api, inner, depth + 1));
    out.is_known = out.is_known && out.children.back().is_known;
    api.destroy_logical_type(&inner);
  };
  switch (out.id) {
    case TypeId::boolean:
    case TypeId::int8:
    case TypeId::int16:
    case TypeId::int32:
    case TypeId::int64:
    case TypeId::uint8:
    case TypeId::uint16:
    case TypeId::uint32:
    case TypeId::uint64:
    case TypeId::float32:
    case TypeId::float64:
    case TypeId::timestamp:
    case TypeId::date:
    case TypeId::time:
    case TypeId::interval:
    case TypeId::int128:
    case TypeId::uint128:
    case TypeId::blob:
    case TypeId::timestamp_s:
    case TypeId::timestamp_ms:
    case TypeId::timestamp_ns:
    case TypeId::timestamp_tz:
    case TypeId::time_tz:
    case TypeId::time_ns:
    case TypeId::uuid:
    case TypeId::bit:
    case TypeId::null:
      break;
    case TypeId::text:
      out.is_json = take_text(api, api.logical_type_get_alias(type)) == "JSON";
      break;
    case TypeId::decimal:
      out.scale = api.decimal_scale(type);
      out.stored = api.decimal_internal_type(type);
      break;
    case TypeId::enumeration:
      out.stored = api.enum_internal_type(type);
      for (uint32_t i = 0; i < api.enum_dictionary_size(type); ++i) {
        out.names.push_back(take_text(api, api.enum_dictionary_value(type, i)));
      }
      break;
    case TypeId::list:
      child(api.list_type_child_type(type));
      break;
    case TypeId::array:
      out.array_size = api.array_type_array_size(type);
      child(api.array_type_child_type(type));
      break;
    case TypeId::map:
      child(api.map_type_key_type(type));
      child(api.map_type_value_type(type));
      break;
    case TypeId::structure:
      for (uint64_t i = 0; i < api.struct_type_child_count(type); ++i) {
        out.names.push_back(take_text(api, api.struct_type_child_name(type, i)));
        child(api.struct_type_child_type(type, i));
      }
      break;
    case TypeId::tagged_union:
      for (uint64_t i = 0; i < api.union_type_member_count(type); ++i) child(api.union_type_member_type(type, i));
      break;
    default:
      out.is_known = false;
  }
  return out;
}

}  // namespace

std::string DuckType::name() const {
  constexpr std::array<std::string_view, 40> kNames = {
      "unknown", "boolean",   "int8",    "int16",   "int32",     "int64",     "uint8",     "uint16",
      "uint32",  "uint64",    "float32", "float64", "timestamp", "date",      "time",      "interval",
      "int128",  "text",      "blob",    "decimal", "timestamp", "timestamp", "timestamp", "enumeration",
      "list",    "structure", "map",     "uuid",    "union",     "bits",      "time",      "timestamp",
      "uint128", "array",     "unknown", "unknown", "null",      "unknown",   "unknown",   "time"};
  const auto number = static_cast<size_t>(id);
  if (is_json) return "JSON";
  if ((id == duck::TypeId::list || id == duck::TypeId::array) && !children.empty()) {
    return fmt::format("{} of {}", kNames[number], children[0].name());
  }
  return std::string(number < kNames.size() ? kNames[number] : kNames[0]);
}

DuckType describe_type(const duck::Api& api, duck::LogicalType type) { return describe(api, type, 0); }

DuckVector::DuckVector(const duck::Api& api, const DuckType& type, duck::Vector vector)
    : type_(&type), data_(api.vector_get_data(vector)), validity_(api.vector_get_validity(vector)) {
  switch (type.id) {
    case TypeId::list:
      children_.emplace_back(api, type.children[0], api.list_vector_get_child(vector));
      break;
    case TypeId::array:
      children_.emplace_back(api, type.children[0], api.array_vector_get_child(vector));
      break;
    case TypeId::map: {
      const duck::Vector entries = api.list_vector_get_child(vector);
      for (uint64_t i = 0; i < 2; ++i) {
        children_.emplace_back(api, type.children[i], api.struct_vector_get_child(entries, i));
      }
      break;
    }
    case TypeId::structure:
      for (uint64_t i = 0; i < type.children.size(); ++i) {
        children_.emplace_back(api, type.children[i], api.struct_vector_get_child(vector, i));
      }
      break;
    case TypeId::tagged_union: {
      static const DuckType kTag{.id = TypeId::uint8};
      children_.emplace_back(api, kTag, api.struct_vector_get_child(vector, 0));
      for (uint64_t i = 0; i < type.children.size(); ++i) {
        children_.emplace_back(api, type.children[i], api.struct_vector_get_child(vector, i + 1));
      }
      break;
    }
    default:
      break;
  }
}

std::string_view DuckVector::bytes(uint64_t row) const {
  const duck::String& text = static_cast<const duck::String*>(data_)[row];
  return {text.length <= sizeof text.start + sizeof text.rest ? text.start : text.pointer, text.length};
}

Wide DuckVector::decimal(uint64_t row) const {
  switch (type_->stored) {
    case TypeId::int16:
      return at<int16_t>(row);
    case TypeId::int32:
      return at<int32_t>(row);
    case TypeId::int64:
      return at<int64_t>(row);
    default:
      return wide(at<duck::Int128>(row));
  }
}

std::string_view DuckVector::enumeration(uint64_t row) const {
  const size_t index = type_->stored == TypeId::uint8    ? at<uint8_t>(row)
                       : type_->stored == TypeId::uint16 ? at<uint16_t>(row)
                                                         : at<uint32_t>(row);
  return index < type_->names.size() ? std::string_view(type_->names[index]) : "";
}

duck::ListEntry DuckVector::list(uint64_t row) const {
  if (type_->id == TypeId::array) return {row * type_->array_size, type_->array_size};
  return at<duck::ListEntry>(row);
}

void DuckVector::append_json(std::string& out, uint64_t row) const {
  if (is_null(row)) {
    out += "null";
  } else {
    append_value(out, row);
  }
}

void DuckVector::append_value(std::string& out, uint64_t row) const {
  // A value that is written as a string and needs no escaping.
  auto quoted = [&](auto append) {
    out += '"';
    append();
    out += '"';
  };
  auto timestamp = [&](int64_t per_second) { quoted([&] { append_timestamp(out, at<int64_t>(row), per_second); }); };
  auto integer = [&](auto value) { fmt::format_to(std::back_inserter(out), "{}", value); };
  switch (type_->id) {
    case TypeId::boolean:
      out += at<uint8_t>(row) != 0 ? "true" : "false";
      break;
    case TypeId::int8:
      integer(at<int8_t>(row));
      break;
    case TypeId::int16:
      integer(at<int16_t>(row));
      break;
    case TypeId::int32:
      integer(at<int32_t>(row));
      break;
    case TypeId::int64:
      integer(at<int64_t>(row));
      break;
    case TypeId::uint8:
      integer(at<uint8_t>(row));
      break;
    case TypeId::uint16:
      integer(at<uint16_t>(row));
      break;
    case TypeId::uint32:
      integer(at<uint32_t>(row));
      break;
    case TypeId::uint64:
      integer(at<uint64_t>(row));
      break;
    case TypeId::int128: {
      const Wide value = wide(at<duck::Int128>(row));
      append_integer(out, value < 0, magnitude(value));
      break;
    }
    case TypeId::uint128:
      append_integer(out, false, static_cast<UnsignedWide>(wide(at<duck::Int128>(row))));
      break;
    case TypeId::decimal:
      append_decimal(out, decimal(row), type_->scale);
      break;
    case TypeId::float32:
      append_json_number(out, at<float>(row));
      break;
    case TypeId::float64:
      append_json_number(out, at<double>(row));
      break;
    case TypeId::date:
      quoted([&] {
        if (!append_infinity(out, at<int32_t>(row))) append_date(out, at<int32_t>(row));
      });
      break;
    case TypeId::timestamp:
    case TypeId::timestamp_tz:
      timestamp(kMicrosecond);
      break;
    case TypeId::timestamp_s:
      timestamp(1);
      break;
    case TypeId::timestamp_ms:
      timestamp(1000);
      break;
    case TypeId::timestamp_ns:
      timestamp(kNanosecond);
      break;
    case TypeId::time:
      quoted([&] { append_time_of_day(out, at<int64_t>(row), kMicrosecond); });
      break;
    case TypeId::time_ns:
      quoted([&] { append_time_of_day(out, at<int64_t>(row), kNanosecond); });
      break;
    case TypeId::time_tz:
      quoted([&] {
        // The zone lies below the microseconds, so that times sort by themselves first.
        const uint64_t packed = at<uint64_t>(row);
        append_time_of_day(out, static_cast<int64_t>(packed >> 24), kMicrosecond);
        const int64_t zone = kZoneSecondsMax - static_cast<int64_t>(packed & 0xFFFFFF);
        if (zone == 0) {
          out += 'Z';
        } else {
          fmt::format_to(std::back_inserter(out), "{}{:02}:{:02}", zone < 0 ? '-' : '+', std::abs(zone) / 3600,
                         std::abs(zone) / 60 % 60);
        }
      });
      break;
    case TypeId::interval:
      quoted([&] { append_interval(out, at<duck::Interval>(row)); });
      break;
    case TypeId::text:
      // A file may say that a column is JSON and hold something else.
      if (!type_->is_json || !append_compact_json(out, bytes(row))) append_json_string(out, bytes(row));
      break;
    case TypeId::enumeration:
      append_json_string(out, enumeration(row));
      break;
    case TypeId::blob:
      quoted([&] { append_base64(out, bytes(row)); });
      break;
    case TypeId::bit:
      quoted([&] { append_bits(out, bytes(row)); });
      break;
    case TypeId::uuid:
      quoted([&] { append_uuid(out, at<duck::Int128>(row)); });
      break;
    case TypeId::list:
    case TypeId::array: {
      const duck::ListEntry entry = list(row);
      out += '[';
      for (uint64_t i = 0; i < entry.length; ++i) {
        if (i > 0) out += ',';
        children_[0].append_json(out, entry.offset + i);
      }
      out += ']';
      break;
    }
    case TypeId::structure:
      out += '{';
      for (size_t i = 0; i < children_.size(); ++i) {
        if (i > 0) out += ',';
        append_json_string(out, type_->names[i]);
        out += ':';
        children_[i].append_json(out, row);
      }
      out += '}';
      break;
    case TypeId::map:
      append_map(out, row);
      break;
    case TypeId::tagged_union: {
      const size_t member = size_t{children_[0].at<uint8_t>(row)} + 1;
      if (member < children_.size()) {
        children_[member].append_json(out, row);
      } else {
        out += "null";
      }
      break;
    }
    default:
      out += "null";
  }
}

void DuckVector::append_map(std::string& out, uint64_t row) const {
  const duck::ListEntry entry = list(row);
  const DuckVector& keys = children_[0];
  const TypeId key_type = keys.type_->id;
  const bool is_object = key_type != TypeId::list && key_type != TypeId::array && key_type != TypeId::structure &&
                         key_type != TypeId::map && key_type != TypeId::tagged_union;
  out += is_object ? '{' : '[';
  for (uint64_t i = 0; i < entry.length; ++i) {
    if (i > 0) out += ',';
    if (is_object) {
      const size_t start = out.size();
      keys.append_json(out, entry.offset + i);
      // A number, a truth value: its text is the key.
      if (out[start] != '"') {
        out.insert(start, 1, '"');
        out += '"';
      }
      out += ':';
      children_[1].append_json(out, entry.offset + i);
    } else {
      out += "{\"key\":";
      keys.append_json(out, entry.offset + i);
      out += ",\"value\":";
      children_[1].append_json(out, entry.offset + i);
      out += '}';
    }
  }
  out += is_object ? '}' : ']';
}

std::optional<std::string> DuckVector::as_id(uint64_t row) const {
  std::string out;
  switch (type_->id) {
    case TypeId::text:
      return std::string(bytes(row));
    case TypeId::enumeration:
      return std::string(enumeration(row));
    case TypeId::uuid:
      append_uuid(out, at<duck::Int128>(row));
      return out;
    case TypeId::int8:
    case TypeId::int16:
    case TypeId::int32:
    case TypeId::int64:
    case TypeId::uint8:
    case TypeId::uint16:
    case TypeId::uint32:
    case TypeId::uint64:
    case TypeId::int128:
    case TypeId::uint128:
      append_value(out, row);
      if (out.starts_with('-') || out.starts_with('"')) return std::nullopt;
      return out;
    default:
      return std::nullopt;
  }
}

bool DuckVector::holds_numbers(const DuckType& type) {
  return (type.id == TypeId::list || type.id == TypeId::array) && is_number(type.children[0].id);
}

bool DuckVector::read_floats(uint64_t first, uint64_t count, float* out) const {
  if (validity_ != nullptr) {
    for (uint64_t i = 0; i < count; ++i) {
      if (is_null(first + i)) return false;
    }
  }
  auto copy = [&](auto* values) {
    for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<float>(values[first + i]);
    return true;
  };
  if (type_->id == TypeId::decimal) {
    std::string number;
    for (uint64_t i = 0; i < count; ++i) {
      number.clear();
      append_decimal(number, decimal(first + i), type_->scale);
      out[i] = std::strtof(number.c_str() + (number.starts_with('"') ? 1 : 0), nullptr);
    }
    return true;
  }
  switch (type_->id) {
    case TypeId::int8:
      return copy(static_cast<const int8_t*>(data_));
    case TypeId::int16:
      return copy(static_cast<const int16_t*>(data_));
    case TypeId::int32:
      return copy(static_cast<const int32_t*>(data_));
    case TypeId::int64:
      return copy(static_cast<const int64_t*>(data_));
    case TypeId::uint8:
      return copy(static_cast<const uint8_t*>(data_));
    case TypeId::uint16:
      return copy(static_cast<const uint16_t*>(data_));
    case TypeId::uint32:
      return copy(static_cast<const uint32_t*>(data_));
    case TypeId::uint64:
      return copy(static_cast<const uint64_t*>(data_));
    case TypeId::float32:
      return copy(static_cast<const float*>(data_));
    default:
      return copy(static_cast<const double*>(data_));
  }
}

}  // namespace sextant::io
