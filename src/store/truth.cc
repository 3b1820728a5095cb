#include "store/truth.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "sextant/error.h"
#include "store/key_bytes.h"
#include "store/rocks.h"

namespace sextant::store {
namespace {

constexpr std::string_view kFormat = "sextant collection 1";
constexpr std::string_view kFormatKey = "format";
constexpr std::string_view kConfigKey = "config";
constexpr std::string_view kStateKey = "state";
constexpr std::string_view kSegmentsKey = "segments";
constexpr const char* kFamilyNames[] = {"default", "points", "rows", "marks", "expiry"};
constexpr char kDeadMark = 'd';
constexpr char kChangedMark = 'p';

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

std::string row_key(uint64_t row, uint16_t slot) {
  std::string key;
  append_big_endian(key, row);
  append_big_endian(key, slot);
  return key;
}

std::string mark_key(char kind, uint64_t row) {
  std::string key(1, kind);
  append_big_endian(key, row);
  return key;
}

std::string expiry_key(uint64_t expires_ms, const PointId& id) {
  std::string key;
  append_big_endian(key, expires_ms);
  return key + id.key();
}

std::string state_bytes(const TruthState& state) {
  std::string bytes;
  append_big_endian(bytes, state.version);
  append_big_endian(bytes, state.next_row);
  append_big_endian(bytes, state.points);
  return bytes;
}

rocksdb::BlockBasedTableOptions table_options(const TruthResources& resources) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = resources.cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.block_size = 16 << 10;
  table.format_version = 5;
  return table;
}

rocksdb::DBOptions db_options(const TruthResources& resources) {
  rocksdb::DBOptions options;
  options.env = resources.env;
  options.write_buffer_manager = resources.write_buffers;
  options.max_background_jobs = 2;
  options.max_open_files = 512;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 1 << 20;
  // A torn last record was never acknowledged; damage anywhere else is an error and not the end of the log.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  options.wal_bytes_per_sync = 0;
  options.bytes_per_sync = 1 << 20;
  options.max_total_wal_size = uint64_t{256} << 20;
  options.persist_stats_to_disk = false;
  options.stats_dump_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.skip_checking_sst_file_sizes_on_db_open = true;
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> families(const TruthResources& resources) {
  std::vector<rocksdb::ColumnFamilyDescriptor> out;
  for (const char* name : kFamilyNames) {
    rocksdb::ColumnFamilyOptions options;
    rocksdb::BlockBasedTableOptions table = table_options(resources);
    options.write_buffer_size = 32 << 20;
    options.compression = rocksdb::kLZ4Compression;
    options.level_compaction_dynamic_level_bytes = true;
    const std::string_view family(name);
    if (family == "points") {
      table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
      // Ids that are not there are asked for all the time: every insert does.
      options.optimize_filters_for_hits = false;
    } else if (family == "rows") {
      // Numbers that look random; and they come in the order of their keys, so they are written once and moved.
      options.compression = rocksdb::kNoCompression;
      options.write_buffer_size = 64 << 20;
      options.target_file_size_base = 64 << 20;
    } else {
      options.write_buffer_size = 4 << 20;
    }
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    out.emplace_back(name, options);
  }
  return out;
}

}  // namespace

TruthResources::TruthResources(size_t bytes) : memory_bytes(bytes) {
  // What is not yet in files counts as blocks do, so that one number bounds both.
  cache = rocksdb::NewLRUCache(bytes);
  write_buffers = std::make_shared<rocksdb::WriteBufferManager>(bytes / 2, cache);
}

std::string write_record(const PointRecord& record) {
  std::string bytes;
  bytes.reserve(27 + 2 * record.slots.size() + record.payload.size());
  append_big_endian(bytes, record.row);
  append_big_endian(bytes, record.version);
  append_big_endian(bytes, record.expires_ms);
  append_big_endian(bytes, static_cast<uint16_t>(record.slots.size()));
  for (uint16_t slot : record.slots) append_big_endian(bytes, slot);
  bytes += record.payload;
  return bytes;
}

std::optional<PointRecord> read_record(std::string_view bytes) {
  PointRecord record;
  uint16_t slots = 0;
  if (!take_big_endian(bytes, record.row) || !take_big_endian(bytes, record.version) ||
      !take_big_endian(bytes, record.expires_ms) || !take_big_endian(bytes, slots)) {
    return std::nullopt;
  }
  record.slots.resize(slots);
  for (uint16_t& slot : record.slots) {
    if (!take_big_endian(bytes, slot)) return std::nullopt;
  }
  record.payload = bytes;
  return record;
}

void Truth::create(const std::filesystem::path& folder, const StoreConfig& config, const TruthResources& resources) {
  store::check(config);
  rocksdb::DBOptions options = db_options(resources);
  options.create_if_missing = true;
  options.error_if_exists = true;
  options.create_missing_column_families = true;
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const std::string where = folder.string();
  if (std::filesystem::exists(folder)) throw Error(ErrorCode::already_exists, fmt::format("{}: exists already", where));
  store::check(rocksdb::DB::Open(options, where, families(resources), &handles, &db), where);
  const std::unique_ptr<rocksdb::DB> owner(db);
  rocksdb::WriteBatch batch;
  batch.Put(slice(kFormatKey), slice(kFormat));
  batch.Put(slice(kConfigKey), write_config(config));
  batch.Put(slice(kStateKey), state_bytes({}));
  batch.Put(slice(kSegmentsKey), "[]");
  rocksdb::WriteOptions write;
  write.sync = true;
  const rocksdb::Status written = db->Write(write, &batch);
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  store::check(written, where);
  store::check(db->Close(), where);
}

// Is told what goes wrong in RocksDB's own threads.
class Truth::DiskWatch : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    // Damaged files are as damaged after they are opened again.
    if (status->IsIOError()) is_broken_ = true;
  }
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
    if (info.new_bg_error.ok()) is_broken_ = false;
  }
  bool is_broken() const { return is_broken_; }

 private:
  std::atomic<bool> is_broken_ = false;
};

