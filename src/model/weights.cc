#include "model/weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <set>

#include "model/shown.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexEnding = ".index.json";
constexpr std::array<std::string_view, 4> kFolderFiles = {"model.safetensors", "model.safetensors.index.json",
                                                          "pytorch_model.bin", "pytorch_model.bin.index.json"};
// An index has some 100 bytes a tensor.
constexpr uint64_t kIndexBytesMax = uint64_t{64} << 20;

bool is_pytorch(const fs::path& path) {
  const fs::path ending = path.extension();
  return ending == ".bin" || ending == ".pt" || ending == ".pth";
}

// What a clone without git-lfs has in place of large files.
constexpr std::string_view kLfsPointer = "version https://git-lfs.github.com/spec/";

// A shard lies beside its index; links, as caches have them, may lead elsewhere, but names may not.
bool is_plain_name(const std::string& file) {
  return !file.empty() && file != "." && file != ".." && file.find_first_of(std::string("/\\\0", 3)) == file.npos;
}

}  // namespace

Weights Weights::load(const fs::path& folder_or_file) {
  Weights weights;
  fs::path path = folder_or_file;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    auto file = std::find_if(kFolderFiles.begin(), kFolderFiles.end(),
                             [&](std::string_view name) { return fs::exists(path / name, error); });
    if (file == kFolderFiles.end()) {
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: has no weights, expected {}", path.string(), fmt::join(kFolderFiles, ", ")));
    }
    path /= *file;
  }
  weights.source_ = path.string();
  if (weights.source_.ends_with(kIndexEnding)) {
    weights.load_shards(path);
  } else {
    weights.tensors_ = weights.open_file(path);
  }
  return weights;
}

Weights::Tensors Weights::open_file(const fs::path& path) {
  if (path.extension() != ".safetensors" && !is_pytorch(path)) {
    // A path that is not there is told so before its ending is judged.
    base::MappedFile opened(path);
    throw Error(
        ErrorCode::unsupported,
        fmt::format("{}: is no file of weights by its name, expected .safetensors, .bin, .pt or .pth", path.string()));
  }
  base::MappedFile file(path);
  if (file.text().starts_with(kLfsPointer)) {
    throw Error(
        ErrorCode::corrupted,
        fmt::format("{}: is a pointer of Git LFS, not the weights; `git lfs pull` fetches them", path.string()));
  }
  const base::MappedFile& kept = files_.emplace_back(std::move(file));
  if (is_pytorch(path)) return pytorch_files_.emplace_back(kept.bytes(), path.string()).tensors();
  return Safetensors(kept.bytes(), path.string()).tensors();
}

void Weights::load_shards(const fs::path& index) {
  auto bad = [&](const std::string& what) { return Error(ErrorCode::corrupted, fmt::format("{}: {}", source_, what)); };
  const std::string text = base::read_file(index, kIndexBytesMax);
  simdjson::dom::parser parser;
  simdjson::dom::object root, map;
  if (auto error = parser.parse(text).get(root)) {
    throw bad(fmt::format("is not a JSON object: {}", simdjson::error_message(error)));
  }
  if (root["weight_map"].get(map) != simdjson::SUCCESS) throw bad("has no weight_map");

  std::map<std::string, std::set<std::string>> names_of_file;
  std::set<std::string_view> seen;
  for (auto field : map) {
    std::string_view file;
    if (field.value.get(file) != simdjson::SUCCESS) {
      throw bad(fmt::format("weight_map has no file name for tensor {}", shown(field.key)));
    }
    if (!is_plain_name(std::string(file))) {
      throw bad(fmt::format("weight_map puts tensor {} into {}, expected a file in the same folder", shown(field.key),
                            shown(file)));
    }
    if (!seen.insert(field.key).second) throw bad(fmt::format("weight_map has tensor {} twice", shown(field.key)));
    names_of_file[std::string(file)].emplace(field.key);
  }
  if (names_of_file.empty()) throw bad("weight_map is empty");

  for (const auto& [file, names] : names_of_file) {
    Tensors shard = open_file(index.parent_path() / file);
    for (const std::string& name : names) {
      auto tensor = shard.find(name);
      if (tensor == shard.end()) throw bad(fmt::format("tensor {} is not in {}", shown(name), shown(file)));
      tensors_.insert(shard.extract(tensor));
    }
  }
}

const TensorView* Weights::find(std::string_view name) const {
  auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

const TensorView& Weights::at(std::string_view name) const {
  const TensorView* tensor = find(name);
  if (tensor == nullptr) {
    throw Error(ErrorCode::corrupted,
                fmt::format("{}: tensor {} is missing ({} others are there)", source_, shown(name), tensors_.size()));
  }
  return *tensor;
}

uint64_t Weights::bytes() const {
  uint64_t total = 0;
  for (const auto& [name, tensor] : tensors_) total += tensor.bytes.size();
  return total;
}

uint64_t Weights::element_count() const {
  uint64_t total = 0;
  for (const auto& [name, tensor] : tensors_) total += tensor.element_count();
  return total;
}

void Weights::give_up_pages() const {
  for (const base::MappedFile& file : files_) file.give_up_pages();
}

void Weights::give_up_pages_after(uint64_t bytes) const {
  constexpr uint64_t kStep = uint64_t{32} << 20;
  bytes_done_ += bytes;
  if (bytes_done_ < kStep) return;
  bytes_done_ = 0;
  give_up_pages();
}

}  // namespace sextant::model
