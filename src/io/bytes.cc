#include "io/bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 18;
constexpr std::string_view kZstdMagic = "\x28\xB5\x2F\xFD";
constexpr std::string_view kGzipMagic = "\x1F\x8B\x08";  // with the only method there is, deflate

[[noreturn]] void fail(const std::string& name, const char* verb) {
  int error = errno;
  ErrorCode code = ErrorCode::unavailable;
  if (error == ENOENT || error == ENOTDIR) code = ErrorCode::not_found;
  if (error == ENOSPC || error == EDQUOT) code = ErrorCode::exhausted;
  throw Error(code, fmt::format("{}: cannot {}: {}", name, verb, std::strerror(error)));
}

void write_fully(int fd, std::string_view bytes, const std::string& name) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(name, "write");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

struct FreeStream {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

struct FreeInflate {
  void operator()(z_stream* stream) const {
    ::inflateEnd(stream);
    delete stream;
  }
};

}  // namespace

struct ByteReader::Impl {
  std::string name;
  int fd = -1;
  std::string buffer;  // raw bytes of the file; [begin, end) are not used yet
  size_t begin = 0;
  size_t end = 0;
  std::unique_ptr<ZSTD_DStream, FreeStream> zstd;  // null for another stream
  std::unique_ptr<z_stream, FreeInflate> gzip;     // null for another stream
  bool frame_open = false;                         // inside a zstd frame or a gzip member

  ~Impl() {
    if (fd > STDIN_FILENO) ::close(fd);
  }

  size_t read_raw(char* out, size_t size) {
    while (true) {
      ssize_t n = ::read(fd, out, size);
      if (n >= 0) return static_cast<size_t>(n);
      if (errno == EISDIR) {
        throw Error(ErrorCode::invalid_argument, fmt::format("{}: is a folder, expected a file", name));
      }
      if (errno != EINTR) fail(name, "read");
    }
  }

  size_t read_zstd(char* out, size_t size) {
    ZSTD_outBuffer to{out, size, 0};
    while (to.pos == 0) {
      if (begin == end) {
        begin = 0;
        end = read_raw(buffer.data(), buffer.size());
        // With no input left, zstd may still hold output; it says so by making progress below.
        if (end == 0 && !frame_open) return 0;
      }
      bool at_end = begin == end;
      ZSTD_inBuffer from{buffer.data(), end, begin};
      size_t result = ZSTD_decompressStream(zstd.get(), &to, &from);
      begin = from.pos;
      if (ZSTD_isError(result)) {
        throw Error(ErrorCode::corrupted, fmt::format("{}: not a readable zstd stream: {}; expected zstd with a window "
                                                      "of at most 128 MiB",
                                                      name, ZSTD_getErrorName(result)));
      }
      frame_open = result != 0;
      if (at_end && to.pos == 0) {
        throw Error(ErrorCode::corrupted,
                    fmt::format("{}: ends in the middle of a zstd frame; the file is cut short", name));
      }
    }
    return to.pos;
  }

  size_t read_gzip(char* out, size_t size) {
    z_stream& stream = *gzip;
    stream.next_out = reinterpret_cast<Bytef*>(out);
    stream.avail_out = static_cast<uInt>(std::min(size, kBufferBytes));
    const uInt room = stream.avail_out;
    while (stream.avail_out == room) {
      if (begin == end) {
        begin = 0;
        end = read_raw(buffer.data(), buffer.size());
        if (end == 0 && !frame_open) return 0;
        if (end == 0) {
          throw Error(ErrorCode::corrupted,
                      fmt::format("{}: ends in the middle of a gzip stream; the file is cut short", name));
        }
      }
      if (!frame_open) {
        // Zeros behind the last member are what tapes and some tools fill a file up with.
        if (buffer[begin] == '\0') {
          ++begin;
          continue;
        }
        ::inflateReset(&stream);
        frame_open = true;
      }
      stream.next_in = reinterpret_cast<Bytef*>(buffer.data() + begin);
      stream.avail_in = static_cast<uInt>(end - begin);
      const int result = ::inflate(&stream, Z_NO_FLUSH);
      begin = end - stream.avail_in;
      if (result == Z_STREAM_END) {
        frame_open = false;
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        throw Error(ErrorCode::corrupted, fmt::format("{}: not a readable gzip stream: {}", name,
                                                      stream.msg == nullptr ? "its checksum differs" : stream.msg));
      }
    }
    return room - stream.avail_out;
  }
};

