// base/hash.h: 64- and 128-bit hashes of bytes (XXH3), the same on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sextant::base {

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);

// 32 lower-case hexadecimal digits: names the content of a model or file.
std::string hash128_hex(std::string_view bytes);

}  // namespace sextant::base
