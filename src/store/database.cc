#include "store/database.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include "base/files.h"
#include "base/utf8.h"
#include "sextant/error.h"
#include "store/rocks.h"

namespace sextant::store {
namespace {

constexpr char kCollection = 'c';
constexpr char kAlias = 'a';
constexpr size_t kNameBytesMax = 255;

void check_name(std::string_view name, const char* what) {
  auto fail = [&](const std::string& found) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} '{}': {}, expected 1 to {} bytes of UTF-8 without control characters or slashes", what,
                            name.substr(0, 64), found, kNameBytesMax));
  };
  if (name.empty() || name.size() > kNameBytesMax) fail(fmt::format("{} bytes", name.size()));
  if (std::any_of(name.begin(), name.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 32 || c == '/' || c == 127; })) {
    fail("a control character or a slash");
  }
  if (!base::is_valid_utf8(name)) fail("no UTF-8");
}

std::string key_of(char kind, std::string_view name) { return std::string(1, kind) + std::string(name); }

}  // namespace

Database::Database(const std::filesystem::path& folder, const DatabaseOptions& options)
    : folder_(folder), options_(options), resources_(options.memory_bytes), high_mark_(folder / "acknowledged") {
  const bool there = std::filesystem::is_directory(folder_ / "catalog");
  const bool read_only = options_.store.read_only;
  if (!there && (!options_.create_if_missing || read_only)) {
    throw Error(ErrorCode::not_found, fmt::format("{}: no database there", folder_.string()));
  }
  if (!there && std::filesystem::exists(folder_) &&
      (!std::filesystem::is_directory(folder_) || !std::filesystem::is_empty(folder_))) {
    // A lock is left where a first opening was cut off.
    const auto entries = std::filesystem::directory_iterator(folder_);
    const bool foreign = std::any_of(begin(entries), end(entries), [](const auto& entry) {
      const std::string name = entry.path().filename().string();
      return name != "lock" && name != "collections" && name != "acknowledged";
    });
    if (foreign) {
      throw Error(ErrorCode::already_exists,
                  fmt::format("{}: exists and is no database; it is left as it is", folder_.string()));
    }
  }
  if (options_.env != nullptr) resources_.env = options_.env;
  if (read_only) {
    beside_writer([&] {
      open_catalog();
      return true;
    });
    return;
  }
  base::make_folders(folder_ / "collections");
  lock_ = std::make_unique<FolderLock>(folder_);
  base::make_folders(folder_ / "catalog");
  // They may have been made by somebody who was cut off before they were sure to stay.
  base::sync_folder(folder_);
  base::sync_folder(std::filesystem::absolute(folder_).parent_path());
  open_catalog();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "collections", error)) {
    const bool named = std::any_of(collections_.begin(), collections_.end(), [&](const auto& collection) {
      return folder_of(collection.second) == entry.path();
    });
    if (!named) base::remove_all(entry.path());
  }
}

// Whoever writes removes what nobody needs any more, be it that somebody is opening it just now: OPEN is called again
// where it throws or says no, as long as there is somebody who writes.
void Database::beside_writer(const std::function<bool()>& open) const {
  constexpr int kAttempts = 50;
  constexpr auto kPause = std::chrono::milliseconds(20);
  for (int attempt = 1;; ++attempt) {
    // One that wrote may have ended since.
    const bool last = attempt == kAttempts || (attempt > 2 && !FolderLock::is_written(folder_));
    try {
      if (open() || last) return;
    } catch (const Error&) {
      if (last) throw;
    }
    std::this_thread::sleep_for(kPause);
  }
}

