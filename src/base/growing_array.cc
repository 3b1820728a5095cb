#include "base/growing_array.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/memory.h"
#include "sextant/error.h"

namespace sextant::base {

void* reserve_addresses(size_t bytes) {
  void* begin = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) {
    throw Error(ErrorCode::exhausted,
                fmt::format("{} bytes of address space cannot be reserved: {}", bytes, std::strerror(errno)));
  }
  if (bytes >= kHugePage) madvise(begin, bytes, MADV_HUGEPAGE);  // a wish: where it fails, pages are small
  return begin;
}

void release_addresses(void* begin, size_t bytes) noexcept { munmap(begin, bytes); }

}  // namespace sextant::base
