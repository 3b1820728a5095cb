// text/word_table.h: whole words of up to 16 bytes to ids, in one or two cache lines a look-up.
//
// The bytes of a word are read as two overlapping integers that, with its length, are the key itself: no comparison of
// strings, no arena.
// Threads: find() from many once it is filled.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "sextant/tokenizer.h"

namespace sextant::text {

class WordTable {
 public:
  static constexpr size_t kWordBytesMax = 16;

  void reserve(size_t count) {
    slots_.assign(std::bit_ceil(count * 2 + 2), Slot{});
    mask_ = slots_.size() - 1;
  }
  // REQUIRES: 1 to 16 bytes, not there yet, room reserved.
  void add(std::string_view word, TokenId id) {
    Slot slot = key_of(word);
    size_t i = place(slot);
    while (slots_[i].id >= 0) i = (i + 1) & mask_;
    slot.id = id;
    slots_[i] = slot;
  }
  // -1 when absent. REQUIRES: 1 to 16 bytes, reserve() was called.
  TokenId find(std::string_view word) const {
    Slot key = key_of(word);
    for (size_t i = place(key);; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.low == key.low && slot.high == key.high && slot.size == key.size) return slot.id;
      if (slot.id < 0) return -1;
    }
  }

 private:
  struct Slot {
    uint64_t low = 0;
    uint64_t high = 0;
    uint32_t size = 0;  // 0: empty
    TokenId id = -1;
  };

  static uint64_t load(const char* from, size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, from, size);
    return value;
  }
  static Slot key_of(std::string_view word) {
    size_t size = word.size();
    const char* text = word.data();
    Slot slot;
    slot.size = static_cast<uint32_t>(size);
    if (size >= 8) {
      slot.low = load(text, 8);
      slot.high = load(text + size - 8, 8);
    } else if (size >= 4) {
      slot.low = load(text, 4) | load(text + size - 4, 4) << 32;
    } else {
      auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(text[i])); };
      slot.low = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
    }
    return slot;
  }
  size_t place(const Slot& key) const {
    uint64_t hash = (key.low ^ 0x9E3779B97F4A7C15ull) * 0xD6E8FEB86659FD93ull;
    hash ^= (key.high + key.size) * 0xA0761D6478BD642Full;
    hash *= 0xD6E8FEB86659FD93ull;
    return (hash >> 32) & mask_;
  }

  std::vector<Slot> slots_;
  size_t mask_ = 0;
};

}  // namespace sextant::text
