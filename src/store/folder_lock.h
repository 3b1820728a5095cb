// store/folder_lock.h: one process at a time in a folder, or any number that only read.
#pragma once

#include <filesystem>

namespace sextant::store {

enum class LockMode { write, read };

class FolderLock {
 public:
  // Throws unavailable, naming the process that has it, where there is one. The system lets go of it when the process
  // ends, however it ends.
  explicit FolderLock(const std::filesystem::path& folder, LockMode mode = LockMode::write);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int descriptor_ = -1;
};

}  // namespace sextant::store
