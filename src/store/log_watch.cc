#include "store/log_watch.h"

#include <fmt/format.h>
#include <rocksdb/sst_file_reader.h>

#include <cstring>

#include "sextant/error.h"
#include "store/rocks.h"

namespace sextant::store {

rocksdb::WalFilter::WalProcessingOption LogWatch::LogRecordFound(unsigned long long, const std::string& file,
                                                                 const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
                                                                 bool*) {
  // A batch begins with its number, of 8 bytes.
  const std::string& bytes = batch.Data();
  uint64_t number = 0;
  if (bytes.size() < sizeof(number)) return WalProcessingOption::kCorruptedRecord;
  std::memcpy(&number, bytes.data(), sizeof(number));
  if (next_ != 0 && number > next_) {
    damage_ = fmt::format("changes {} to {} are missing before those in {}: the end of {} is damaged", next_,
                          number - 1, file, file_);
    return WalProcessingOption::kCorruptedRecord;
  }
  next_ = number + batch.Count();
  file_ = file;
  return WalProcessingOption::kContinueProcessing;
}

void LogWatch::open(const std::filesystem::path& folder, const rocksdb::DBOptions& given, const Open& open) {
  const std::string where = folder.string();
  rocksdb::DBOptions options = given;
  options.wal_filter = this;
  begin();
  rocksdb::Status status = open(options);
  if (status.IsNoSpace()) {
    // What is in the logs can stay there: that takes a few kilobytes.
    options.avoid_flush_during_recovery = true;
    begin();
    status = open(options);
  }
  if (!damage_.empty()) throw Error(ErrorCode::corrupted, fmt::format("{}: {}", where, damage_));
  if (status.IsNotFound() || status.IsPathNotFound()) {
    // CURRENT, or what names it, names what is not there.
    throw Error(ErrorCode::corrupted, fmt::format("{}: {}", where, status.ToString()));
  }
  if (status.IsCorruption()) {
    // It does not say where, or names the file that names the damaged one.
    throw Error(ErrorCode::corrupted, fmt::format("{}: {}; {}", where, status.ToString(), suspects(folder, options)));
  }
  check(status, where);
}

void LogWatch::begin() {
  next_ = 0;
  file_.clear();
  damage_.clear();
}

std::string LogWatch::suspects(const std::filesystem::path& folder, const rocksdb::DBOptions& options) const {
  std::string damaged, names;
  auto add = [](std::string& list, const std::string& name) { list += (list.empty() ? "" : ", ") + name; };
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".sst")) {
      rocksdb::SstFileReader table(rocksdb::Options(options, {}));
      if (!table.Open(entry.path().string()).ok() || !table.VerifyChecksum().ok()) add(damaged, name);
    } else if (name == "CURRENT" || name.starts_with("MANIFEST") || name.ends_with(".log")) {
      add(names, name);
    }
  }
  if (!damaged.empty()) return "damaged: " + damaged;
  return file_.empty() ? "one of " + names : "the log that was being read: " + file_;
}

}  // namespace sextant::store
