// text/word_cache.h: the ids of words seen lately, per thread and of fixed size.
//
// Direct-mapped: a word has one place, and whoever comes there next takes it. Words of up to 32 bytes and 7 ids; others
// are never kept.
// Threads: of() gives each thread its own.   Memory: up to 4 MiB for each of the last four models that a thread used,
// taken page by page as words come.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "sextant/tokenizer.h"

namespace sextant::text {

class WordCache {
 public:
  static constexpr size_t kWordBytesMax = 32;
  static constexpr size_t kIdsMax = 7;

  // A name for a model's words; never given twice, so that a cache outlives no model unnoticed.
  static uint64_t new_owner() {
    static std::atomic<uint64_t> last{0};
    return ++last;
  }
  // This thread's cache for a model's words.
  static WordCache& of(uint64_t owner) {
    thread_local Kept kept;
    if (kept.caches[0] == nullptr || kept.caches[0]->owner_ != owner) kept.bring_forward(owner);
    return *kept.caches[0];
  }

  struct Key {
    uint64_t parts[4] = {0, 0, 0, 0};
    uint32_t size = 0;
  };
  // REQUIRES: 1 to 32 bytes.
  static Key key_of(std::string_view word) {
    Key key;
    const char* text = word.data();
    size_t size = word.size();
    key.size = static_cast<uint32_t>(size);
    if (size > 16) {
      key.parts[0] = load(text, 8);
      key.parts[1] = load(text + 8, 8);
      key.parts[2] = load(text + size - 16, 8);
      key.parts[3] = load(text + size - 8, 8);
    } else if (size >= 8) {
      key.parts[0] = load(text, 8);
      key.parts[1] = load(text + size - 8, 8);
    } else if (size >= 4) {
      key.parts[0] = load(text, 4) | load(text + size - 4, 4) << 32;
    } else {
      auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(text[i])); };
      key.parts[0] = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
    }
    return key;
  }

  // Appends the word's ids; false when they are not known.
  bool find(const Key& key, std::vector<TokenId>& out) const {
    const Entry& entry = entries_[place(key)];
    if (entry.size != key.size || std::memcmp(entry.parts, key.parts, sizeof key.parts) != 0) return false;
    out.insert(out.end(), entry.ids, entry.ids + entry.count);
    return true;
  }
  void keep(const Key& key, const TokenId* ids, size_t count) {
    if (count > kIdsMax) return;
    Entry& entry = entries_[place(key)];
    std::memcpy(entry.parts, key.parts, sizeof key.parts);
    entry.size = static_cast<uint16_t>(key.size);
    entry.count = static_cast<uint16_t>(count);
    if (count > 0) std::memcpy(entry.ids, ids, count * sizeof(TokenId));
  }

 private:
  static constexpr size_t kEntries = 1 << 16;
  struct alignas(64) Entry {
    uint64_t parts[4];
    uint16_t size;  // 0: nothing here
    uint16_t count;
    TokenId ids[kIdsMax];
  };
  struct Kept {
    std::unique_ptr<WordCache> caches[4];  // last used first
    void bring_forward(uint64_t owner) {
      size_t i = 0;
      while (i < 3 && caches[i] && caches[i]->owner_ != owner) ++i;
      if (!caches[i] || caches[i]->owner_ != owner) caches[i] = std::make_unique<WordCache>(owner);
      for (; i > 0; --i) std::swap(caches[i], caches[i - 1]);
    }
  };

  static uint64_t load(const char* from, size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, from, size);
    return value;
  }
  static size_t place(const Key& key) {
    uint64_t hash = (key.parts[0] ^ 0x9E3779B97F4A7C15ull) * 0xD6E8FEB86659FD93ull;
    hash ^= (key.parts[1] + key.size) * 0xA0761D6478BD642Full;
    hash ^= (key.parts[2] ^ key.parts[3] << 1) * 0xE7037ED1A0B428DBull;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93ull;
    return hash >> 48;  // kEntries
  }

 public:
  // calloc leaves the zeros to the system, which gives each page when it is first touched.
  explicit WordCache(uint64_t owner) : owner_(owner), memory_(std::calloc(kEntries + 1, sizeof(Entry)), &std::free) {
    if (memory_ == nullptr) throw std::bad_alloc();
    auto address = reinterpret_cast<uintptr_t>(memory_.get());
    entries_ = reinterpret_cast<Entry*>((address + alignof(Entry) - 1) / alignof(Entry) * alignof(Entry));
  }

 private:
  uint64_t owner_;
  std::unique_ptr<void, void (*)(void*)> memory_;
  Entry* entries_ = nullptr;
};

}  // namespace sextant::text
