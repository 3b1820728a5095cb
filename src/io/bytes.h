// io/bytes.h: streams of bytes in and out: files, standard input and output, zstd, gzip.
//
// In: a path, or "-" for standard input. A stream whose first bytes are zstd's magic number or gzip's is decompressed
// as it is read, whatever its name; several frames in a row are one stream. Out: a path, or "-" for standard output.
// Memory: one buffer of 256 KiB a stream, plus zstd's window (refused above 128 MiB).
// Threads: one at a time per object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sextant::io {

// What some programs begin UTF-8 with.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

class ByteReader {
 public:
  // Throws not_found, invalid_argument (a folder) or unavailable, naming the path.
  explicit ByteReader(const std::string& path);
  ByteReader(ByteReader&&) noexcept;
  ByteReader& operator=(ByteReader&&) noexcept;
  ~ByteReader();

  // Fills up to size bytes; 0 only at the end. Throws corrupted when a compressed stream is damaged or cut short.
  size_t read(char* out, size_t size);
  // Fills size bytes, fewer only at the end.
  size_t read_fully(char* out, size_t size);

  // The path, "standard input" for "-": what errors call this stream.
  const std::string& name() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Regular files are written beside their path and renamed over it by finish(), so that nobody sees half a file;
// without finish() nothing appears. Devices, pipes and "-" are written straight.
class ByteWriter {
 public:
  explicit ByteWriter(const std::string& path);
  ByteWriter(ByteWriter&&) noexcept;
  ByteWriter& operator=(ByteWriter&&) noexcept;
  ~ByteWriter();

  void write(std::string_view bytes);
  // Overwrites bytes written before. REQUIRES: the range lies within what was written, and the target is a file.
  void patch(uint64_t position, std::string_view bytes);
  // Syncs and renames. REQUIRES: called at most once, nothing is written afterwards.
  void finish();

  uint64_t size_bytes() const;  // written so far
  const std::string& name() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant::io
