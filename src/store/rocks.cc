#include "store/rocks.h"

#include <fmt/format.h>
#include <rocksdb/env.h>
#include <rocksdb/status.h>

#include <fstream>

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

// The manifest's name and length.
std::string ManifestWatch::now() const {
  std::ifstream current(folder_ / "CURRENT");
  std::string name;
  std::getline(current, name);
  std::error_code error;
  const auto size = std::filesystem::file_size(folder_ / name, error);
  return fmt::format("{} {}", name, error ? 0 : size);
}

void ManifestWatch::check() const {
  if (now() == before_) return;
  throw Error(ErrorCode::unavailable,
              fmt::format("{}: another process changes its files all the time, so that it cannot be opened for reading",
                          folder_.string()));
}

void check(const rocksdb::Status& status, const std::string& where) {
  if (status.ok()) return;
  const char* hint = status.IsNoSpace() ? "; nothing was acknowledged that is not kept" : "";
  throw Error(code_of(status), fmt::format("{}: {}{}", where, status.ToString(), hint));
}

}  // namespace sextant::store
