#include "store/log_watch.h"

#include <fmt/format.h>

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
  if (status.IsCorruption() && status.ToString().find(where) == std::string::npos) {
    // It does not say where.
    throw Error(ErrorCode::corrupted, fmt::format("{}: {}; {}", where, status.ToString(), suspects(folder)));
  }
  check(status, where);
}

void LogWatch::begin() {
  next_ = 0;
  file_.clear();
  damage_.clear();
}

std::string LogWatch::suspects(const std::filesystem::path& folder) const {
  if (!file_.empty()) return fmt::format("the log that was being read: {}", file_);
  std::string names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name != "CURRENT" && !name.starts_with("MANIFEST") && !name.ends_with(".log")) continue;
    names += (names.empty() ? "" : ", ") + name;
  }
  return "one of " + names;
}

}  // namespace sextant::store
