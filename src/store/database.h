// store/database.h: a folder of collections and their aliases.
//
//   lock          held by the process that writes
//   catalog/      RocksDB: "c" name -> folder number, "a" alias -> name
//   collections/  NUMBER/: a PointStore each
//   acknowledged  the catalog's HighMark
// A collection is there once the catalog says so, and gone once it does not; folders that it does not name are removed
// when the database is opened. A change of the catalog that fails is there or not once it can be read again, which the
// next change sees to.
// Any number of processes read it (DatabaseOptions::store.read_only), beside one that writes, too: each sees what there
// was when it opened a collection, and holds on to the files of that moment.     Threads: all members from many.
#pragma once

#include <rocksdb/db.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "store/folder_lock.h"
#include "store/point_store.h"
#include "store/snapshot.h"

namespace sextant::store {

struct DatabaseOptions {
  // Of blocks and of what is not yet in files, for all collections together, and as much again in each for new rows
  // that wait for an index; then writers wait. Segments are mapped: they take what the system has to spare.
  size_t memory_bytes = size_t{256} << 20;
  StoreOptions store = {};
  bool create_if_missing = true;  // not where store.read_only
  // Where RocksDB's files lie; nullptr: the system's. For tests.
  rocksdb::Env* env = nullptr;
};

class Database {
 public:
  // Throws not_found, corrupted, unavailable (another process has it).
  Database(const std::filesystem::path& folder, const DatabaseOptions& options);
  ~Database();

  // Throws already_exists (also where an alias is called so), invalid_argument.
  std::shared_ptr<PointStore> create(std::string_view name, const StoreConfig& config);
  // NAME or an alias of it. Throws not_found, naming those that there are.
  std::shared_ptr<PointStore> open(std::string_view name);
  // Of a snapshot. Throws as create() and restore_snapshot() do.
  SnapshotReport restore(std::string_view name, const std::filesystem::path& snapshot);
  bool contains(std::string_view name) const;
  // Whoever has it open still reads; its files go when nobody does. Aliases of it go, too.
  void remove(std::string_view name);
  std::vector<std::string> names() const;

  struct Alias {
    std::string alias, collection;
    bool operator==(const Alias&) const = default;
  };
  std::vector<Alias> aliases() const;
  // All of them or none. An empty collection takes the alias away. Throws not_found, already_exists.
  void change_aliases(const std::vector<Alias>& changes);

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_of(uint64_t number) const;
  std::string resolve(std::string_view name) const;
  // REQUIRES: mutex_ is held.
  void check_new(std::string_view name) const;
  void list(std::string_view name, uint64_t number);
  [[noreturn]] void not_found(std::string_view name) const;
  void open_catalog();
  void check_writable() const;
  void beside_writer(const std::function<bool()>& open) const;
  // Before every change.
  void open_again_after_failure();
  void write(rocksdb::WriteBatch& batch);

  std::filesystem::path folder_;
  DatabaseOptions options_;
  std::unique_ptr<FolderLock> lock_;
  TruthResources resources_;
  LogWatch watch_;      // outlives catalog_
  HighMark high_mark_;  // of the catalog's changes
  std::unique_ptr<rocksdb::DB> catalog_;
  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, uint64_t, std::less<>> collections_;
  std::map<std::string, std::string, std::less<>> aliases_;
  std::map<std::string, std::shared_ptr<PointStore>, std::less<>> open_;
  uint64_t next_number_ = 1;
  bool failed_ = false;  // the catalog must be read again before it is changed
};

}  // namespace sextant::store
