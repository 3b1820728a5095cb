// store/rocks.h: what RocksDB says, as this project's errors.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace rocksdb {
class Logger;
class Status;
}  // namespace rocksdb

namespace sextant::store {

// Throws unless STATUS is ok: not_found, corrupted, exhausted (disk full, a limit), unavailable (input or output
// failed, locked) or internal, with a message that begins with WHERE.
void check(const rocksdb::Status& status, const std::string& where);

// For one that only reads, which must not write a log either.
std::shared_ptr<rocksdb::Logger> no_log();

// Of a RocksDB that is opened only for reading, perhaps while another process writes: as long as its manifest grows
// logs and tables may go that the part read so far needs. Made before it is opened; check() throws unavailable where
// it grew since.
class ManifestWatch {
 public:
  explicit ManifestWatch(const std::filesystem::path& folder) : folder_(folder), before_(now()) {}
  void check() const;

 private:
  std::string now() const;

  std::filesystem::path folder_;
  std::string before_;
};

}  // namespace sextant::store
