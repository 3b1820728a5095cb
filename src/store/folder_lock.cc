#include "store/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "sextant/error.h"

namespace sextant::store {

FolderLock::FolderLock(const std::filesystem::path& folder, LockMode mode) {
  const std::string path = folder / "lock";
  const bool writes = mode == LockMode::write;
  descriptor_ = ::open(path.c_str(), (writes ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0644);
  if (descriptor_ < 0 && !writes && errno == ENOENT) {
    // Where none can be made nobody can write either.
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0 && (errno == EROFS || errno == EACCES)) return;
  }
  if (descriptor_ < 0) {
    throw Error(ErrorCode::unavailable, fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  }
  if (::flock(descriptor_, (writes ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    char text[32] = {};
    const ssize_t bytes = ::read(descriptor_, text, sizeof(text) - 1);
    const std::string owner = bytes > 0 ? fmt::format("process {}", std::string(text, static_cast<size_t>(bytes)))
                                        : "a process that copies it";
    ::close(descriptor_);
    throw Error(ErrorCode::unavailable,
                fmt::format("{}: in use by {}; one process at a time can write", folder.string(), owner));
  }
  if (!writes) return;
  // For the message above alone, so it need not succeed.
  const std::string owner = fmt::format("{}", ::getpid());
  if (::ftruncate(descriptor_, 0) == 0 && ::pwrite(descriptor_, owner.data(), owner.size(), 0) < 0) errno = 0;
}

bool FolderLock::is_written(const std::filesystem::path& folder) {
  const int descriptor = ::open((folder / "lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0;
  ::close(descriptor);
  return held;
}

FolderLock::~FolderLock() {
  if (descriptor_ < 0) return;
  // Whoever is kept out by a reader is not told of a writer that is gone.
  if (::ftruncate(descriptor_, 0) != 0) errno = 0;
  ::close(descriptor_);
}

}  // namespace sextant::store
