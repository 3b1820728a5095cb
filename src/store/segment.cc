#include "store/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/threads.h"
#include "index/index_impl.h"
#include "index/multi_index_impl.h"
#include "sextant/error.h"
#include "store/column_bytes.h"
#include "store/payload/payload_index_builder.h"
#include "store/payload/payload_reader.h"
#include "store/vector_bytes.h"

namespace sextant::store {
namespace {

using index::SectionFileWriter;

constexpr uint32_t kRowsFileKind = 21;
constexpr uint32_t kFileVersion = 1;
constexpr size_t kSectionsMax = 4 + 256;
constexpr std::string_view kVectorPrefix = "vector_";
constexpr std::string_view kPayloadPrefix = "payload_";

std::string places_name(uint16_t slot) { return fmt::format("places_{}", slot); }
std::filesystem::path vector_path(const std::filesystem::path& folder, uint16_t slot) {
  return folder / fmt::format("{}{}", kVectorPrefix, slot);
}

// Another schema has another file.
std::filesystem::path payload_path(const std::filesystem::path& folder, const PayloadSchema& schema) {
  return folder / fmt::format("{}{:016x}", kPayloadPrefix, base::hash64(payload_schema_json(schema)));
}

IndexOptions index_options(const VectorConfig& config, size_t capacity, bool flat) {
  IndexOptions options;
  options.dim = config.dim;
  options.metric = config.metric;
  options.type = config.type;
  options.kind = flat ? IndexKind::flat : config.index;
  // Only a graph walks over other codes.
  options.codes = options.kind == IndexKind::flat && config.codes != CodeKind::sq8 ? CodeKind::none : config.codes;
  // What waits for its graph is compared as a whole by each search, so it is to be fast.
  const bool has_products = config.metric != Metric::l1 && config.metric != Metric::hamming;
  if (flat && has_products && config.kind == VectorKind::dense) options.codes = CodeKind::sq8;
  options.degree = config.degree;
  options.build_breadth = config.build_breadth;
  options.capacity = std::max<size_t>(1, capacity);
  return options;
}

void check_stop(const std::atomic<bool>* stop) {
  if (stop != nullptr && stop->load(std::memory_order_relaxed)) throw Error(ErrorCode::unavailable, "stopped");
}

// Ends what reports to it once STOP is set: a large graph takes minutes.
class Stopping final : public base::Progress {
 public:
  explicit Stopping(const std::atomic<bool>* stop) : stop_(stop) {}
  void begin(std::string_view, std::string_view, uint64_t) override { check_stop(stop_); }
  void report(uint64_t) override { check_stop(stop_); }
  void remark(std::string_view) override {}
  void end() override {}

 private:
  const std::atomic<bool>* stop_;
};

// The payloads that the points of these rows have at MOMENT. ID_OF: of a place.
template <class IdOf>
void gather_payloads(PayloadIndexBuilder& builder, const Truth::Moment& moment, std::span<const uint64_t> rows,
                     const std::atomic<bool>* stop, const IdOf& id_of) {
  constexpr size_t kPointsAtOnce = 1024;
  PayloadReader reader;
  std::vector<PointId> ids;
  for (size_t first = 0; first < rows.size(); first += ids.size()) {
    check_stop(stop);
    ids.clear();
    for (size_t place = first; place < std::min(rows.size(), first + kPointsAtOnce); ++place)
      ids.push_back(id_of(place));
    const auto records = moment.truth().find(ids, &moment);
    for (size_t i = 0; i < ids.size(); ++i) {
      // One that got another row since is dead here.
      if (!records[i] || records[i]->row != rows[first + i]) continue;
      builder.add(static_cast<uint32_t>(first + i), {ids[i], reader.read(records[i]->payload), {}});
    }
  }
}

// What a build gathers of one vector before its index is made.
struct Gathered {
  const VectorConfig* config;
  std::vector<uint32_t> places;
  ColumnBytes bytes;                    // dense, multi: elements, one vector after another
  std::vector<size_t> counts;           // multi: vectors of each row
  size_t vectors = 0;                   // dense, multi: of all rows
  std::vector<SparsePosting> postings;  // sparse

