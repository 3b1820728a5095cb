// store/log_watch.h: opening a RocksDB so that no damage of its log is taken for its end.
//
// RocksDB ends a log at a last record that was torn, which was never acknowledged, and cannot tell it from one whose
// length was damaged. Each batch is numbered, so what is missing in the middle shows in the next batch's number; what
// is missing at the end is for HighMark.     Threads: one.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/wal_filter.h>

#include <filesystem>
#include <functional>
#include <string>

namespace sextant::store {

class LogWatch : public rocksdb::WalFilter {
 public:
  const char* Name() const override { return "sextant.LogWatch"; }
  WalProcessingOption LogRecordFound(unsigned long long log, const std::string& file, const rocksdb::WriteBatch& batch,
                                     rocksdb::WriteBatch* changed, bool* is_changed) override;

  // Opens FOLDER by a call of OPEN, which is DB::Open with these options; they hold this. Where there is no space, once
  // more in a way that takes less. Throws as check() in store/rocks.h, and corrupted names the file as far as it can be
  // known.
  using Open = std::function<rocksdb::Status(const rocksdb::DBOptions& options)>;
  void open(const std::filesystem::path& folder, const rocksdb::DBOptions& options, const Open& open);

 private:
  void begin();
  std::string suspects(const std::filesystem::path& folder, const rocksdb::DBOptions& options) const;

  uint64_t next_ = 0;          // number of the next write; 0: none was seen
  std::string file_, damage_;  // the log that was read last, and what was wrong
};

}  // namespace sextant::store
