// base/file_system.h: the calls that change files, behind one door, so that tests can make them fail or forget.
//
// All but sync_folder and remove_all are the system's own calls: what they return, and errno. Reading goes past this.
// Threads: all members from many.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>

namespace sextant::base {

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // As mkostemp: makes a file with a name like PATTERN, which becomes that name, and opens it for writing.
  virtual int create(std::string& pattern);
  // As open for reading and writing; makes the file where it is not there.
  virtual int open(const std::filesystem::path& path);
  virtual ssize_t write(int descriptor, const void* bytes, size_t count, off_t offset);
  virtual int sync(int descriptor);
  virtual int close(int descriptor);
  virtual int rename(const std::string& from, const std::string& to);
  virtual int remove(const std::string& path);
  virtual int make_folder(const std::string& path);
  // What was made, renamed or removed in it stays so after a power cut. 0, or -1 and errno.
  virtual int sync_folder(const std::string& path);
  // The file or folder with all that is in it, as far as that can be done.
  virtual void remove_all(const std::filesystem::path& path);
};

// The process's.
FileSystem& file_system();

// For tests: SYSTEM is the process's while this is there. One at a time.
class ScopedFileSystem {
 public:
  explicit ScopedFileSystem(FileSystem& system);
  ScopedFileSystem(const ScopedFileSystem&) = delete;
  ScopedFileSystem& operator=(const ScopedFileSystem&) = delete;
  ~ScopedFileSystem();
};

}  // namespace sextant::base
