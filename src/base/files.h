// base/files.h: whole files in, whole files out, and files mapped into memory.
//
// Every failure is an Error that names the path. A MappedFile is read-only and stays valid for its lifetime, whatever
// happens to the path; truncating the file underneath it is outside what any reader can guard against.
// Threads: all functions may be called from many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::base {

// The whole file. Throws not_found, invalid_argument (a folder), exhausted (longer than bytes_max) or unavailable.
std::string read_file(const std::filesystem::path& path, uint64_t bytes_max = uint64_t{1} << 34);

// A file in the making: written beside PATH, it takes that place when it is committed, synced, in one step: a reader
// sees the old bytes or the new ones, never half of them. Without commit() nothing is left of it. Every failure is
// unavailable, not_found (no such folder) or exhausted (disk full). Threads: one.
class FileReplacement {
 public:
  explicit FileReplacement(const std::filesystem::path& path);
  FileReplacement(const FileReplacement&) = delete;
  FileReplacement& operator=(const FileReplacement&) = delete;
  ~FileReplacement();

  void append(std::string_view bytes);
  // Over bytes that were appended before.
  void overwrite(uint64_t offset, std::string_view bytes);
  uint64_t size_bytes() const { return size_bytes_; }
  // For a library that writes for itself: what it writes is committed with the rest.
  int descriptor() const { return descriptor_; }
  void commit();

 private:
  void write(uint64_t offset, std::string_view bytes);

  std::filesystem::path path_;
  std::string temporary_;  // empty once it has taken its place
  int descriptor_ = -1;
  uint64_t size_bytes_ = 0;
};

// A FileReplacement of these bytes.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

// Makes the folder and those of its parents that are missing; they are there after a power cut, too. Throws
// unavailable, not_found or exhausted.
void make_folders(const std::filesystem::path& path);
// What was made, renamed or removed in it stays so after a power cut. Throws unavailable or not_found.
void sync_folder(const std::filesystem::path& path);
// The file or folder with all that is in it, as far as that can be done.
void remove_all(const std::filesystem::path& path) noexcept;

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_bytes_}; }
  std::string_view text() const { return {static_cast<const char*>(data_), size_bytes_}; }
  // Takes no more memory for what was read so far; it is read again when it is looked at again.
  void give_up_pages() const;

 private:
  const void* data_ = nullptr;
  size_t size_bytes_ = 0;
};

// A folder that is deleted with its contents when the object goes; for tests and intermediate results.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sextant::base
