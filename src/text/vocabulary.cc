#include "text/vocabulary.h"

#include <bit>

namespace sextant::text {

void Vocabulary::reserve(size_t token_count, size_t bytes) {
  arena_.reserve(bytes);
  by_id_.reserve(token_count);
  if (token_count * 2 > slots_.size()) grow(std::bit_ceil(token_count * 2));
}

void Vocabulary::grow(size_t capacity) {
  std::vector<Slot> old = std::move(slots_);
  slots_.assign(capacity, Slot{});
  mask_ = capacity - 1;
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    size_t i = base::hash64(text(slot)) & mask_;
    while (slots_[i].id >= 0) i = (i + 1) & mask_;
    slots_[i] = slot;
  }
}

void Vocabulary::add(std::string_view token, TokenId id) {
  if (count_ * 2 + 2 > slots_.size()) grow(slots_.empty() ? 64 : slots_.size() * 2);
  uint64_t hash = base::hash64(token);
  size_t i = hash & mask_;
  while (slots_[i].id >= 0 && text(slots_[i]) != token) i = (i + 1) & mask_;
  if (slots_[i].id < 0) {
    slots_[i] = {static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(token.size()),
                 static_cast<uint32_t>(hash >> 32), id};
    arena_.append(token);
    ++count_;
  }
  slots_[i].id = id;
  if (static_cast<size_t>(id) >= by_id_.size()) by_id_.resize(static_cast<size_t>(id) + 1);
  by_id_[static_cast<size_t>(id)] = {slots_[i].begin, slots_[i].size, true};
}

}  // namespace sextant::text
