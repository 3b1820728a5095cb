#include "store/column_bytes.h"

#include <fmt/format.h>

namespace sextant::store {
namespace {

constexpr size_t kInMemoryMax = size_t{16} << 20;
constexpr size_t kWrittenAtOnce = size_t{4} << 20;

}  // namespace

void ColumnBytes::append(std::string_view bytes) {
  bytes_ += bytes;
  if (bytes_.size() >= (file_ == nullptr ? kInMemoryMax : kWrittenAtOnce)) write();
}

void ColumnBytes::write() {
  if (file_ == nullptr) file_ = std::make_unique<base::FileReplacement>(path_);
  file_->append(bytes_);
  bytes_.clear();
  bytes_.shrink_to_fit();
}

std::span<const std::byte> ColumnBytes::finish() {
  if (file_ == nullptr) return std::as_bytes(std::span(bytes_.data(), bytes_.size()));
  write();
  // It is never committed, so it goes with this; until then its descriptor is its name.
  mapped_ = base::MappedFile(fmt::format("/proc/self/fd/{}", file_->descriptor()));
  return mapped_.bytes();
}

}  // namespace sextant::store
