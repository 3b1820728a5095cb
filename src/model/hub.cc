#include "model/hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/environment.h"
#include "base/files.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNameBytesMax = 96;
constexpr size_t kPathPartBytesMax = 255;
constexpr size_t kPathBytesMax = 1024;

fs::path home() { return base::environment("HOME"); }

fs::path expanded(const std::string& path) {
  if (path == "~") return home();
  return path.starts_with("~/") ? home() / path.substr(2) : fs::path(path);
}

fs::path hugging_face_home() {
  if (std::string path = base::environment("HF_HOME"); !path.empty()) return expanded(path);
  if (std::string path = base::environment("XDG_CACHE_HOME"); !path.empty()) return expanded(path) / "huggingface";
  return home() / ".cache" / "huggingface";
}

fs::path cache_from_environment() {
  // The second is the older name of the first.
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (std::string path = base::environment(name); !path.empty()) return expanded(path);
  }
  return hugging_face_home() / "hub";
}

std::string trimmed(std::string text) {
  const char* blank = " \t\r\n";
  text.erase(0, std::min(text.size(), text.find_first_not_of(blank)));
  text.erase(text.find_last_not_of(blank) + 1);
  return text;
}

std::string token_from_environment() {
  // The second is the older name of the first.
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (std::string token = trimmed(base::environment(name)); !token.empty()) return token;
  }
  std::string path = base::environment("HF_TOKEN_PATH");
  fs::path file = path.empty() ? hugging_face_home() / "token" : expanded(path);
  std::error_code ignored;
  return fs::is_regular_file(file, ignored) ? trimmed(base::read_file(file, 1 << 16)) : "";
}

bool is_true(std::string value) {
  for (char& c : value) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return value == "1" || value == "TRUE" || value == "YES" || value == "ON";
}

// A part of a repository's name, by the hub's own rules.
bool is_name_part(std::string_view part) {
  if (part.empty() || part.size() > kNameBytesMax) return false;
  if (part.front() == '.' || part.front() == '-' || part.back() == '.' || part.back() == '-') return false;
  if (part.find("--") != std::string_view::npos || part.find("..") != std::string_view::npos) return false;
  return std::all_of(part.begin(), part.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view folder_of(std::string_view file) {
  size_t slash = file.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : file.substr(0, slash);
}

std::string_view base_name(std::string_view file) { return file.substr(file.rfind('/') + 1); }

// "model-00001-of-00003.safetensors" for the stem "model".
bool is_shard(std::string_view name, std::string_view stem, std::string_view ending) {
  return name.starts_with(stem) && name.ends_with(ending) && name.size() > stem.size() + ending.size() &&
         name[stem.size()] == '-' && name.find("-of-") != std::string_view::npos;
}

// The parts of a model that are not weights.
bool is_description(std::string_view name, bool in_root) {
  static const std::set<std::string_view> kNames = {"modules.json",      "tokenizer.json", "special_tokens_map.json",
                                                    "added_tokens.json", "vocab.txt",      "vocab.json",
                                                    "merges.txt",        "config.json"};
  if (kNames.contains(name) || name.ends_with(".model") || name.ends_with(".tiktoken")) return true;
  if (name == "generation_config.json") return false;
  if (name.ends_with(".json") && (name.starts_with("config") || name.ends_with("_config.json"))) return true;
  return in_root && (name.starts_with("README") || name.starts_with("LICENSE") || name.starts_with("LICENCE"));
}

}  // namespace

std::optional<HubName> HubName::parse(std::string_view text) {
  HubName name;
  if (size_t at = text.find('@'); at != std::string_view::npos) {
    name.revision = text.substr(at + 1);
    text = text.substr(0, at);
  }
  name.repository = text;
  size_t slash = text.find('/');
  if (slash != std::string_view::npos && !is_name_part(text.substr(0, slash))) return {};
  if (!is_name_part(slash == std::string_view::npos ? text : text.substr(slash + 1))) return {};
  if (!is_safe_relative_path(name.revision)) return {};
  return name;
}

std::string HubName::folder() const {
  std::string out = "models--" + repository;
  if (size_t slash = out.find('/'); slash != std::string::npos) out.replace(slash, 1, "--");
  return out;
}

HubOptions HubOptions::from_environment() {
  HubOptions options;
  options.cache = cache_from_environment();
  if (std::string endpoint = base::environment("HF_ENDPOINT"); !endpoint.empty()) options.endpoint = endpoint;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  options.token = token_from_environment();
  options.offline = is_true(base::environment("HF_HUB_OFFLINE"));
  return options;
}

std::optional<fs::path> find_in_cache(std::string_view text, const fs::path& cache) {
  std::optional<HubName> name = HubName::parse(text);
  if (!name) return {};
  const fs::path folder = cache / name->folder();
  std::error_code error;
  std::string commit = name->revision;
  if (fs::path ref = folder / "refs" / name->revision; fs::is_regular_file(ref, error)) {
    commit = trimmed(base::read_file(ref, 1 << 12));
  }
  if (!is_commit(commit)) return {};
  fs::path snapshot = folder / "snapshots" / commit;
  for (const char* file : {"config.json", "modules.json"}) {
    if (fs::is_regular_file(snapshot / file, error)) return snapshot;
  }
  return {};
}

std::optional<fs::path> find_in_cache(std::string_view name) { return find_in_cache(name, cache_from_environment()); }

bool is_safe_relative_path(std::string_view path) {
  if (path.empty() || path.size() > kPathBytesMax) return false;
  for (char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  }
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > kPathPartBytesMax) return false;
    begin = end + 1;
  }
  return true;
}