  void add(uint32_t place, std::string_view vector, const std::string& where) {
    auto corrupted = [&] {
      throw Error(ErrorCode::corrupted,
                  fmt::format("{}: a vector '{}' of {} bytes, which is none", where, config->name, vector.size()));
    };
    if (config->kind == VectorKind::sparse) {
      const std::optional<VectorValue> value = read_vector(*config, vector);
      if (!value) corrupted();
      const auto row = static_cast<uint32_t>(places.size());
      for (size_t i = 0; i < value->values.size(); ++i) postings.push_back({value->indices[i], row, value->values[i]});
    } else {
      const size_t count = count_vectors(*config, vector);
      if (count == 0) corrupted();
      bytes.append(vector);
      vectors += count;
      if (config->kind == VectorKind::multi) counts.push_back(count);
    }
    places.push_back(place);
  }

  void save(const std::filesystem::path& path, size_t threads, SegmentKind kind, const std::atomic<bool>* stop) {
    // What lasts for some minutes at most is measured less exactly.
    constexpr size_t kHastyPart = 4;
    Stopping stopping(stop);
    const bool flat = kind == SegmentKind::flat, hasty = kind == SegmentKind::hasty;
    const auto make = [&](auto& index, size_t sample, const auto& add) {
      index.set_hasty(hasty);
      add();
      check_stop(stop);
      if (!flat) index.calibrate(hasty ? sample / kHastyPart : sample, threads);
      check_stop(stop);
      index.save(path);
    };
    switch (config->kind) {
      case VectorKind::dense: {
        index::IndexImpl index(index_options(*config, vectors, flat));
        // The faster way reads rows here and there and lists many of each one's nearest, which must have room.
        const size_t memory_max = base::memory_limit_bytes() / 4 * 3;
        const bool tight =
            index.memory_for(vectors, true) + vectors * index::row_bytes(config->type, config->dim) > memory_max;
        std::optional<base::PageBudget> pages;
        if (tight) {
          index.set_bulk(false);
          pages.emplace(std::max(index::IndexImpl::kPagesLeast, memory_max / 4), [&] { bytes.give_up_pages(); });
        }
        make(index, 200, [&] { index.add_view(bytes.finish(), threads, &stopping, pages ? &*pages : nullptr); });
        break;
      }
      case VectorKind::multi: {
        index::MultiIndexImpl index(index_options(*config, vectors, flat));
        make(index, 64, [&] { index.add_view(counts, bytes.finish(), threads, &stopping); });
        break;
      }
      case VectorKind::sparse:
        SparseLists::write(path, std::move(postings), places.size());
        break;
    }
  }
};

}  // namespace

std::string_view name(SegmentKind kind) {
  constexpr std::string_view kNames[] = {"complete", "hasty", "flat"};
  return kNames[static_cast<size_t>(kind)];
}

std::string write_segments(const std::vector<SegmentInfo>& segments) {
  nlohmann::json out = nlohmann::json::array();
  for (const SegmentInfo& segment : segments) {
    // The first version wrote whether it is flat, and nothing after that.
    out.push_back({segment.number, segment.row_begin, segment.row_end, segment.rows, segment.version,
                   segment.kind == SegmentKind::flat});
    if (segment.kind == SegmentKind::hasty) out.back().push_back(true);
  }
  return base::json_text(out);
}

std::vector<SegmentInfo> read_segments(std::string_view text, const std::string& where) {
  std::vector<SegmentInfo> out;
  try {
    for (const nlohmann::json& entry : base::parse_json(text)) {
      out.push_back({entry.at(0).get<uint64_t>(), entry.at(1).get<uint64_t>(), entry.at(2).get<uint64_t>(),
                     entry.at(3).get<uint64_t>(), entry.at(4).get<uint64_t>(),
                     entry.at(5).get<bool>()                       ? SegmentKind::flat
                     : entry.size() > 6 && entry.at(6).get<bool>() ? SegmentKind::hasty
                                                                   : SegmentKind::complete});
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: its list of segments: {}", where, error.what()));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].row_begin > out[i].row_end || (i > 0 && out[i].row_begin != out[i - 1].row_end)) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: its list of segments: rows {} to {} after {}", where,
                                                    out[i].row_begin, out[i].row_end, i > 0 ? out[i - 1].row_end : 0));
    }
  }
  return out;
}