// Reads all there is in it.
void Database::open_catalog() {
  rocksdb::Options rocks;
  rocks.env = resources_.env;
  const bool read_only = options_.store.read_only;
  rocks.create_if_missing = !read_only;
  if (read_only) rocks.info_log = no_log();
  rocks.write_buffer_size = 1 << 20;
  rocks.info_log_level = rocksdb::WARN_LEVEL;
  rocks.keep_log_file_num = 2;
  rocks.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  rocks.persist_stats_to_disk = false;
  rocks.stats_dump_period_sec = 0;
  const std::string where = (folder_ / "catalog").string();
  std::error_code error;
  // Without a catalog no collection was ever made; a new one would take those that there are for leftovers.
  if (!std::filesystem::exists(folder_ / "catalog" / "CURRENT", error) &&
      !std::filesystem::is_empty(folder_ / "collections", error)) {
    throw Error(ErrorCode::corrupted, fmt::format("{}/CURRENT: missing, and there are collections", where));
  }
  rocksdb::DB* db = nullptr;
  std::optional<ManifestWatch> manifest;
  if (read_only) manifest.emplace(folder_ / "catalog");
  watch_.open(where, rocks, [&](const rocksdb::DBOptions& options) {
    return read_only ? rocksdb::DB::OpenForReadOnly(rocksdb::Options(options, rocks), where, &db)
                     : rocksdb::DB::Open(rocksdb::Options(options, rocks), where, &db);
  });
  catalog_.reset(db);
  if (manifest) manifest->check();
  if (catalog_->GetLatestSequenceNumber() < high_mark_.version()) {
    throw Error(ErrorCode::corrupted,
                fmt::format("{}: its logs end with change {}, and change {} was on the disk: the end of a log or of "
                            "MANIFEST is damaged; without {} it opens as it is, and collections that it does not name "
                            "are removed",
                            where, catalog_->GetLatestSequenceNumber(), high_mark_.version(),
                            (folder_ / "acknowledged").string()));
  }
  std::map<std::string, uint64_t, std::less<>> collections;
  std::map<std::string, std::string, std::less<>> aliases;
  const std::unique_ptr<rocksdb::Iterator> at(catalog_->NewIterator({}));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    const std::string key = at->key().ToString(), value = at->value().ToString();
    const std::string name = key.substr(std::min<size_t>(1, key.size()));
    if (key.starts_with(kAlias)) {
      aliases[name] = value;
      continue;
    }
    uint64_t number = 0;
    const auto [end, bad] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (!key.starts_with(kCollection) || bad != std::errc() || end != value.data() + value.size()) {
      throw Error(ErrorCode::corrupted,
                  fmt::format("{}: an entry '{}' that is neither a collection nor an alias", where, name));
    }
    collections[name] = number;
    next_number_ = std::max(next_number_, number + 1);
  }
  check(at->status(), where);
  collections_ = std::move(collections);
  aliases_ = std::move(aliases);
}

void Database::open_again_after_failure() {
  check_writable();
  if (!failed_) return;
  base::write_file_atomically(folder_ / "probe", std::string(64 << 10, 'x'));
  base::remove_all(folder_ / "probe");
  const auto before = collections_;
  if (catalog_) catalog_->Close().PermitUncheckedError();
  catalog_.reset();
  try {
    open_catalog();
  } catch (...) {
    catalog_.reset();
    throw;
  }
  failed_ = false;
  // What was to be removed and is still there can be opened; what is gone is gone for those that look for it.
  std::erase_if(open_, [&](const auto& opened) {
    const auto known = collections_.find(opened.first);
    return known == collections_.end() || known->second != before.at(opened.first);
  });
}

Database::~Database() {
  open_.clear();
  if (catalog_) catalog_->Close().PermitUncheckedError();
}

std::filesystem::path Database::folder_of(uint64_t number) const {
  return folder_ / "collections" / fmt::format("{:06}", number);
}

void Database::write(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions options;
  options.sync = true;
  failed_ = true;
  check(catalog_->Write(options, &batch), folder_.string());
  failed_ = false;
  high_mark_.raise(catalog_->GetLatestSequenceNumber());
}

void Database::not_found(std::string_view name) const {
  std::vector<std::string> there;
  for (const auto& [known, number] : collections_) {
    there.push_back("'" + known + "'");
    if (there.size() == 10) break;
  }
  throw Error(ErrorCode::not_found, fmt::format("{}: no collection '{}'; it has {}{}", folder_.string(), name,
                                                there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", ")),
                                                collections_.size() > there.size()
                                                    ? fmt::format(" and {} more", collections_.size() - there.size())
                                                    : ""));
}

std::string Database::resolve(std::string_view name) const {
  const auto alias = aliases_.find(name);
  return alias == aliases_.end() ? std::string(name) : alias->second;
}

void Database::check_new(std::string_view name) const {
  check_name(name, "collection");
  if (collections_.contains(name) || aliases_.contains(name)) {
    throw Error(ErrorCode::already_exists, fmt::format("{}: collection '{}' exists", folder_.string(), name));
  }
}

void Database::check_writable() const {
  if (options_.store.read_only) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: opened for reading", folder_.string()));
  }
}

