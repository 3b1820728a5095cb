// base/memory.h: large blocks of memory on huge pages, where the system gives them: reading a model's weights through
// pages of 4 KB costs several percent in address translation alone.
//
// Threads: all functions may be called from many.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

namespace sextant::base {

inline constexpr size_t kHugePage = size_t{2} << 20;

// For what is kept long and in many pieces: pieces share their pages, and a page lives as long as any piece on it.
// Aligned to 64 bytes, not initialised.
std::shared_ptr<std::byte> allocate_long_lived(size_t bytes);

// A block of its own, for what is written again and again: aligned to 64 bytes, to a huge page where it fills some. To
// be freed by free_block with the same size.
void* allocate_block(size_t bytes);
void free_block(void* block, size_t bytes) noexcept;

// The most memory that the process ever had at once, mapped files' pages included.
size_t peak_memory_bytes();

// The most that it may have: the machine's memory, or less where its control group (of version 1 or 2) or one above
// says so. Read anew each time.
size_t memory_limit_bytes();
// The same of a system whose files lie under ROOT ("" or a folder that stands for /): for tests.
size_t control_group_limit_bytes(const std::filesystem::path& root);

}  // namespace sextant::base
