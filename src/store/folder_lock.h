// store/folder_lock.h: one process at a time in a folder.
#pragma once

#include <filesystem>

namespace sextant::store {

class FolderLock {
 public:
  // Throws unavailable, naming the process that has it, where there is one. The system lets go of it when the process
  // ends, however it ends.
  explicit FolderLock(const std::filesystem::path& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int descriptor_ = -1;
};

}  // namespace sextant::store
