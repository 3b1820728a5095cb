#include "cli/points_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "io/table_writer.h"
#include "sextant/error.h"

namespace sextant::cli {
namespace {

constexpr size_t kPageRows = 1000;

bool has_uuids(const query::Points& points) {
  // Numbers come before UUIDs.
  return !points.scroll({.from = store::PointId::of_uuid(0, 0), .limit = 1, .fields = {.payload = false}})
              .points.empty();
}

}  // namespace

PointsFileReport write_points(const query::Points& points, const std::string& path, const PointsFileOptions& options) {
  PointsFileReport report;
  const bool vectors_alone = path.ends_with(".npy") || path.ends_with(".fbin");
  const bool vectors = options.vectors || vectors_alone;
  const auto config = points.config();
  store::ScrollRequest request{.from = options.from, .filter = options.filter};
  size_t dim = 0;
  if (vectors) {
    const store::VectorConfig& vector = config->at("");
    if (vector.kind != store::VectorKind::dense) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: the collection's vectors are {}, expected dense ones; scroll --json shows them",
                              path, name(vector.kind)));
    }
    dim = vector.dim;
    request.fields.vectors = {""};
    for (const store::VectorConfig& other : config->vectors) {
      if (!other.name.empty()) report.left_out.push_back(other.name);
    }
  }
  const io::SinkOptions sink{.has_text = false, .has_payload = true, .numeric_ids = !has_uuids(points)};
  std::unique_ptr<io::RowSink> ids;
  if (vectors_alone) {
    report.ids_path = path.substr(0, path.rfind('.')) + ".ids.jsonl";
    ids = io::open_sink(*report.ids_path, 0, sink);
  }
  const std::unique_ptr<io::RowSink> rows = io::open_sink(path, dim, sink);
  if (options.progress != nullptr) {
    const uint64_t total = options.filter || options.from ? 0 : std::min(points.count(std::nullopt), options.limit);
    options.progress->begin("writing", "points", total);
  }
  while (report.points < options.limit) {
    request.limit = std::min<uint64_t>(kPageRows, options.limit - report.points);
    store::ScrollAnswer page = points.scroll(request);
    for (store::StoredPoint& point : page.points) {
      if (vectors && point.vectors.empty()) {
        ++report.without_vector;
        continue;
      }
      io::Row row;
      row.id = point.id.text();
      row.payload_json = std::move(point.payload);
      if (ids) ids->write(row);
      if (vectors) row.vector = std::move(point.vectors.front().second.values);
      rows->write(row);
      report.expiring += point.expires_ms != 0 ? 1 : 0;
      ++report.points;
    }
    if (options.progress != nullptr) options.progress->report(report.points);
    if (!page.next) break;
    request.from = page.next;
  }
  if (ids) ids->finish();
  rows->finish();
  if (options.progress != nullptr) options.progress->end();
  return report;
}

}  // namespace sextant::cli
