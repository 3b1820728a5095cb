#include "base/scattered_reads.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/memory.h"

namespace sextant::base {
namespace {

// Advice about the pages that these bytes lie in: where it is refused, nothing is lost but time.
void advise(std::span<const std::byte> bytes, int advice) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  if (bytes.empty()) return;
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) / page * page;
  const auto end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
  ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

void read_soon(std::span<const std::byte> bytes) { advise(bytes, MADV_WILLNEED); }

// Never destroyed: mapped files may outlive every other object.
ScatteredReads& ScatteredReads::vectors() {
  static auto& reads = *new ScatteredReads(memory_limit_bytes());
  return reads;
}

ScatteredReads& ScatteredReads::codes() {
  static auto& reads = *new ScatteredReads(memory_limit_bytes());
  return reads;
}

ScatteredReads& ScatteredReads::always_far() {
  static auto& reads = *new ScatteredReads(0);
  return reads;
}

size_t ScatteredReads::set_memory(size_t memory_bytes) {
  std::lock_guard lock(mutex_);
  std::swap(memory_bytes_, memory_bytes);
  look();
  return memory_bytes;
}

void ScatteredReads::add(std::span<const std::byte> bytes) {
  std::lock_guard lock(mutex_);
  parts_.push_back(bytes);
  bytes_ += bytes.size();
  if (outgrown_) advise(bytes, MADV_RANDOM);
  look();
}

void ScatteredReads::remove(std::span<const std::byte> bytes) {
  std::lock_guard lock(mutex_);
  if (outgrown_) advise(bytes, MADV_NORMAL);
  parts_.erase(std::find_if(parts_.begin(), parts_.end(), [&](const auto& part) {
    return part.data() == bytes.data() && part.size() == bytes.size();
  }));
  bytes_ -= bytes.size();
  look();
}

void ScatteredReads::look() {
  const bool outgrown = bytes_ > memory_bytes_ / 4 * 3;
  if (outgrown == outgrown_) return;
  outgrown_ = outgrown;
  for (std::span<const std::byte> part : parts_) advise(part, outgrown ? MADV_RANDOM : MADV_NORMAL);
}

ScatteredReads::Part::Part(ScatteredReads& reads, std::span<const std::byte> bytes) : reads_(&reads), bytes_(bytes) {
  reads.add(bytes);
}

ScatteredReads::Part::Part(Part&& other) noexcept
    : reads_(std::exchange(other.reads_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}

ScatteredReads::Part& ScatteredReads::Part::operator=(Part&& other) noexcept {
  std::swap(reads_, other.reads_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

ScatteredReads::Part::~Part() {
  if (reads_ != nullptr) reads_->remove(bytes_);
}

}  // namespace sextant::base
