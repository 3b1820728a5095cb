// base/hash.h: 64- and 128-bit hashes of bytes (XXH3), the same on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace sextant::base {

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);

// hash64 of bytes that come in parts, without a seed.
class Hash64 {
 public:
  Hash64();
  Hash64(const Hash64&) = delete;
  Hash64& operator=(const Hash64&) = delete;
  ~Hash64();
  void add(std::string_view bytes);
  uint64_t value() const;

 private:
  XXH3_state_s* state_;
};

// 32 lower-case hexadecimal digits: names the content of a model or file.
std::string hash128_hex(std::string_view bytes);

}  // namespace sextant::base
