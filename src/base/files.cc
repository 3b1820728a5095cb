#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file_system.h"
#include "sextant/error.h"

namespace sextant::base {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::filesystem::path& path, const char* verb) {
  int error = errno;
  ErrorCode code = ErrorCode::unavailable;
  if (error == ENOENT || error == ENOTDIR) code = ErrorCode::not_found;
  if (error == ENOSPC || error == EDQUOT) code = ErrorCode::exhausted;
  throw Error(code, fmt::format("{}: cannot {}: {}", path.string(), verb, std::strerror(error)));
}

std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Opens for reading and refuses anything but a regular file; fills size_bytes.
int open_regular(const std::filesystem::path& path, uint64_t& size_bytes) {
  // Without O_NONBLOCK a named pipe would be waited for.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail(path, "open");
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    ::close(fd);
    fail(path, "stat");
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: is {}, expected a regular file", path.string(),
                                                         S_ISDIR(info.st_mode) ? "a folder" : "not a regular file"));
  }
  size_bytes = static_cast<uint64_t>(info.st_size);
  return fd;
}

}  // namespace

std::string read_file(const std::filesystem::path& path, uint64_t bytes_max) {
  uint64_t size_bytes = 0;
  Descriptor file(open_regular(path, size_bytes));
  if (size_bytes > bytes_max) {
    throw Error(ErrorCode::exhausted,
                fmt::format("{}: is {} bytes long, the limit is {}", path.string(), size_bytes, bytes_max));
  }
  std::string bytes(size_bytes, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path, "read");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

FileReplacement::FileReplacement(const std::filesystem::path& path)
    : path_(path), temporary_(path.string() + ".XXXXXX"), descriptor_(file_system().create(temporary_)) {
  if (descriptor_ < 0) fail(path, "create a file beside it");
}

FileReplacement::~FileReplacement() {
  if (descriptor_ >= 0) file_system().close(descriptor_);
  if (!temporary_.empty()) file_system().remove(temporary_);
}

void FileReplacement::write(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = file_system().write(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_, "write");
    offset += static_cast<uint64_t>(n);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void FileReplacement::append(std::string_view bytes) {
  write(size_bytes_, bytes);
  size_bytes_ += bytes.size();
}

void FileReplacement::overwrite(uint64_t offset, std::string_view bytes) { write(offset, bytes); }

void FileReplacement::commit() {
  // mkostemp makes 0600; a file that users asked for follows their umask.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(descriptor_, 0666 & ~mask) != 0 || file_system().sync(descriptor_) != 0) fail(path_, "sync");
  if (file_system().rename(temporary_, path_) != 0) fail(path_, "rename over");
  temporary_.clear();
  // The rename itself is durable only once the folder is synced.
  sync_folder(parent_of(path_));
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  FileReplacement file(path);
  file.append(bytes);
  file.commit();
}

void make_folders(const std::filesystem::path& path) {
  std::error_code error;
  if (path.empty() || std::filesystem::is_directory(path, error)) return;
  const std::filesystem::path parent = parent_of(path);
  if (path.has_parent_path() && parent != path) make_folders(parent);
  // Another may have made it meanwhile.
  if (file_system().make_folder(path) != 0 && (errno != EEXIST || !std::filesystem::is_directory(path, error))) {
    fail(path, "make the folder");
  }
  sync_folder(parent);
}

void sync_folder(const std::filesystem::path& path) {
  if (file_system().sync_folder(path) != 0) fail(path, "sync");
}

void remove_all(const std::filesystem::path& path) noexcept { file_system().remove_all(path); }

MappedFile::MappedFile(const std::filesystem::path& path) {
  uint64_t size_bytes = 0;
  Descriptor file(open_regular(path, size_bytes));
  if (size_bytes == 0) return;
  void* data = ::mmap(nullptr, size_bytes, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) fail(path, "map");
  data_ = data;
  size_bytes_ = size_bytes;
}

void MappedFile::give_up_pages() const {
  // Advice: where it is refused, the pages stay.
  if (size_bytes_ > 0) ::madvise(const_cast<void*>(data_), size_bytes_, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<void*>(data_), size_bytes_);
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sextant-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) fail(pattern, "make the folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sextant::base
