#include "io/duckdb.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <mutex>
#include <type_traits>
#include <vector>

#include "base/environment.h"
#include "base/utf8.h"

namespace sextant::io {
namespace {

constexpr const char* kFileName = "libduckdb.so";
constexpr const char* kVariable = "SEXTANT_DUCKDB";
constexpr int kMajorMin = 1;

struct Library {
  duck::Api api;
  std::string version;
};

// What is tried, in order; names with a slash are files.
std::vector<std::string> candidates(const std::string& chosen) {
  namespace fs = std::filesystem;
  if (!chosen.empty()) return {chosen.find('/') == std::string::npos ? "./" + chosen : chosen};
  std::vector<std::string> out;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) {
    const fs::path folder = program.parent_path();
    for (const fs::path& place : {folder, folder / "../lib", folder / "../lib/sextant"}) {
      out.push_back((place / kFileName).string());
    }
  }
  if (const std::string home = base::environment("HOME"); home.starts_with('/')) {
    out.push_back(home + "/.local/lib/sextant/" + kFileName);
  }
  out.emplace_back(kFileName);
  return out;
}

// Null where PATH is no DuckDB of a version that will do; then WHY says what it is. Once it is loaded it stays.
const Library* load(const std::string& path, std::string& why) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* message = ::dlerror();
    why = message == nullptr ? path + ": cannot be loaded" : message;
    return nullptr;
  }
  auto library = std::make_unique<Library>();
  auto find = [&](const char* symbol, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, symbol));
    return function != nullptr;
  };
  duck::Api& api = library->api;
  if (!find("duckdb_library_version", api.library_version)) {
    why = path + ": is not DuckDB's library (has no duckdb_library_version)";
    return nullptr;
  }
  library->version = api.library_version();
  // "v1.5.6"; a build between two versions has a name behind it.
  std::string_view number = library->version;
  if (number.starts_with('v')) number.remove_prefix(1);
  int major = 0;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), major);
  if (error != std::errc() || major < kMajorMin) {
    why = fmt::format("{}: is DuckDB {}, expected version {}.0 or newer", path, library->version, kMajorMin);
    return nullptr;
  }
  const char* missing = nullptr;
#define SEXTANT_DUCKDB_FIND(result, name, parameters) \
  if (!find("duckdb_" #name, api.name)) missing = "duckdb_" #name
  SEXTANT_DUCKDB_FUNCTIONS(SEXTANT_DUCKDB_FIND);
#undef SEXTANT_DUCKDB_FIND
  if (missing != nullptr) {
    why = fmt::format("{}: is DuckDB {} without the function {}", path, library->version, missing);
    return nullptr;
  }
  return library.release();
}

// Null where there is none. What was found is kept until SEXTANT_DUCKDB names another.
const Library* find_library(std::string* why) {
  static std::mutex mutex;
  static const Library* found = nullptr;
  static std::string found_for;
  const std::string chosen = base::environment(kVariable);
  const std::lock_guard lock(mutex);
  if (found != nullptr && found_for == chosen) return found;
  for (const std::string& path : candidates(chosen)) {
    std::error_code ignored;
    if (chosen.empty() && path.find('/') != std::string::npos && !std::filesystem::exists(path, ignored)) continue;
    std::string reason;
    if (const Library* library = load(path, reason)) {
      found = library;
      found_for = chosen;
      return library;
    }
    // That the last place has none is the ordinary case and says nothing.
    if (why != nullptr && (!chosen.empty() || path != kFileName)) *why = reason;
  }
  return nullptr;
}

}  // namespace

const duck::Api& duckdb_library(std::string_view purpose) {
  std::string why;
  if (const Library* library = find_library(&why)) return library->api;
  throw Error(ErrorCode::unsupported,
              fmt::format("{} needs DuckDB's library: run tools/duckdb.sh, or set {} to a {}{}", purpose, kVariable,
                          kFileName, why.empty() ? "" : fmt::format(" ({})", why)));
}

bool has_duckdb() { return find_library(nullptr) != nullptr; }

std::string duckdb_version() {
  const Library* library = find_library(nullptr);
  return library == nullptr ? "" : library->version;
}

