// model/weights.h: a model's named tensors, whatever files they lie in.
//
// folder := model.safetensors | model.safetensors.index.json, shards | pytorch_model.bin |
// pytorch_model.bin.index.json,
//           shards: the first of these that is there
// index  := {"weight_map": {tensor: file}, "metadata"?}, its files beside it
// Files stay mapped and tensors are views into them, at any address; only a PyTorch file's strided tensors are copied.
// Of sharded weights, the tensors that the index names are there, no others.
// Threads: everything but load() and moving may be called from many.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "model/pytorch_file.h"
#include "model/safetensors.h"

namespace sextant::model {

class Weights {
 public:
  // A folder, or one file: .safetensors, .bin, .pt or .pth. Throws not_found, corrupted, unsupported or exhausted,
  // naming the file and the field.
  static Weights load(const std::filesystem::path& folder_or_file);

  Weights(Weights&&) = default;
  Weights& operator=(Weights&&) = default;

  // nullptr where there is no such tensor.
  const TensorView* find(std::string_view name) const;
  // Throws corrupted, naming the source and the tensor.
  const TensorView& at(std::string_view name) const;
  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }
  // The file that was read; for sharded weights their index.
  const std::string& source() const { return source_; }
  // Of all tensors.
  uint64_t bytes() const;
  uint64_t element_count() const;
  // Takes no more memory for what was read of the files so far; tensors stay valid and are read again when used.
  void give_up_pages() const;
  // Says that so many more bytes were read for the last time: every 32 MB of them, pages are given up.
  void give_up_pages_after(uint64_t bytes) const;

 private:
  using Tensors = std::map<std::string, TensorView, std::less<>>;

  Weights() = default;
  // Keeps the file and returns its tensors.
  Tensors open_file(const std::filesystem::path& path);
  void load_shards(const std::filesystem::path& index);

  std::string source_;
  mutable uint64_t bytes_done_ = 0;  // since pages were given up; of the one thread that loads a model
  std::vector<base::MappedFile> files_;
  // Own the copies that tensors point to.
  std::vector<PytorchFile> pytorch_files_;
  Tensors tensors_;
};

}  // namespace sextant::model
