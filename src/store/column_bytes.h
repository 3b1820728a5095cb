// store/column_bytes.h: the vectors that a build gathers: in memory as long as they are few, then in a file that is
// mapped, so that building a large segment takes no more memory than the system has to spare.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/files.h"

namespace sextant::store {

class ColumnBytes {
 public:
  // PATH: where a file may be made; it is gone when this goes.
  explicit ColumnBytes(std::filesystem::path path) : path_(std::move(path)) {}
  // Throws exhausted where the disk is full, unavailable.
  void append(std::string_view bytes);
  // All of it, valid until this goes. Nothing is appended afterwards.
  std::span<const std::byte> finish();
  // Of a file, as MappedFile does.
  void give_up_pages() const { mapped_.give_up_pages(); }

 private:
  void write();

  std::filesystem::path path_;
  std::string bytes_;
  std::unique_ptr<base::FileReplacement> file_;
  base::MappedFile mapped_;
};

}  // namespace sextant::store
