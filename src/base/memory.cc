#include "base/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <mutex>
#include <new>

namespace sextant::base {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kChunk = 8 * kHugePage;

size_t round_up(size_t bytes, size_t multiple) { return (bytes + multiple - 1) / multiple * multiple; }

std::align_val_t alignment_of(size_t bytes) { return std::align_val_t(bytes >= kHugePage ? kHugePage : kAlignment); }

// The chunk that pieces are cut from now. Guarded by mutex.
struct Cutting {
  std::mutex mutex;
  std::shared_ptr<std::byte> chunk;
  size_t size = 0;
  size_t used = 0;
};

Cutting& cutting() {
  static Cutting instance;
  return instance;
}

}  // namespace

void* allocate_block(size_t bytes) {
  bytes = std::max<size_t>(1, bytes);
  void* block = ::operator new(bytes, alignment_of(bytes));
  // Advice: where it is refused, pages stay small.
  if (bytes >= kHugePage) ::madvise(block, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return block;
}

void free_block(void* block, size_t bytes) noexcept {
  ::operator delete(block, alignment_of(std::max<size_t>(1, bytes)));
}

std::shared_ptr<std::byte> allocate_long_lived(size_t bytes) {
  bytes = round_up(std::max<size_t>(1, bytes), kAlignment);
  Cutting& state = cutting();
  std::lock_guard lock(state.mutex);
  if (state.chunk == nullptr || state.size - state.used < bytes) {
    state.size = std::max(kChunk, round_up(bytes, kHugePage));
    state.used = 0;
    const size_t size = state.size;
    state.chunk = {static_cast<std::byte*>(allocate_block(size)), [size](std::byte* p) { free_block(p, size); }};
  }
  std::shared_ptr<std::byte> piece(state.chunk, state.chunk.get() + state.used);
  state.used += bytes;
  // A chunk that is used up belongs to its pieces alone.
  if (state.used == state.size) state.chunk.reset();
  return piece;
}

size_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) << 10;
}

}  // namespace sextant::base
