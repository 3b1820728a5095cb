// text/vocabulary.h: token strings and their ids, both ways.
//
// Token bytes lie in one arena; strings are found through open addressing over 64-bit hashes.
// Threads: find() and token() from many once it is filled.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "sextant/tokenizer.h"

namespace sextant::text {

// Ids above this would make tables of gigabytes out of a few bytes of file.
inline constexpr TokenId kTokenIdMax = (1 << 24) - 1;

class Vocabulary {
 public:
  void reserve(size_t token_count, size_t bytes);
  // A token that is there already gets the new id; an id that is there already gets the new string.
  // REQUIRES: 0 <= id <= kTokenIdMax.
  void add(std::string_view token, TokenId id);

  // -1 when absent.
  TokenId find(std::string_view token) const {
    if (slots_.empty()) return -1;
    uint64_t hash = base::hash64(token);
    for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.id < 0) return -1;
      if (slot.hash == static_cast<uint32_t>(hash >> 32) && text(slot) == token) return slot.id;
    }
  }
  // Empty when the id is unused.
  std::string_view token(TokenId id) const {
    if (id < 0 || static_cast<size_t>(id) >= by_id_.size()) return {};
    const Entry& entry = by_id_[static_cast<size_t>(id)];
    return std::string_view(arena_).substr(entry.begin, entry.size);
  }
  bool contains(TokenId id) const {
    return id >= 0 && static_cast<size_t>(id) < by_id_.size() && by_id_[static_cast<size_t>(id)].used;
  }
  // Calls SEE(token, id) for each string.
  template <class See>
  void for_each(See see) const {
    for (const Slot& slot : slots_) {
      if (slot.id >= 0) see(text(slot), slot.id);
    }
  }
  // Distinct token strings.
  size_t size() const { return count_; }
  // Highest id + 1.
  TokenId id_end() const { return static_cast<TokenId>(by_id_.size()); }

 private:
  struct Slot {
    uint32_t begin = 0;
    uint32_t size = 0;
    uint32_t hash = 0;
    TokenId id = -1;
  };
  struct Entry {
    uint32_t begin = 0;
    uint32_t size = 0;
    bool used = false;
  };
  std::string_view text(const Slot& slot) const { return std::string_view(arena_).substr(slot.begin, slot.size); }
  void grow(size_t capacity);

  std::string arena_;
  std::vector<Slot> slots_;
  std::vector<Entry> by_id_;
  size_t mask_ = 0;
  size_t count_ = 0;
};

}  // namespace sextant::text
