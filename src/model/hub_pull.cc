#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <thread>

#include "base/files.h"
#include "model/hub.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kListingBytesMax = uint64_t{64} << 20;
constexpr uint64_t kFileBytesMax = uint64_t{1} << 42;  // of a file whose size nobody told
constexpr uint64_t kWorthwhileBytes = uint64_t{1} << 20;
constexpr auto kLockPollEvery = std::chrono::milliseconds(100);

struct RemoteFile {
  std::string name;
  std::string etag;
  std::optional<uint64_t> size_bytes;
};

struct Listing {
  std::string commit;
  std::vector<RemoteFile> files;
};

bool is_hexadecimal(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// An ETag header's value as the cache uses it: without the mark of weakness and quotes.
std::string normalized_etag(std::string_view etag) {
  if (etag.starts_with("W/")) etag.remove_prefix(2);
  while (etag.starts_with('"')) etag.remove_prefix(1);
  while (etag.ends_with('"')) etag.remove_suffix(1);
  return std::string(etag);
}

std::optional<uint64_t> parse_size(std::string_view text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string_view::npos) return {};
  return std::stoull(std::string(text));
}

[[noreturn]] void fail_on_disk(const fs::path& path, const char* verb) {
  const int error = errno;
  throw Error(error == ENOSPC || error == EDQUOT ? ErrorCode::exhausted : ErrorCode::unavailable,
              fmt::format("{}: cannot {}: {}", path.string(), verb, std::strerror(error)));
}

// A descriptor that is closed; where it holds a lock, the lock goes with it.
class File {
 public:
  File(const fs::path& path, int flags) : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail_on_disk(path, "open");
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::close(fd_); }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_on_disk(path_, "write");
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void clear() {
    if (::ftruncate(fd_, 0) != 0) fail_on_disk(path_, "truncate");
  }
  void sync() {
    if (::fsync(fd_) != 0) fail_on_disk(path_, "sync");
  }
  // The lock that other tools take too: whoever writes the same blob waits.
  void lock(base::Progress* progress) {
    bool told = false;
    while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) fail_on_disk(path_, "lock");
      if (progress && !told) progress->remark("waiting for another download");
      told = true;
      std::this_thread::sleep_for(kLockPollEvery);
    }
  }

 private:
  fs::path path_;
  int fd_;
};

// One pull: the answers of one endpoint into one model's folder.
class Pull {
 public:
  Pull(HubName name, const HubOptions& options, base::Progress* progress)
      : name_(std::move(name)),
        options_(options),
        progress_(progress),
        client_(options.timeouts),
        folder_(options.cache / name_.folder()) {}

  PullReport run() {
    Listing listing = list();
    const fs::path snapshot = folder_ / "snapshots" / listing.commit;
    // Readers of the cache expect all three from the beginning.
    for (const char* part : {"blobs", "refs", "snapshots"}) base::make_folders(folder_ / part);
    base::make_folders(options_.cache / ".locks" / name_.folder());

    std::vector<std::string> names;
    for (const RemoteFile& file : listing.files) names.push_back(file.name);
    std::vector<RemoteFile> wanted = listing.files;
    if (!options_.all_files) {
      names = files_needed(names, module_folders(listing, snapshot));
      std::erase_if(wanted, [&](const RemoteFile& file) {
        return std::find(names.begin(), names.end(), file.name) == names.end();
      });
    }
    if (wanted.empty()) {
      throw Error(ErrorCode::not_found, fmt::format("{} has no file of a model that could be read, among its {}",
                                                    shown(), listing.files.size()));
    }
    uint64_t total = 0;
    for (RemoteFile& file : wanted) {
      if (is_present(file, snapshot)) continue;
      describe(file, listing.commit);
      total += file.size_bytes.value_or(0);
    }
    bytes_done_ = 0;
    counting_ = progress_ != nullptr;
    if (counting_) progress_->begin("downloading", "bytes", total);
    PullReport report;
    for (const RemoteFile& file : wanted) {
      if (!is_present(file, snapshot)) fetch(file, listing.commit);
      report.files.push_back({file.name, 0, fetched_.contains(file.etag)});
      report.has_weights = report.has_weights || is_weights(file.name);
    }
    if (counting_) progress_->end();
    counting_ = false;
    for (size_t i = 0; i < wanted.size(); ++i) {
      link(wanted[i], snapshot);
      std::error_code error;
      report.files[i].size_bytes = fs::file_size(snapshot / wanted[i].name, error);
    }
    if (name_.revision != listing.commit) write_ref(listing.commit);
    report.folder = snapshot;
    report.commit = listing.commit;
    report.bytes_downloaded = bytes_downloaded_;
    return report;
  }

