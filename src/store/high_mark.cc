#include "store/high_mark.h"

#include <array>
#include <string_view>

#include "base/file_system.h"
#include "base/files.h"
#include "base/hash.h"
#include "sextant/error.h"
#include "store/key_bytes.h"

namespace sextant::store {
namespace {

// The version, and a hash of it: a half-written mark is none.
std::string mark_bytes(uint64_t version) {
  std::string bytes;
  append_big_endian(bytes, version);
  append_big_endian(bytes, base::hash64(std::string(bytes)));
  return bytes;
}

}  // namespace

HighMark::HighMark(const std::filesystem::path& path) : path_(path) {
  try {
    const std::string bytes = base::read_file(path, 16);
    std::string_view left = bytes;
    uint64_t version = 0;
    if (take_big_endian(left, version) && bytes == mark_bytes(version)) version_ = version;
  } catch (const Error&) {
    // A collection without one is as good, only less watched.
  }
}

HighMark::~HighMark() {
  if (descriptor_ >= 0) base::file_system().close(descriptor_);
}

void HighMark::raise(uint64_t version) noexcept {
  if (version <= version_) return;
  if (descriptor_ < 0) descriptor_ = base::file_system().open(path_);
  if (descriptor_ < 0) return;
  const std::string bytes = mark_bytes(version);
  if (base::file_system().write(descriptor_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size())) {
    version_ = version;
  }
}

}  // namespace sextant::store
