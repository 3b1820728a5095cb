#include "base/file_system.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

namespace sextant::base {
namespace {

FileSystem& real_system() {
  static FileSystem system;
  return system;
}

std::atomic<FileSystem*> replacement = nullptr;

}  // namespace

int FileSystem::create(std::string& pattern) { return ::mkostemp(pattern.data(), O_CLOEXEC); }
int FileSystem::open(const std::filesystem::path& path) {
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}
ssize_t FileSystem::write(int descriptor, const void* bytes, size_t count, off_t offset) {
  return ::pwrite(descriptor, bytes, count, offset);
}
int FileSystem::sync(int descriptor) { return ::fsync(descriptor); }
int FileSystem::close(int descriptor) { return ::close(descriptor); }
int FileSystem::rename(const std::string& from, const std::string& to) { return ::rename(from.c_str(), to.c_str()); }
int FileSystem::remove(const std::string& path) { return ::unlink(path.c_str()); }
int FileSystem::make_folder(const std::string& path) { return ::mkdir(path.c_str(), 0777); }

int FileSystem::sync_folder(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return -1;
  const int result = ::fsync(folder);
  const int error = errno;
  ::close(folder);
  errno = error;
  return result;
}

void FileSystem::remove_all(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
}

FileSystem& file_system() {
  FileSystem* given = replacement.load(std::memory_order_acquire);
  return given == nullptr ? real_system() : *given;
}

ScopedFileSystem::ScopedFileSystem(FileSystem& system) { replacement.store(&system, std::memory_order_release); }
ScopedFileSystem::~ScopedFileSystem() { replacement.store(nullptr, std::memory_order_release); }

}  // namespace sextant::base