bool Truth::is_broken() const { return disk_->is_broken(); }

Truth::Truth(const std::filesystem::path& folder, const TruthResources& resources, bool read_only)
    : folder_(folder), disk_(std::make_shared<DiskWatch>()) {
  std::error_code missing;
  if (!std::filesystem::exists(folder_ / "CURRENT", missing)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder_, missing)) {
      if (entry.path().filename().string().starts_with("MANIFEST")) {
        throw Error(ErrorCode::corrupted, fmt::format("{}/CURRENT: missing", where()));
      }
    }
    throw Error(ErrorCode::not_found, fmt::format("{}: no collection there", where()));
  }
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DBOptions with_watch = db_options(resources);
  with_watch.listeners.push_back(disk_);
  if (read_only) {
    with_watch.info_log = no_log();
    with_watch.max_open_files = -1;
  }
  std::optional<ManifestWatch> manifest;
  if (read_only) manifest.emplace(folder_);
  watch_.open(folder_, with_watch, [&](const rocksdb::DBOptions& options) {
    return read_only ? rocksdb::DB::OpenForReadOnly(options, where(), families(resources), &handles, &db)
                     : rocksdb::DB::Open(options, where(), families(resources), &handles, &db);
  });
  db_.reset(db);
  std::copy(handles.begin(), handles.end(), families_.begin());
  try {
    if (manifest) manifest->check();
    const std::string format = get(kFormatKey);
    if (format != kFormat) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: written as '{}', this program reads '{}'", where(), format, kFormat));
    }
  } catch (...) {
    close();
    throw;
  }
}

Truth::~Truth() { close(); }

void Truth::close() {
  for (rocksdb::ColumnFamilyHandle*& handle : families_) {
    if (handle != nullptr) db_->DestroyColumnFamilyHandle(handle);
    handle = nullptr;
  }
  // What fails now was written to the log before it was acknowledged.
  db_->Close().PermitUncheckedError();
  db_.reset();
}

void Truth::corrupted(const std::string& what) const {
  throw Error(ErrorCode::corrupted, fmt::format("{}: {}", where(), what));
}

std::string Truth::get(std::string_view key) const {
  std::string value;
  const rocksdb::Status status = db_->Get({}, slice(key), &value);
  if (status.IsNotFound()) corrupted(fmt::format("no '{}' in it", key));
  store::check(status, where());
  return value;
}

StoreConfig Truth::config() const { return read_config(get(kConfigKey), where()); }

TruthState Truth::state() const {
  const std::string bytes = get(kStateKey);
  std::string_view left = bytes;
  TruthState state;
  if (!take_big_endian(left, state.version) || !take_big_endian(left, state.next_row) ||
      !take_big_endian(left, state.points) || !left.empty()) {
    corrupted(fmt::format("a state of {} bytes, expected 24", bytes.size()));
  }
  return state;
}

std::string Truth::segments() const { return get(kSegmentsKey); }

