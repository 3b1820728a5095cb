#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <new>

namespace sextant::base {

uint64_t hash64(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash64::Hash64() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state_);
}

Hash64::~Hash64() { XXH3_freeState(state_); }

void Hash64::add(std::string_view bytes) { XXH3_64bits_update(state_, bytes.data(), bytes.size()); }

uint64_t Hash64::value() const { return XXH3_64bits_digest(state_); }

std::string hash128_hex(std::string_view bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace sextant::base