DuckSession::DuckSession(const DuckSessionOptions& options) : api_(duckdb_library()), options_(options) {
  duck::Config config = nullptr;
  if (api_.create_config(&config) != duck::kSuccess) throw Error(ErrorCode::exhausted, "no memory to start DuckDB");
  const std::string threads = std::to_string(std::max<size_t>(options.thread_count, 1));
  const std::string memory = fmt::format("{}MiB", std::max<uint64_t>(options.memory_bytes_max >> 20, 64));
  api_.set_config(config, "threads", threads.c_str());
  api_.set_config(config, "memory_limit", memory.c_str());
  char* message = nullptr;
  const bool opened = api_.open_ext(nullptr, &database_, config, &message) == duck::kSuccess;
  api_.destroy_config(&config);
  if (!opened) {
    const std::string reason = message == nullptr ? "" : message;
    api_.free(message);
    throw Error(ErrorCode::unavailable, "DuckDB cannot start: " + reason);
  }
  if (api_.connect(database_, &connection_) != duck::kSuccess) {
    api_.close(&database_);
    throw Error(ErrorCode::unavailable, "DuckDB refuses a connection");
  }
  // A setting that some version does not have is not needed there.
  for (const char* setting : {"temp_directory = ''", "autoinstall_known_extensions = false",
                              "autoload_known_extensions = false", "allow_community_extensions = false",
                              "allow_persistent_secrets = false", "enable_external_file_cache = false"}) {
    set(setting);
  }
  // From here on only that one path exists. Before 1.2 a session cannot be bound to one; the queries name no other.
  if (options.allowed_path.empty() || set(fmt::format("allowed_paths = [{}]", sql_text(options.allowed_path)))) {
    set("enable_external_access = false");
  }
  set("lock_configuration = true");
}

DuckSession::~DuckSession() {
  if (connection_ != nullptr) api_.disconnect(&connection_);
  if (database_ != nullptr) api_.close(&database_);
}

bool DuckSession::set(const std::string& setting) {
  DuckResult answer(*this);
  return api_.query(connection_, ("SET " + setting).c_str(), answer.get()) == duck::kSuccess;
}

DuckResult DuckSession::query(const std::string& sql) {
  DuckResult result(*this);
  if (api_.query(connection_, sql.c_str(), result.get()) != duck::kSuccess) fail(api_.result_error(result.get()));
  return result;
}

DuckResult DuckSession::stream(const std::string& sql) {
  DuckResult result(*this);
  duck::Prepared prepared = nullptr;
  duck::Pending pending = nullptr;
  // Messages belong to these two: they are destroyed once the message is thrown.
  struct Both {
    const duck::Api& api;
    duck::Prepared& prepared;
    duck::Pending& pending;
    ~Both() {
      api.destroy_pending(&pending);
      api.destroy_prepare(&prepared);
    }
  } both{api_, prepared, pending};
  if (api_.prepare(connection_, sql.c_str(), &prepared) != duck::kSuccess) fail(api_.prepare_error(prepared));
  if (api_.pending_prepared_streaming(prepared, &pending) != duck::kSuccess) fail(api_.pending_error(pending));
  if (api_.execute_pending(pending, result.get()) != duck::kSuccess) fail(api_.result_error(result.get()));
  return result;
}

void DuckSession::fail(const char* message) const {
  // Behind an empty line the library shows the query, which is not the user's.
  std::string text = message == nullptr ? "DuckDB gave up without saying why" : message;
  text.resize(std::min(text.size(), text.find("\n\n")));
  text.resize(std::min(text.size(), text.find("\nLINE ")));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  if (!options_.allowed_path.empty()) {
    for (size_t at = 0; (at = text.find(options_.allowed_path, at)) != std::string::npos;) {
      text.replace(at, options_.allowed_path.size(), options_.shown_name);
      at += options_.shown_name.size();
    }
  }
  ErrorCode code = ErrorCode::corrupted;
  if (options_.writes) code = text.starts_with("IO Error") ? ErrorCode::unavailable : ErrorCode::invalid_argument;
  for (const char* sign : {"Out of Memory", "No space left", "Disk quota", "File too large"}) {
    if (text.find(sign) != std::string::npos) code = ErrorCode::exhausted;
  }
  throw Error(code, options_.shown_name.empty() ? base::repair_utf8(text)
                                                : fmt::format("{}: {}", options_.shown_name, base::repair_utf8(text)));
}

duck::Chunk DuckResult::next_chunk() {
  const duck::Chunk chunk = session_->api().fetch_chunk(result_);
  if (chunk != nullptr) return chunk;
  const char* message = session_->api().result_error(&result_);
  if (message != nullptr && *message != '\0') session_->fail(message);
  return nullptr;
}

std::string sql_name(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

std::string sql_text(std::string_view text) {
  std::string out = "'";
  for (char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + '\'';
}

}  // namespace sextant::io
