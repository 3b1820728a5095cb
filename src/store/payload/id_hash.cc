#include "store/payload/id_hash.h"

#include <array>
#include <bit>

namespace sextant::store {
namespace {

struct SipState {
  uint64_t a, b, c, d;

  void round() {
    a += b;
    c += d;
    b = std::rotl(b, 13) ^ a;
    d = std::rotl(d, 16) ^ c;
    a = std::rotl(a, 32);
    c += b;
    a += d;
    b = std::rotl(b, 17) ^ c;
    d = std::rotl(d, 21) ^ a;
    c = std::rotl(c, 32);
  }
  void absorb(uint64_t word) {
    d ^= word;
    round();
    round();
    a ^= word;
  }
};

}  // namespace

uint64_t siphash24(uint64_t key0, uint64_t key1, std::span<const uint8_t> bytes) {
  // The paper's constants: "somepseudorandomlygeneratedbytes".
  SipState state{key0 ^ 0x736f6d6570736575u, key1 ^ 0x646f72616e646f6du, key0 ^ 0x6c7967656e657261u,
                 key1 ^ 0x7465646279746573u};
  uint64_t word = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    word |= uint64_t{bytes[i]} << (8 * (i % 8));
    if (i % 8 == 7) {
      state.absorb(word);
      word = 0;
    }
  }
  state.absorb(word | uint64_t{bytes.size()} << 56);
  state.c ^= 0xFF;
  for (int i = 0; i < 4; ++i) state.round();
  return state.a ^ state.b ^ state.c ^ state.d;
}

uint64_t id_hash(const PointId& id) {
  std::array<uint8_t, 16> bytes{};
  if (!id.is_uuid()) {
    for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(id.number() >> (8 * i));
    return siphash24(0, 0, std::span(bytes).first(8));
  }
  for (size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(id.high() >> (56 - 8 * i));
    bytes[8 + i] = static_cast<uint8_t>(id.low() >> (56 - 8 * i));
  }
  return siphash24(0, 0, bytes);
}

}  // namespace sextant::store