ByteReader::ByteReader(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->name = path == "-" ? "standard input" : path;
  if (path == "-") {
    impl_->fd = STDIN_FILENO;
  } else {
    impl_->fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (impl_->fd < 0) fail(impl_->name, "open");
  }
  impl_->buffer.resize(kBufferBytes);
  while (impl_->end < kZstdMagic.size()) {
    size_t n = impl_->read_raw(impl_->buffer.data() + impl_->end, impl_->buffer.size() - impl_->end);
    if (n == 0) break;
    impl_->end += n;
  }
  if (std::string_view(impl_->buffer.data(), impl_->end).starts_with(kZstdMagic)) {
    impl_->zstd.reset(ZSTD_createDStream());
    if (!impl_->zstd) throw Error(ErrorCode::exhausted, impl_->name + ": no memory to decompress it");
    ZSTD_DCtx_setParameter(impl_->zstd.get(), ZSTD_d_windowLogMax, 27);
    impl_->frame_open = true;
  } else if (std::string_view(impl_->buffer.data(), impl_->end).starts_with(kGzipMagic)) {
    auto stream = std::make_unique<z_stream>();
    // 16: gzip's header, and no other.
    if (::inflateInit2(stream.get(), MAX_WBITS + 16) != Z_OK) {
      throw Error(ErrorCode::exhausted, impl_->name + ": no memory to decompress it");
    }
    impl_->gzip.reset(stream.release());
    impl_->frame_open = true;
  } else if (path.ends_with(".zst")) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: does not begin with zstd's magic number 28 B5 2F FD", path));
  } else if (path.ends_with(".gz")) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: does not begin with gzip's magic number 1F 8B 08", path));
  }
}

ByteReader::ByteReader(ByteReader&&) noexcept = default;
ByteReader& ByteReader::operator=(ByteReader&&) noexcept = default;
ByteReader::~ByteReader() = default;

size_t ByteReader::read_fully(char* out, size_t size) {
  size_t done = 0;
  while (done < size) {
    const size_t n = read(out + done, size - done);
    if (n == 0) break;
    done += n;
  }
  return done;
}

const std::string& ByteReader::name() const { return impl_->name; }

size_t ByteReader::read(char* out, size_t size) {
  if (size == 0) return 0;
  Impl& s = *impl_;
  if (s.zstd) return s.read_zstd(out, size);
  if (s.gzip) return s.read_gzip(out, size);
  if (s.begin == s.end) {
    if (size >= s.buffer.size()) return s.read_raw(out, size);
    s.begin = 0;
    s.end = s.read_raw(s.buffer.data(), s.buffer.size());
  }
  size_t n = std::min(size, s.end - s.begin);
  std::memcpy(out, s.buffer.data() + s.begin, n);
  s.begin += n;
  return n;
}

struct ByteWriter::Impl {
  std::string name;
  std::string path;
  std::string temporary;  // empty where the target is written straight
  int fd = -1;
  std::string buffer;
  uint64_t size_bytes = 0;

  void flush() {
    write_fully(fd, buffer, name);
    buffer.clear();
  }

  ~Impl() {
    if (fd > STDERR_FILENO) ::close(fd);
    if (!temporary.empty()) ::unlink(temporary.c_str());
  }
};

ByteWriter::ByteWriter(const std::string& path) : impl_(std::make_unique<Impl>()) {
  Impl& s = *impl_;
  s.path = path;
  s.name = path == "-" ? "standard output" : path;
  s.buffer.reserve(kBufferBytes);
  if (path == "-") {
    s.fd = STDOUT_FILENO;
    return;
  }
  struct stat info {};
  bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: is a folder, expected a file to write", path));
  }
  if (exists && !S_ISREG(info.st_mode)) {
    s.fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (s.fd < 0) fail(s.name, "open for writing");
    return;
  }
  s.temporary = path + ".XXXXXX";
  s.fd = ::mkostemp(s.temporary.data(), O_CLOEXEC);
  if (s.fd < 0) {
    s.temporary.clear();
    fail(s.name, "create a file beside it");
  }
}

ByteWriter::ByteWriter(ByteWriter&&) noexcept = default;
ByteWriter& ByteWriter::operator=(ByteWriter&&) noexcept = default;
ByteWriter::~ByteWriter() = default;

const std::string& ByteWriter::name() const { return impl_->name; }
uint64_t ByteWriter::size_bytes() const { return impl_->size_bytes; }

void ByteWriter::write(std::string_view bytes) {
  Impl& s = *impl_;
  s.size_bytes += bytes.size();
  if (s.buffer.size() + bytes.size() > kBufferBytes) s.flush();
  if (bytes.size() >= kBufferBytes) {
    write_fully(s.fd, bytes, s.name);
  } else {
    s.buffer.append(bytes);
  }
}

void ByteWriter::patch(uint64_t position, std::string_view bytes) {
  Impl& s = *impl_;
  s.flush();
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(s.fd, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(s.name, "write into the middle");
    bytes.remove_prefix(static_cast<size_t>(n));
    position += static_cast<uint64_t>(n);
  }
}

void ByteWriter::finish() {
  Impl& s = *impl_;
  s.flush();
  if (s.temporary.empty()) return;
  // mkostemp makes 0600; a file that users asked for follows their umask.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(s.fd, 0666 & ~mask) != 0 || ::fsync(s.fd) != 0) fail(s.name, "sync");
  if (::rename(s.temporary.c_str(), s.path.c_str()) != 0) fail(s.name, "rename over");
  s.temporary.clear();
  std::filesystem::path folder = std::filesystem::path(s.path).parent_path();
  int parent = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    ::fsync(parent);
    ::close(parent);
  }
}

}  // namespace sextant::io
