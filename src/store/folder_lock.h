// store/folder_lock.h: one process that writes to a folder; others may keep writers out while they copy it.
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

  // Whether some process, this one included, has it for writing.
  static bool is_written(const std::filesystem::path& folder);

 private:
  int descriptor_ = -1;
};

}  // namespace sextant::store