SegmentInfo Segment::build(const std::filesystem::path& folder, SegmentInfo info, const StoreConfig& config,
                           const Truth::Moment& moment, const SegmentBuildOptions& options) {
  std::vector<uint64_t> rows, highs, lows;
  std::vector<uint8_t> kinds;
  std::map<uint16_t, Gathered> columns;
  for (const VectorConfig& vector : config.vectors) {
    Gathered column{.config = &vector, .bytes = ColumnBytes(folder / fmt::format("gathered_{}", vector.slot))};
    columns.emplace(vector.slot, std::move(column));
  }
  base::make_folders(folder);
  moment.truth().for_rows(info.row_begin, info.row_end, &moment, [&](const Truth::RowVectors& row) {
    const auto place = static_cast<uint32_t>(rows.size());
    rows.push_back(row.row);
    highs.push_back(row.id.high());
    lows.push_back(row.id.low());
    kinds.push_back(row.id.is_uuid() ? 1 : 0);
    for (const auto& vector : row.vectors) {
      const auto found = columns.find(vector.slot);
      if (found != columns.end()) found->second.add(place, vector.bytes, moment.truth().where());
    }
    if (place % 4096 == 0) check_stop(options.stop);
    return true;
  });
  info.rows = rows.size();
  info.kind = options.kind;
  std::optional<PayloadIndexBuilder> payloads;
  if (!config.payload_schema.fields().empty() && !rows.empty()) {
    payloads.emplace(config.payload_schema);
    gather_payloads(*payloads, moment, rows, options.stop, [&](size_t place) {
      return kinds[place] != 0 ? PointId::of_uuid(highs[place], lows[place]) : PointId::of(lows[place]);
    });
  }
  if (options.gathered) options.gathered();
  if (rows.empty()) {
    base::remove_all(folder);
    return info;
  }
  SectionFileWriter file(folder / "rows", kRowsFileKind, kFileVersion, kSectionsMax);
  file.add("rows", std::span<const uint64_t>(rows));
  file.add("id_highs", std::span<const uint64_t>(highs));
  file.add("id_lows", std::span<const uint64_t>(lows));
  file.add("id_kinds", std::span<const uint8_t>(kinds));
  for (auto& [slot, column] : columns) {
    check_stop(options.stop);
    if (column.places.empty()) continue;
    column.save(vector_path(folder, slot), options.threads, options.kind, options.stop);
    file.add(places_name(slot), std::span<const uint32_t>(column.places));
    column = Gathered{.config = nullptr, .bytes = ColumnBytes({})};
  }
  file.commit();
  if (payloads) {
    payloads->write(payload_path(folder, config.payload_schema), static_cast<uint32_t>(rows.size()), info.version);
  }
  return info;
}

void Segment::build_payload_index(const StoreConfig& config, const Truth::Moment& moment, uint64_t version,
                                  const std::atomic<bool>* stop) const {
  PayloadIndexBuilder builder(config.payload_schema);
  gather_payloads(builder, moment, rows_, stop, [&](size_t place) { return id(static_cast<uint32_t>(place)); });
  // The folder is synced with the new file in it.
  if (!remove_payload_indexes_but(config.payload_schema)) {
    throw Error(
        ErrorCode::unavailable,
        fmt::format("{}: an index of payloads that is not needed any more cannot be removed", folder_.string()));
  }
  builder.write(payload_path(folder_, config.payload_schema), static_cast<uint32_t>(size()), version);
}

bool Segment::remove_payload_indexes_but(const PayloadSchema& schema) const {
  const std::filesystem::path kept = payload_path(folder_, schema).filename();
  bool all = true;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::filesystem::path name = entry.path().filename();
    if (!name.string().starts_with(kPayloadPrefix) || (name == kept && !schema.fields().empty())) continue;
    base::remove_all(entry.path());
    all = all && !std::filesystem::exists(entry.path(), error);
  }
  return all;
}

std::shared_ptr<const PayloadIndex> Segment::payload_index(const PayloadSchema& schema, uint64_t version) const {
  if (schema.fields().empty()) return nullptr;
  try {
    auto index = std::make_shared<const PayloadIndex>(PayloadIndex::open(payload_path(folder_, schema)));
    if (index->rows() != size() || index->schema() != schema || index->version() > version) return nullptr;
    return index;
  } catch (const Error& error) {
    // Filters look at the payloads themselves until it is made again.
    return nullptr;
  }
}