bool is_weights(std::string_view file) {
  const std::string_view name = base_name(file);
  return name == "model.safetensors" || name == "pytorch_model.bin" || is_shard(name, "model", ".safetensors") ||
         is_shard(name, "pytorch_model", ".bin");
}

std::vector<std::string> files_needed(const std::vector<std::string>& files,
                                      const std::vector<std::string>& module_folders) {
  const std::set<std::string_view> all(files.begin(), files.end());
  auto is_wanted_folder = [&](std::string_view folder) {
    return folder.empty() || std::any_of(module_folders.begin(), module_folders.end(), [&](const std::string& module) {
             return !module.empty() &&
                    (folder == module || (folder.starts_with(module) && folder[module.size()] == '/'));
           });
  };
  // Other formats' copies lie in folders of modules too (0_Transformer/onnx/model.onnx).
  auto is_foreign_folder = [](std::string_view folder) {
    const std::string_view last = base_name(folder);
    return last == "onnx" || last == "openvino" || last == "coreml" || last == "gguf";
  };
  auto is_chosen_weight = [&](std::string_view folder, std::string_view name) {
    auto has = [&](std::string_view other) {
      return all.contains(folder.empty() ? std::string(other) : fmt::format("{}/{}", folder, other));
    };
    if (name == "model.safetensors") return true;
    if (has("model.safetensors")) return false;
    if (name == "model.safetensors.index.json" || is_shard(name, "model", ".safetensors")) {
      return has("model.safetensors.index.json");
    }
    if (has("model.safetensors.index.json")) return false;
    if (name == "pytorch_model.bin") return true;
    if (has("pytorch_model.bin")) return false;
    return name == "pytorch_model.bin.index.json" || is_shard(name, "pytorch_model", ".bin");
  };
  // BGE-M3 keeps its sparse and its token head beside the model.
  auto is_head = [](std::string_view name) { return name == "sparse_linear.pt" || name == "colbert_linear.pt"; };
  std::vector<std::string> out;
  for (const std::string& file : files) {
    const std::string_view folder = folder_of(file), name = base_name(file);
    if (!is_wanted_folder(folder) || is_foreign_folder(folder)) continue;
    if (is_description(name, folder.empty()) || is_head(name) || is_chosen_weight(folder, name)) out.push_back(file);
  }
  return out;
}

}  // namespace sextant::model
