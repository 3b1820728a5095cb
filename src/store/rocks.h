// store/rocks.h: what RocksDB says, as this project's errors.
#pragma once

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

}  // namespace sextant::store