void Truth::Batch::put_state(const TruthState& state) { batch_.Put(slice(kStateKey), state_bytes(state)); }
void Truth::Batch::put_config(const StoreConfig& config) { batch_.Put(slice(kConfigKey), write_config(config)); }
void Truth::Batch::put_segments(std::string_view json) { batch_.Put(slice(kSegmentsKey), slice(json)); }
void Truth::Batch::put_point(const PointId& id, const PointRecord& record) {
  batch_.Put(truth_.family(kPoints), id.key(), write_record(record));
}
void Truth::Batch::remove_point(const PointId& id) { batch_.Delete(truth_.family(kPoints), id.key()); }
void Truth::Batch::put_row_id(uint64_t row, const PointId& id) {
  batch_.Put(truth_.family(kRows), row_key(row, 0), id.key());
}
void Truth::Batch::put_vector(uint64_t row, uint16_t slot, std::string_view bytes) {
  batch_.Put(truth_.family(kRows), row_key(row, slot), slice(bytes));
}
void Truth::Batch::remove_vector(uint64_t row, uint16_t slot) {
  batch_.Delete(truth_.family(kRows), row_key(row, slot));
}
void Truth::Batch::kill_row(uint64_t row, std::span<const uint16_t> slots) {
  batch_.Delete(truth_.family(kRows), row_key(row, 0));
  for (uint16_t slot : slots) batch_.Delete(truth_.family(kRows), row_key(row, slot));
  batch_.Put(truth_.family(kMarks), mark_key(kDeadMark, row), rocksdb::Slice());
}
void Truth::Batch::mark_changed(uint64_t row, uint64_t version) {
  std::string value;
  append_big_endian(value, version);
  batch_.Put(truth_.family(kMarks), mark_key(kChangedMark, row), value);
}
void Truth::Batch::unmark_dead(uint64_t row) { batch_.Delete(truth_.family(kMarks), mark_key(kDeadMark, row)); }
void Truth::Batch::unmark_changed(uint64_t row) { batch_.Delete(truth_.family(kMarks), mark_key(kChangedMark, row)); }
void Truth::Batch::put_expiry(uint64_t expires_ms, const PointId& id) {
  batch_.Put(truth_.family(kExpiry), expiry_key(expires_ms, id), rocksdb::Slice());
}
void Truth::Batch::remove_expiry(uint64_t expires_ms, const PointId& id) {
  batch_.Delete(truth_.family(kExpiry), expiry_key(expires_ms, id));
}

void Truth::write(Batch& batch, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  store::check(db_->Write(options, &batch.batch_), where());
}

void Truth::flush(uint64_t bytes) {
  uint64_t there = 0;
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    uint64_t of_family = 0;
    if (db_->GetIntProperty(family, rocksdb::DB::Properties::kCurSizeAllMemTables, &of_family)) there += of_family;
  }
  if (there <= bytes) return;
  store::check(db_->Flush({}, {families_.begin(), families_.end()}), where());
}

void Truth::sync() { store::check(db_->SyncWAL(), where()); }

namespace {

rocksdb::ReadOptions read_options(const Truth::Moment* moment) {
  return moment == nullptr ? rocksdb::ReadOptions() : moment->options();
}

}  // namespace

std::vector<std::optional<PointRecord>> Truth::find(std::span<const PointId> ids, const Moment* moment) const {
  std::vector<std::string> keys;
  keys.reserve(ids.size());
  for (const PointId& id : ids) keys.push_back(id.key());
  std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(ids.size());
  std::vector<rocksdb::Status> statuses(ids.size());
  db_->MultiGet(read_options(moment), families_[kPoints], slices.size(), slices.data(), values.data(), statuses.data());
  std::vector<std::optional<PointRecord>> out(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    store::check(statuses[i], where());
    out[i] = read_record(view(values[i]));
    if (!out[i]) corrupted(fmt::format("the record of point {} is no record", ids[i].text()));
  }
  return out;
}

std::optional<std::string> Truth::vector(uint64_t row, uint16_t slot, const Moment* moment) const {
  std::string value;
  const rocksdb::Status status = db_->Get(read_options(moment), families_[kRows], row_key(row, slot), &value);
  if (status.IsNotFound()) return std::nullopt;
  store::check(status, where());
  return value;
}

void Truth::for_rows(uint64_t begin, uint64_t end, const Moment* moment,
                     const std::function<bool(const RowVectors&)>& take) const {
  rocksdb::ReadOptions options = read_options(moment);
  const std::string last = row_key(end, 0);
  const rocksdb::Slice bound(last);
  options.iterate_upper_bound = &bound;
  options.readahead_size = 2 << 20;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options, families_[kRows]));
  RowVectors row;
  bool open = false;
  // The iterator has one value at a time, so a row's are kept here.
  std::vector<std::string> values;
  auto close_row = [&] {
    if (!open) return true;
    for (size_t i = 0; i < row.vectors.size(); ++i) row.vectors[i].bytes = values[i];
    open = false;
    return take(row);
  };
  for (at->Seek(row_key(begin, 0)); at->Valid(); at->Next()) {
    std::string_view key = view(at->key());
    uint64_t number = 0;
    uint16_t slot = 0;
    if (!take_big_endian(key, number) || !take_big_endian(key, slot) || !key.empty()) {
      corrupted(fmt::format("a key of {} bytes among its rows, expected 10", at->key().size()));
    }
    if (slot == 0) {
      if (!close_row()) return;
      const std::optional<PointId> id = PointId::of_key(view(at->value()));
      if (!id) corrupted(fmt::format("row {} has no id", number));
      row.row = number;
      row.id = *id;
      row.vectors.clear();
      open = true;
      continue;
    }
    if (!open || row.row != number) corrupted(fmt::format("row {} has a vector and no id", number));
    row.vectors.push_back({slot, {}});
    if (values.size() < row.vectors.size()) values.emplace_back();
    values[row.vectors.size() - 1].assign(at->value().data(), at->value().size());
  }
  store::check(at->status(), where());
  close_row();
}

