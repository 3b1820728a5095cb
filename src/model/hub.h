// model/hub.h: models by their Hugging Face name: found in the cache that all tools share, or downloaded into it.
//
// On disk (https://huggingface.co/docs/hub/local-cache):
//   CACHE/models--ORG--NAME/refs/REVISION             the commit, 40 hexadecimal digits, no newline
//   CACHE/models--ORG--NAME/snapshots/COMMIT/FILE     a relative link to ../../blobs/ETAG
//   CACHE/models--ORG--NAME/blobs/ETAG                the bytes; ETAG is their git SHA-1, or SHA-256 for large files
//   CACHE/.locks/models--ORG--NAME/ETAG.lock          held (flock) while a blob is written
// Invariants, whenever a pull is killed:
//   1. blobs/ETAG is whole and of that checksum; what is partial is blobs/ETAG.incomplete, and the next pull goes on
//   there;
//   2. links are made once every blob is there, the ref is written last: a ref never leads to half a model.
// Threads: all functions may be called from many, and from many processes at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "model/http.h"

namespace sextant::model {

// "ORG/NAME[@REVISION]" or "NAME[@REVISION]"; the revision is a branch, a tag or a commit, main where none is given.
struct HubName {
  std::string repository;
  std::string revision = "main";

  // Nothing when TEXT has not that form (a path, for example).
  static std::optional<HubName> parse(std::string_view text);
  // The folder of the cache, "models--ORG--NAME".
  std::string folder() const;
};

struct HubOptions {
  std::filesystem::path cache;
  std::string endpoint = "https://huggingface.co";  // without a slash at its end
  std::string token = {};                           // sent to the endpoint alone; empty: none
  bool offline = false;                             // refuse to ask the network
  bool all_files = false;                           // everything, not only what a model is loaded from
  Retries retries = {};
  HttpTimeouts timeouts = {};

  // HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME; HF_ENDPOINT; HF_TOKEN, or the token that a login left in HF_HOME;
  // HF_HUB_OFFLINE.
  static HubOptions from_environment();
};

// The model's snapshot folder, where one with a config.json or modules.json is in the cache. Never asks the network.
std::optional<std::filesystem::path> find_in_cache(std::string_view name, const std::filesystem::path& cache);
std::optional<std::filesystem::path> find_in_cache(std::string_view name);

// Where a model lies: the folder itself, or its snapshot in the cache. Throws not_found, saying what would help.
std::filesystem::path model_folder(std::string_view name_or_folder);

struct PulledFile {
  std::string name;
  uint64_t size_bytes = 0;
  bool downloaded = false;  // false: it was there
};

struct PullReport {
  std::filesystem::path folder;  // the snapshot
  std::string commit;
  std::vector<PulledFile> files;
  uint64_t bytes_downloaded = 0;
  bool has_weights = false;
};

// Downloads what is missing of a model. Throws not_found (no such model or revision), invalid_argument (a name that is
// none; a model that needs another HF_TOKEN), unavailable (no network, a server that fails again and again), corrupted
// (a checksum that differs, file names that lead out of the folder) or exhausted (disk full).
PullReport pull(std::string_view name, const HubOptions& options, base::Progress* progress = nullptr);

// The pull's choice among a repository's files, in their order. MODULE_FOLDERS are the paths that modules.json names,
// "" for the root. Weights are taken once a folder: model.safetensors or its shards, else pytorch_model.bin or its
// shards; configurations, tokenizers, README and licence are taken, other formats' copies (ONNX, GGUF, TensorFlow) not.
std::vector<std::string> files_needed(const std::vector<std::string>& files,
                                      const std::vector<std::string>& module_folders);
// Whether files_needed() takes it as weights.
bool is_weights(std::string_view file);

// Whether a name from the network stays in the folder that it is put into: relative, no empty, "." or ".." parts, no
// backslashes or control characters, no overlong parts.
bool is_safe_relative_path(std::string_view path);

// Lower-case hexadecimal digest of a file's bytes: SHA-256, or git's SHA-1 of a blob.
std::string sha256_hex(const std::filesystem::path& path);
std::string git_blob_sha1_hex(const std::filesystem::path& path);

}  // namespace sextant::model
