// store/snapshot.h: a collection of one moment in one file, and a collection made of such a file.
//
// The file (index/section_file.h, kind 23) has the files of a RocksDB checkpoint as sections, each with its checksum,
// and a section `about`: JSON {"format", "points", "version"}. Segments are not in it: they are made again.
#pragma once

#include <cstdint>
#include <filesystem>

#include "store/truth.h"

namespace sextant::store {

struct SnapshotReport {
  uint64_t points = 0;
  uint64_t version = 0;  // of the last operation in it
  uint64_t bytes = 0;
};

// What TRUTH holds now; writers go on meanwhile. The file takes its place whole or not at all.
SnapshotReport write_snapshot(Truth& truth, const std::filesystem::path& path);

// Makes a truth in FOLDER, which must not exist. Reads all of the file and compares its checksums first. Throws
// not_found, corrupted, unsupported, already_exists.
SnapshotReport restore_snapshot(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace sextant::store