void Truth::for_marks(uint64_t begin, uint64_t end, const std::function<void(const Mark&)>& take) const {
  for (const char kind : {kDeadMark, kChangedMark}) {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, families_[kMarks]));
    for (at->Seek(mark_key(kind, begin)); at->Valid(); at->Next()) {
      std::string_view key = view(at->key());
      if (key.empty() || key.front() != kind) break;
      key.remove_prefix(1);
      Mark mark;
      mark.dead = kind == kDeadMark;
      std::string_view value = view(at->value());
      const bool has_version = !mark.dead && !value.empty();
      if (!take_big_endian(key, mark.row) || !key.empty() || (has_version && !take_big_endian(value, mark.version)) ||
          !value.empty()) {
        corrupted("a mark that is none");
      }
      if (mark.row >= end) break;
      take(mark);
    }
    store::check(at->status(), where());
  }
}

void Truth::for_points(const std::optional<PointId>& from, const Moment* moment,
                       const std::function<bool(const PointId&, PointRecord&&)>& take) const {
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(read_options(moment), families_[kPoints]));
  if (from) {
    at->Seek(from->key());
  } else {
    at->SeekToFirst();
  }
  for (; at->Valid(); at->Next()) {
    const std::optional<PointId> id = PointId::of_key(view(at->key()));
    if (!id) corrupted("a point whose id is none");
    std::optional<PointRecord> record = read_record(view(at->value()));
    if (!record) corrupted(fmt::format("the record of point {} is no record", id->text()));
    if (!take(*id, std::move(*record))) return;
  }
  store::check(at->status(), where());
}

std::vector<std::pair<uint64_t, PointId>> Truth::expiring(uint64_t ms, size_t limit, const Moment* moment) const {
  std::vector<std::pair<uint64_t, PointId>> out;
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(read_options(moment), families_[kExpiry]));
  for (at->SeekToFirst(); at->Valid() && out.size() < limit; at->Next()) {
    std::string_view key = view(at->key());
    uint64_t expires_ms = 0;
    if (!take_big_endian(key, expires_ms)) corrupted("a time of expiry that is none");
    if (expires_ms > ms) break;
    const std::optional<PointId> id = PointId::of_key(key);
    if (!id) corrupted("a time of expiry without a point");
    out.emplace_back(expires_ms, *id);
  }
  store::check(at->status(), where());
  return out;
}

void Truth::verify() const { store::check(db_->VerifyChecksum(), where()); }

uint64_t Truth::disk_bytes() const {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const uint64_t size = entry.is_regular_file(error) ? entry.file_size(error) : 0;
    if (!error) bytes += size;
  }
  return bytes;
}

namespace {

rocksdb::CompactRangeOptions compaction_options() {
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  return options;
}

}  // namespace

void Truth::compact() {
  for (rocksdb::ColumnFamilyHandle* handle : families_) {
    store::check(db_->CompactRange(compaction_options(), handle, nullptr, nullptr), where());
  }
}

void Truth::compact_deleted(std::atomic<bool>& stop) {
  // Fewer take no space worth mentioning.
  constexpr uint64_t kDeletedMin = 1000;
  constexpr uint64_t kPart = 10;
  for (rocksdb::ColumnFamilyHandle* handle : families_) {
    uint64_t entries = 0, deleted = 0, in_memory = 0;
    rocksdb::TablePropertiesCollection tables;
    store::check(db_->GetPropertiesOfAllTables(handle, &tables), where());
    for (const auto& [name, table] : tables) {
      entries += table->num_entries;
      deleted += table->num_deletions;
    }
    // Those that only logs have will be in tables by the compaction.
    if (db_->GetIntProperty(handle, rocksdb::DB::Properties::kNumDeletesActiveMemTable, &in_memory)) {
      entries += in_memory;
      deleted += in_memory;
    }
    if (deleted < kDeletedMin || deleted < entries / kPart) continue;
    rocksdb::CompactRangeOptions options = compaction_options();
    options.canceled = &stop;
    const rocksdb::Status status = db_->CompactRange(options, handle, nullptr, nullptr);
    if (stop) return;
    store::check(status, where());
  }
}

}  // namespace sextant::store
