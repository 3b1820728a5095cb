#include "store/folder_copy.h"

#include <fmt/format.h>

#include <system_error>

#include "base/files.h"
#include "sextant/error.h"

namespace sextant::store {
namespace {

namespace fs = std::filesystem;

// RocksDB's tables, and all there is of segments, are written once.
bool never_changes(const fs::path& file) {
  return file.extension() == ".sst" || file.parent_path().parent_path().filename() == "segments";
}

[[noreturn]] void fail(const fs::path& path, const std::error_code& error) {
  throw Error(error == std::errc::no_space_on_device ? ErrorCode::exhausted : ErrorCode::unavailable,
              fmt::format("{}: cannot be copied: {}", path.string(), error.message()));
}

void copy_folder(const fs::path& from, const fs::path& to) {
  base::make_folders(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    const fs::path target = to / entry.path().filename();
    std::error_code error;
    if (entry.is_directory()) {
      copy_folder(entry.path(), target);
    } else if (entry.path().filename() == "lock") {
      continue;
    } else {
      if (never_changes(entry.path())) fs::create_hard_link(entry.path(), target, error);
      // There are file systems without links.
      if (!fs::exists(target)) {
        error.clear();
        fs::copy_file(entry.path(), target, error);
      }
      if (error) fail(entry.path(), error);
    }
  }
}

}  // namespace

void copy_database(const fs::path& from, const fs::path& to) {
  if (!fs::is_directory(from / "catalog")) {
    throw Error(ErrorCode::not_found, fmt::format("{}: no database there", from.string()));
  }
  if (fs::exists(to)) throw Error(ErrorCode::already_exists, fmt::format("{}: exists already", to.string()));
  // What is cut off must not be taken for a database.
  const fs::path half = to.string() + ".half";
  base::remove_all(half);
  try {
    copy_folder(from, half);
    std::error_code error;
    fs::rename(half, to, error);
    if (error) fail(from, error);
  } catch (...) {
    base::remove_all(half);
    throw;
  }
}

}  // namespace sextant::store