Segment::Segment(const std::filesystem::path& folder, const SegmentInfo& info, const StoreConfig& config)
    : folder_(folder), info_(info) {
  file_.emplace(folder / "rows", kRowsFileKind, kFileVersion);
  rows_ = file_->get<uint64_t>("rows", info.rows);
  id_highs_ = file_->get<uint64_t>("id_highs", info.rows);
  id_lows_ = file_->get<uint64_t>("id_lows", info.rows);
  id_kinds_ = file_->get<uint8_t>("id_kinds", info.rows);
  for (const VectorConfig& vector : config.vectors) {
    if (!file_->has(places_name(vector.slot))) continue;
    Column column;
    column.size = file_->get(places_name(vector.slot)).size() / sizeof(uint32_t);
    const auto places = file_->get<uint32_t>(places_name(vector.slot), column.size);
    if (column.size > info.rows || column.size == 0) {
      file_->fail(fmt::format("vector '{}' of {} rows, the segment has {}", vector.name, column.size, info.rows));
    }
    // As many numbers as places, so they are the same: nothing has to be looked at.
    if (column.size < info.rows) {
      column.places = places;
      for (size_t i = 0; i < places.size(); ++i) {
        if (places[i] >= info.rows || (i > 0 && places[i] <= places[i - 1])) {
          file_->fail(fmt::format("vector '{}': place {} is {}", vector.name, i, places[i]));
        }
      }
    }
    const std::filesystem::path path = vector_path(folder, vector.slot);
    size_t found = 0;
    switch (vector.kind) {
      case VectorKind::dense:
        column.dense = Index::open(path);
        found = column.dense->size();
        break;
      case VectorKind::multi:
        column.multi = MultiIndex::open(path);
        found = column.multi->size();
        break;
      case VectorKind::sparse:
        column.sparse = std::make_unique<const SparseLists>(path);
        found = column.sparse->size();
        break;
    }
    const bool fits =
        vector.kind == VectorKind::sparse ||
        (vector.kind == VectorKind::dense ? column.dense->options() : column.multi->options()).dim == vector.dim;
    if (found != column.size || !fits) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: {} vectors, or of another dim, expected {} of dim {}",
                                                    path.string(), found, column.size, vector.dim));
    }
    columns_.emplace(vector.slot, std::move(column));
  }
}

Segment::~Segment() {
  // What stays is removed when the collection is opened again.
  for (uint16_t slot : obsolete_slots_) base::remove_all(vector_path(folder_, slot));
  if (obsolete_.load(std::memory_order_relaxed)) base::remove_all(folder_);
}

namespace {

bool has_slot(const StoreConfig& config, uint16_t slot) {
  return std::any_of(config.vectors.begin(), config.vectors.end(),
                     [&](const VectorConfig& vector) { return vector.slot == slot; });
}

}  // namespace

bool Segment::has_other_vectors(const StoreConfig& config) const {
  return std::any_of(columns_.begin(), columns_.end(),
                     [&](const auto& column) { return !has_slot(config, column.first); });
}

void Segment::remove_other_vectors(const StoreConfig& config) const {
  for (const auto& [slot, column] : columns_) {
    if (!has_slot(config, slot)) obsolete_slots_.push_back(slot);
  }
}

void Segment::remove_leftovers(const StoreConfig& config) const {
  std::vector<std::filesystem::path> leftovers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kVectorPrefix)) continue;
    uint16_t slot = 0;
    const char* end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + kVectorPrefix.size(), end, slot);
    if (read.ec == std::errc() && read.ptr == end && !has_slot(config, slot)) leftovers.push_back(entry.path());
  }
  for (const std::filesystem::path& path : leftovers) base::remove_all(path);
}

PointId Segment::id(uint32_t place) const {
  return id_kinds_[place] != 0 ? PointId::of_uuid(id_highs_[place], id_lows_[place]) : PointId::of(id_lows_[place]);
}

std::optional<uint32_t> Segment::find(uint64_t row) const {
  const auto at = std::lower_bound(rows_.begin(), rows_.end(), row);
  if (at == rows_.end() || *at != row) return std::nullopt;
  return static_cast<uint32_t>(at - rows_.begin());
}

const Segment::Column* Segment::column(const VectorConfig& config) const {
  const auto found = columns_.find(config.slot);
  return found == columns_.end() ? nullptr : &found->second;
}

void Segment::verify() const {
  file_->verify();
  for (const auto& [slot, column] : columns_) {
    if (column.dense) Index::open(vector_path(folder_, slot), {.verify = true});
    if (column.multi) MultiIndex::open(vector_path(folder_, slot), {.verify = true});
    if (column.sparse) column.sparse->verify();
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    if (!entry.path().filename().string().starts_with(kPayloadPrefix)) continue;
    try {
      PayloadIndex::open(entry.path()).verify();
    } catch (const Error& error) {
      // One that is not needed any more may go meanwhile.
      if (error.code() != ErrorCode::not_found) throw;
    }
  }
}

uint64_t Segment::disk_bytes() const {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const uint64_t size = entry.file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

}  // namespace sextant::store
