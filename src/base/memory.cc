#include "base/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <new>
#include <string>

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

// The number that such a file holds; SIZE_MAX where there is none, or it says "max".
size_t limit_in(const std::filesystem::path& path) {
  std::string text;
  std::ifstream(path) >> text;
  size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  return error == std::errc() && end == text.data() + text.size() ? limit : SIZE_MAX;
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

size_t control_group_limit_bytes(const std::filesystem::path& root) {
  // Lines "number:controllers:path"; version 2 has no controllers.
  const std::filesystem::path groups = root / "sys/fs/cgroup";
  std::ifstream lines(root / "proc/self/cgroup");
  size_t least = SIZE_MAX;
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool new_version = controllers.empty();
    if (!new_version && controllers != "memory") continue;
    const std::filesystem::path top = new_version ? groups : groups / "memory";
    const char* file = new_version ? "memory.max" : "memory.limit_in_bytes";
    // The group and all above. In a container the path may be the host's, of which only the top is to be seen.
    for (std::filesystem::path path = line.substr(second + 1);; path = path.parent_path()) {
      least = std::min(least, limit_in(top / path.relative_path() / file));
      if (!path.has_relative_path()) break;
    }
  }
  return least;
}

size_t memory_limit_bytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  const size_t machine = pages > 0 && page > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(page) : SIZE_MAX;
  return std::min(machine, control_group_limit_bytes("/"));
}

}  // namespace sextant::base