 private:
  std::string shown() const {
    return fmt::format("model '{}{}' at {}", name_.repository, name_.revision == "main" ? "" : "@" + name_.revision,
                       url_shown(options_.endpoint));
  }

  HttpRequest request(std::string url) const {
    HttpRequest request;
    request.url = std::move(url);
    if (!options_.token.empty()) request.headers.push_back("Authorization: Bearer " + options_.token);
    return request;
  }

  std::string file_url(const RemoteFile& file, const std::string& commit) const {
    return fmt::format("{}/{}/resolve/{}/{}", options_.endpoint, name_.repository, commit,
                       url_escaped(file.name, true));
  }

  // What an answer that is no success means.
  [[noreturn]] void fail(const HttpResponse& response, const std::string& what) const {
    const std::string_view code = response.header("x-error-code");
    const std::string token = options_.token.empty() ? "no HF_TOKEN is set" : "the HF_TOKEN in use does not open it";
    if (response.status == 401 || response.status == 403) {
      if (code == "GatedRepo") {
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{} is gated: accept its terms at {}/{} and set HF_TOKEN to a token of that account "
                                "({})",
                                shown(), url_shown(options_.endpoint), name_.repository, token));
      }
      // The hub answers so for names that do not exist, so as not to tell which private ones do.
      throw Error(code == "RepoNotFound" ? ErrorCode::not_found : ErrorCode::invalid_argument,
                  fmt::format("{} does not exist, is private or is gated (HTTP {}); a private or gated one needs "
                              "HF_TOKEN, and {}",
                              shown(), response.status, token));
    }
    if (response.status == 404) {
      throw Error(ErrorCode::not_found,
                  code == "RevisionNotFound"
                      ? fmt::format("{} has no revision '{}'", shown(), name_.revision)
                      : fmt::format("{} was not found: {}", shown(), what.empty() ? "HTTP 404" : what));
    }
    throw Error(ErrorCode::unavailable, fmt::format("{}: {}the server answered HTTP {}", shown(),
                                                    what.empty() ? "" : what + ": ", response.status));
  }

  Listing list() {
    HttpRequest query = request(fmt::format("{}/api/models/{}/revision/{}?blobs=true", options_.endpoint,
                                            name_.repository, url_escaped(name_.revision, false)));
    query.body_bytes_max = kListingBytesMax;
    HttpResponse response = send_with_retries(client_, query, options_.retries);
    if (!response.ok()) fail(response, "");
    Listing listing;
    auto wrong = [&](const std::string& what) {
      return Error(ErrorCode::corrupted, fmt::format("{}: the list of files {}", shown(), what));
    };
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(response.body).get(root) != simdjson::SUCCESS) throw wrong("is not valid JSON");
    std::string_view commit;
    if (root["sha"].get(commit) != simdjson::SUCCESS || !is_hexadecimal(commit, 40)) {
      throw wrong("has no 'sha' of 40 hexadecimal digits");
    }
    listing.commit = commit;
    simdjson::dom::array siblings;
    if (root["siblings"].get(siblings) != simdjson::SUCCESS) throw wrong("has no array 'siblings'");
    for (simdjson::dom::element sibling : siblings) {
      RemoteFile file;
      std::string_view text;
      if (sibling["rfilename"].get(text) != simdjson::SUCCESS) throw wrong("has an entry without 'rfilename'");
      file.name = text;
      if (!is_safe_relative_path(file.name)) {
        throw wrong(fmt::format("names '{}', which would lie outside of the model's folder", file.name));
      }
      uint64_t size = 0;
      if (sibling["lfs"]["sha256"].get(text) == simdjson::SUCCESS && is_hexadecimal(text, 64)) {
        file.etag = text;
        if (sibling["lfs"]["size"].get(size) == simdjson::SUCCESS) file.size_bytes = size;
      } else if (sibling["blobId"].get(text) == simdjson::SUCCESS && is_hexadecimal(text, 40)) {
        file.etag = text;
        if (sibling["size"].get(size) == simdjson::SUCCESS) file.size_bytes = size;
      }
      listing.files.push_back(std::move(file));
    }
    return listing;
  }

  // Asks for a file's ETag and size where the list did not tell them.
  void describe(RemoteFile& file, const std::string& commit) {
    if (!file.etag.empty()) return;
    HttpRequest query = request(file_url(file, commit));
    query.method = "HEAD";
    // The answer of the endpoint itself is wanted, not that of the store where a redirect leads to.
    query.follow_redirects = false;
    HttpResponse response = send_with_retries(client_, query, options_.retries);
    if (response.status >= 400 || response.status < 200) fail(response, file.name);
    std::string_view etag = response.header("x-linked-etag");
    file.etag = normalized_etag(etag.empty() ? response.header("etag") : etag);
    if (!is_etag(file.etag)) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: {} comes without a usable ETag", shown(), file.name));
    }
    std::string_view size = response.header("x-linked-size");
    if (size.empty() && response.ok()) size = response.header("content-length");
    file.size_bytes = parse_size(size);
  }

  // Fit to be the name of a blob.
  static bool is_etag(const std::string& etag) {
    return is_safe_relative_path(etag) && etag.find('/') == std::string::npos && etag[0] != '.' && etag.size() <= 128 &&
           !etag.ends_with(".incomplete");
  }

  fs::path blob(const RemoteFile& file) const { return folder_ / "blobs" / file.etag; }

  bool is_present(const RemoteFile& file, const fs::path& snapshot) const {
    std::error_code error;
    return fs::is_regular_file(snapshot / file.name, error) ||
           (!file.etag.empty() && fs::is_regular_file(blob(file), error));
  }

  // The folders that modules.json names; fetches it first.
  std::vector<std::string> module_folders(Listing& listing, const fs::path& snapshot) {
    auto modules = std::find_if(listing.files.begin(), listing.files.end(),
                                [](const RemoteFile& file) { return file.name == "modules.json"; });
    if (modules == listing.files.end()) return {};
    if (!is_present(*modules, snapshot)) {
      describe(*modules, listing.commit);
      fetch(*modules, listing.commit);
    }
    std::error_code error;
    const fs::path linked = snapshot / modules->name;
    const std::string text =
        base::read_file(fs::is_regular_file(linked, error) ? linked : blob(*modules), kListingBytesMax);
    simdjson::dom::parser parser;
    simdjson::dom::array array;
    if (parser.parse(text).get(array) != simdjson::SUCCESS) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: modules.json is not a JSON array", shown()));
    }
    std::vector<std::string> folders;
    for (simdjson::dom::element module : array) {
      std::string_view path;
      if (module["path"].get(path) != simdjson::SUCCESS) continue;
      while (path.ends_with('/')) path.remove_suffix(1);
      if (path.starts_with("./")) path.remove_prefix(2);
      folders.emplace_back(path == "." ? "" : path);
    }
    return folders;
  }

  // The blob is there, whole, when this returns.
  void fetch(const RemoteFile& file, const std::string& commit) {
    File lock(options_.cache / ".locks" / name_.folder() / (file.etag + ".lock"), O_RDWR | O_CREAT);
    lock.lock(counting_ ? progress_ : nullptr);
    if (fs::exists(blob(file))) return;  // another tool was faster
    if (counting_) progress_->remark(file.name);
    const fs::path partial = blob(file).string() + ".incomplete";
    std::error_code error;
    bool resumed = fs::exists(partial, error) && fs::file_size(partial, error) > 0;
    for (;;) {
      receive(file, commit, partial);
      const std::string wrong = mismatch(file, partial);
      if (wrong.empty()) break;
      fs::remove(partial, error);
      // What was left from before may have been damaged; what has just come in was not.
      if (!resumed) throw Error(ErrorCode::corrupted, fmt::format("{}: {} {}", shown(), file.name, wrong));
      resumed = false;
    }
    fs::rename(partial, blob(file), error);
    if (error) {
      throw Error(ErrorCode::unavailable, fmt::format("{}: cannot rename: {}", partial.string(), error.message()));
    }
    bytes_done_ += file.size_bytes.value_or(0);
    if (counting_) progress_->report(bytes_done_);
    fetched_.insert(file.etag);
  }

  // What is wrong with the bytes that came; empty when nothing is.
  std::string mismatch(const RemoteFile& file, const fs::path& partial) const {
    std::string found;
    if (is_hexadecimal(file.etag, 64)) found = sha256_hex(partial);
    if (is_hexadecimal(file.etag, 40)) found = git_blob_sha1_hex(partial);
    if (found.empty() || found == file.etag) return "";
    return fmt::format("came with checksum {}, expected {}", found, file.etag);
  }

  // Fills PARTIAL up to the file's size, going on where it ends.
  void receive(const RemoteFile& file, const std::string& commit, const fs::path& partial) {
    File out(partial, O_WRONLY | O_CREAT | O_APPEND);
    Backoff backoff(options_.retries);
    for (;;) {
      std::error_code error;
      uint64_t have = fs::file_size(partial, error);
      const uint64_t expected = file.size_bytes.value_or(0);
      if (file.size_bytes && have > expected) {
        out.clear();
        have = 0;
      }
      if (file.size_bytes && have == expected) break;
      const uint64_t before = bytes_downloaded_;
      try {
        HttpResponse response = receive_once(file, commit, have, out);
        if (response.ok()) {
          if (!file.size_bytes) break;
          have = fs::file_size(partial, error);
          if (have == expected) break;
          if (!backoff.again()) {
            throw Error(ErrorCode::corrupted,
                        fmt::format("{}: {} ends after {} bytes, expected {}", shown(), file.name, have, expected));
          }
        } else if (response.status == 416 && have > 0) {
          out.clear();  // what is there is no beginning of this file
          if (!backoff.again()) fail(response, file.name);
        } else if (!may_pass(response.status) || !backoff.again(response.retry_after_s)) {
          fail(response, file.name);
        }
      } catch (const TransportError& failure) {
        // A long download over a bad line comes to its end as long as each attempt gets somewhere.
        if (bytes_downloaded_ - before >= kWorthwhileBytes) backoff.reset();
        if (!failure.may_pass() || !backoff.again()) {
          throw Error(failure.code(), fmt::format("{}: {}: {}", shown(), file.name, failure.what()));
        }
      }
    }
    out.sync();
  }

  HttpResponse receive_once(const RemoteFile& file, const std::string& commit, uint64_t have, File& out) {
    HttpRequest query = request(file_url(file, commit));
    query.range_begin = have;
    query.body_bytes_max = kFileBytesMax;
    bool begun = false;
    query.sink = [&](const HttpResponse& head, std::string_view piece) {
      if (!begun) {
        begun = true;
        if (head.status != 206) {
          // The server does not know ranges, and begins at the beginning.
          if (have > 0) out.clear();
          have = 0;
        } else if (!head.header("content-range").starts_with(fmt::format("bytes {}-", have))) {
          throw Error(ErrorCode::corrupted, fmt::format("{}: {}: asked for the bytes from {} on, the server sends '{}'",
                                                        shown(), file.name, have, head.header("content-range")));
        }
      }
      if (file.size_bytes && piece.size() > *file.size_bytes - have) {
        throw Error(ErrorCode::corrupted,
                    fmt::format("{}: {} is longer than its {} bytes", shown(), file.name, *file.size_bytes));
      }
      out.write(piece);
      have += piece.size();
      bytes_downloaded_ += piece.size();
      if (counting_) progress_->report(bytes_done_ + have);
    };
    return client_.send(query);
  }

  void link(const RemoteFile& file, const fs::path& snapshot) {
    const fs::path path = snapshot / file.name;
    std::error_code error;
    if (fs::is_regular_file(path, error)) return;
    base::make_folders(path.parent_path());
    // Made beside and renamed over, so that a link that leads nowhere is replaced and nobody sees none.
    const fs::path temporary = fmt::format("{}.{}.{}.link", path.string(), ::getpid(), fmt::ptr(this));
    fs::remove(temporary, error);
    fs::create_symlink(blob(file).lexically_relative(path.parent_path()), temporary, error);
    // A file system without links holds a copy instead, as other tools do it.
    if (error) fs::copy_file(blob(file), temporary, fs::copy_options::overwrite_existing, error);
    if (!error) fs::rename(temporary, path, error);
    if (error) {
      throw Error(ErrorCode::unavailable, fmt::format("{}: cannot link: {}", path.string(), error.message()));
    }
  }

  void write_ref(const std::string& commit) {
    const fs::path path = folder_ / "refs" / name_.revision;
    std::error_code error;
    if (fs::is_regular_file(path, error) && base::read_file(path, 1 << 12) == commit) return;
    base::make_folders(path.parent_path());
    base::write_file_atomically(path, commit);
  }

  HubName name_;
  const HubOptions& options_;
  base::Progress* progress_;
  HttpClient client_;
  fs::path folder_;
  std::set<std::string> fetched_;  // etags
  bool counting_ = false;          // between the progress's begin and end
  uint64_t bytes_done_ = 0;        // of whole files
  uint64_t bytes_downloaded_ = 0;  // over the network
};

}  // namespace

PullReport pull(std::string_view text, const HubOptions& options, base::Progress* progress) {
  std::optional<HubName> name = HubName::parse(text);
  if (!name) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("'{}' is no model's name; expected ORG/NAME or ORG/NAME@REVISION", text));
  }
  if (options.offline) {
    throw Error(ErrorCode::unavailable, fmt::format("'{}' cannot be pulled: HF_HUB_OFFLINE is set", text));
  }
  return Pull(*name, options, progress).run();
}

}  // namespace sextant::model
