// cli/points_file.h: the points of a collection into a file that `sextant add --input` reads, a page at a time.
//
// In: ids, payloads and, where they are asked for, the vectors called "".     Out: .parquet or .jsonl with all of it;
// .npy or .fbin with the vectors, and beside it F.ids.jsonl with the id and payload of each, line i of row i.
// Left out: times of expiry, versions, vectors of other names, and, where vectors are asked for, points without one.
// Files appear complete or not at all. Memory: a page, and what io/table_writer.h says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "query/points.h"

namespace sextant::cli {

struct PointsFileOptions {
  std::optional<store::PointId> from = std::nullopt;
  std::optional<store::Filter> filter = std::nullopt;
  uint64_t limit = UINT64_MAX;
  bool vectors = false;  // of .npy and .fbin they are always there
  base::Progress* progress = nullptr;
};

struct PointsFileReport {
  uint64_t points = 0;                  // written
  uint64_t without_vector = 0;          // left out
  uint64_t expiring = 0;                // written without the time when they expire
  std::vector<std::string> left_out;    // names of other vectors
  std::optional<std::string> ids_path;  // the second file
};

// Throws invalid_argument for an ending that is none of these, or vectors that are not dense; unsupported for Parquet
// without DuckDB's library.
PointsFileReport write_points(const query::Points& points, const std::string& path, const PointsFileOptions& options);

}  // namespace sextant::cli
