// store/key_bytes.h: numbers as bytes, most significant first, so that keys sort as their numbers do.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace sextant::store {

template <std::unsigned_integral T>
void append_big_endian(std::string& out, T value) {
  for (int shift = 8 * static_cast<int>(sizeof(T)) - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift & 0xFF));
  }
}

// Takes a number off the front; false, and nothing taken, where there are too few bytes.
template <std::unsigned_integral T>
bool take_big_endian(std::string_view& bytes, T& value) {
  if (bytes.size() < sizeof(T)) return false;
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof(T); ++i) number = number << 8 | static_cast<uint8_t>(bytes[i]);
  bytes.remove_prefix(sizeof(T));
  value = static_cast<T>(number);
  return true;
}

}  // namespace sextant::store
