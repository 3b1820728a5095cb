// io/truth_file.h: the nearest rows of each query, as an exact search found them or a search answered.
//
// file := u32 queries, u32 K, u32 ids [queries, K], all little-endian; .zst of that is read too.
// Ids of a query stand best first; where there are fewer than K, the rest are kNoId. What the ids mean, and whether
// such rows exist, is not the file's business.
// Memory: a plain file is mapped; a compressed one is decoded into memory, 1 GiB at most.
// Threads: TruthFile is immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"

namespace sextant::io {

class TruthFile {
 public:
  static constexpr uint32_t kNoId = 0xFFFFFFFF;

  // Throws not_found, corrupted (its size is not what its header says, K is 0) or exhausted.
  static TruthFile open(const std::filesystem::path& path);

  size_t queries() const { return queries_; }
  size_t k() const { return k_; }  // at least 1
  // [k], the last of them kNoId where fewer were found. REQUIRES: query < queries().
  std::span<const uint32_t> ids(size_t query) const { return ids_.subspan(query * k_, k_); }
  const std::string& name() const { return name_; }

 private:
  TruthFile() = default;

  std::string name_;
  base::MappedFile file_;          // of a plain file
  std::vector<uint32_t> decoded_;  // of a compressed one
  std::span<const uint32_t> ids_;  // [queries_, k_], in one of the two
  size_t queries_ = 0;
  size_t k_ = 0;
};

// ids [queries, k]. Takes PATH's place in one step. REQUIRES: k > 0, ids.size() is a multiple of it.
void write_truth_file(const std::filesystem::path& path, size_t k, std::span<const uint32_t> ids);

}  // namespace sextant::io
