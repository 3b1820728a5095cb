// store/high_mark.h: the version up to which a collection's writes are on the disk, kept outside of its log.
//
// A log that was cut off in the middle of a write and one whose end was damaged look alike: what follows is gone. With
// this mark the second is noticed: the truth must have at least this version. Raising it is one small write into the
// system's cache, never synced: after a power cut it may be lower than what is there, never higher.
// Threads: one.
#pragma once

#include <cstdint>
#include <filesystem>

namespace sextant::store {

class HighMark {
 public:
  // 0 where PATH is not there or is no mark: then nothing is known.
  explicit HighMark(const std::filesystem::path& path);
  HighMark(const HighMark&) = delete;
  HighMark& operator=(const HighMark&) = delete;
  ~HighMark();

  uint64_t version() const { return version_; }
  // REQUIRES: VERSION is on the disk. Where it cannot be written, the mark stays lower.
  void raise(uint64_t version) noexcept;

 private:
  std::filesystem::path path_;
  uint64_t version_ = 0;
  int descriptor_ = -1;  // opened when it is first raised
};

}  // namespace sextant::store
