// model/packed_cache.h: a file with a model's layers as the kernels read them, so that a second start maps it.
//
// file  := head layer* index
// head  := kMagic kFormat file_bytes index_offset index_bytes index_hash 0 head_hash: eight 64-bit numbers, the last of
//          the seven before it
// layer := panels columns? factors?, as tensor::PackedBytes has them, each filled up with zeros to 64 bytes
// index := key compute checks (compute measure value)* layers (name out in compute offset panels columns factors
//          hash)*; strings have their length before them; numbers are 64 bits, a check's value a double; offset is the
//          layer's first byte, panels, columns and factors are sizes in bytes, hash is of the layer with what fills it
//          up
// Hashes are XXH3, numbers in the machine's byte order: a file is for the machine that wrote it and those alike.
// Invariants:
//   1. a key names all that decides the layers and the checks: files by path, size, time and inode, the kernels' tier
//      and panels, the model's use, the precision that was asked for. It is compared in full.
//   2. nothing of a file is used before its hash was found right, and no size or offset before it was found to fit.
//   3. a file is whole before it has its name, whoever else writes it at the same time.
// The file may be deleted at any time; what is mapped stays.
// Threads: all const members may be called from many.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "model/parameters.h"
#include "model/precision.h"

namespace sextant::model {

// Where a model's files lie.
struct ModelFiles {
  std::vector<std::filesystem::path> folders;  // the first is the model's own
  std::filesystem::path weights = {};          // the one file of weights, where one was named
};

// What decides the layers of a model with FILES that is put to USE, and what a check of it finds; the files need not be
// there.
std::string packed_cache_key(const ModelFiles& files, std::string_view use, Compute wanted);
// Its file in CACHE: one for each model, use, tier and precision, so that what is out of date is replaced.
std::filesystem::path packed_cache_file(const std::filesystem::path& cache, const ModelFiles& files,
                                        std::string_view use, Compute wanted);

// Writes beside FILE and over it, one layer after another. REQUIRES: all layers compute in what COMPUTE says; layers of
// one name are the same. Throws as base::FileReplacement.
void write_packed_cache(const std::filesystem::path& file, std::string_view key, Compute compute,
                        std::span<const PrecisionCheck> checks, std::span<const NamedLinear> layers);

class PackedCache {
 public:
  // Throws not_found, or corrupted with a message that says what is wrong with the file, without its name: damage,
  // another format, another key.
  static std::shared_ptr<const PackedCache> open(const std::filesystem::path& file, std::string_view key);

  Compute compute() const { return compute_; }
  const std::vector<PrecisionCheck>& precision_checks() const { return checks_; }
  // A view of the layer, which keeps the file mapped. Throws corrupted where it is damaged, missing or not of that
  // size.
  tensor::PackedWeights take(const std::string& layer, size_t out, size_t in, tensor::Compute compute,
                             const tensor::Kernels& kernels) const;

 private:
  struct Layer {
    uint64_t out, in, compute, offset, panels, columns, factors, hash;
  };
  PackedCache() = default;
  void read(std::string_view key);

  std::shared_ptr<const base::MappedFile> file_;
  uint64_t layers_end_ = 0;
  Compute compute_ = Compute::float32;
  std::vector<PrecisionCheck> checks_;
  std::map<std::string, Layer, std::less<>> layers_;
};

}  // namespace sextant::model
