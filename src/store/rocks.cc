#include "store/rocks.h"

#include <fmt/format.h>
#include <rocksdb/env.h>
#include <rocksdb/status.h>

#include "sextant/error.h"

namespace sextant::store {
namespace {

ErrorCode code_of(const rocksdb::Status& status) {
  if (status.IsNoSpace() || status.IsMemoryLimit()) return ErrorCode::exhausted;
  if (status.IsNotFound() || status.IsPathNotFound()) return ErrorCode::not_found;
  if (status.IsCorruption()) return ErrorCode::corrupted;
  if (status.IsIOError() || status.IsBusy() || status.IsTimedOut() || status.IsTryAgain() ||
      status.IsShutdownInProgress() || status.IsAborted()) {
    return ErrorCode::unavailable;
  }
  if (status.IsNotSupported()) return ErrorCode::unsupported;
  return ErrorCode::internal;
}

class NoLog : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

std::shared_ptr<rocksdb::Logger> no_log() { return std::make_shared<NoLog>(); }

void check(const rocksdb::Status& status, const std::string& where) {
  if (status.ok()) return;
  const char* hint = status.IsNoSpace() ? "; nothing was acknowledged that is not kept" : "";
  throw Error(code_of(status), fmt::format("{}: {}{}", where, status.ToString(), hint));
}

}  // namespace sextant::store
