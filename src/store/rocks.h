// store/rocks.h: what RocksDB says, as this project's errors.
#pragma once

#include <string>

namespace rocksdb {
class Status;
}

namespace sextant::store {

// Throws unless STATUS is ok: not_found, corrupted, exhausted (disk full, a limit), unavailable (input or output
// failed, locked) or internal, with a message that begins with WHERE.
void check(const rocksdb::Status& status, const std::string& where);

}  // namespace sextant::store