// From now on it is there.
void Database::list(std::string_view name, uint64_t number) {
  rocksdb::WriteBatch batch;
  batch.Put(key_of(kCollection, name), fmt::format("{}", number));
  write(batch);
  collections_.emplace(name, number);
}

std::shared_ptr<PointStore> Database::create(std::string_view name, const StoreConfig& config) {
  std::lock_guard lock(mutex_);
  open_again_after_failure();
  check_new(name);
  const uint64_t number = next_number_++;
  PointStore::create(folder_of(number), config, resources_);
  auto store = std::make_shared<PointStore>(folder_of(number), resources_, options_.store);
  list(name, number);
  open_[std::string(name)] = store;
  return store;
}

SnapshotReport Database::restore(std::string_view name, const std::filesystem::path& snapshot) {
  std::lock_guard lock(mutex_);
  open_again_after_failure();
  check_new(name);
  const uint64_t number = next_number_++;
  try {
    base::make_folders(folder_of(number) / "segments");
    const SnapshotReport report = restore_snapshot(snapshot, folder_of(number) / "truth");
    // It is opened once before anybody may rely on it.
    const Truth truth(folder_of(number) / "truth", resources_);
    truth.config();
    if (truth.state().version != report.version) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: its points are of version {}, expected {}", snapshot.string(),
                                                    truth.state().version, report.version));
    }
    list(name, number);
    return report;
  } catch (...) {
    base::remove_all(folder_of(number));
    throw;
  }
}

std::shared_ptr<PointStore> Database::open(std::string_view name) {
  std::lock_guard lock(mutex_);
  const std::string resolved = resolve(name);
  const auto known = collections_.find(resolved);
  if (known == collections_.end()) not_found(name);
  std::shared_ptr<PointStore>& store = open_[resolved];
  if (store) return store;
  auto open = [&] { store = std::make_shared<PointStore>(folder_of(known->second), resources_, options_.store); };
  if (!options_.store.read_only) {
    open();
    return store;
  }
  beside_writer([&] {
    open();
    return !store->has_damage();
  });
  return store;
}

bool Database::contains(std::string_view name) const {
  std::lock_guard lock(mutex_);
  return collections_.contains(resolve(name));
}

void Database::remove(std::string_view name) {
  std::shared_ptr<PointStore> store;
  std::filesystem::path folder;
  {
    std::lock_guard lock(mutex_);
    open_again_after_failure();
    const auto known = collections_.find(name);
    if (known == collections_.end()) not_found(name);
    rocksdb::WriteBatch batch;
    batch.Delete(key_of(kCollection, name));
    for (const auto& [alias, collection] : aliases_) {
      if (collection == name) batch.Delete(key_of(kAlias, alias));
    }
    write(batch);
    folder = folder_of(known->second);
    std::erase_if(aliases_, [&](const auto& entry) { return entry.second == name; });
    collections_.erase(known);
    const auto opened = open_.find(name);
    if (opened != open_.end()) {
      store = std::move(opened->second);
      open_.erase(opened);
    }
  }
  store.reset();
  base::remove_all(folder);  // what stays is removed when the database is opened again
}

std::vector<std::string> Database::names() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, number] : collections_) names.push_back(name);
  return names;
}

std::vector<Database::Alias> Database::aliases() const {
  std::lock_guard lock(mutex_);
  std::vector<Alias> out;
  for (const auto& [alias, collection] : aliases_) out.push_back({alias, collection});
  return out;
}

void Database::change_aliases(const std::vector<Alias>& changes) {
  std::lock_guard lock(mutex_);
  open_again_after_failure();
  auto next = aliases_;
  rocksdb::WriteBatch batch;
  for (const Alias& change : changes) {
    check_name(change.alias, "alias");
    if (change.collection.empty()) {
      if (next.erase(change.alias) == 0) {
        throw Error(ErrorCode::not_found, fmt::format("{}: no alias '{}'", folder_.string(), change.alias));
      }
      batch.Delete(key_of(kAlias, change.alias));
      continue;
    }
    if (!collections_.contains(change.collection)) not_found(change.collection);
    if (collections_.contains(change.alias)) {
      throw Error(ErrorCode::already_exists, fmt::format("{}: '{}' is a collection", folder_.string(), change.alias));
    }
    next[change.alias] = change.collection;
    batch.Put(key_of(kAlias, change.alias), change.collection);
  }
  write(batch);
  aliases_ = std::move(next);
}

}  // namespace sextant::store
