// store/sparse_lists.h: the sparse vectors of a segment as inverted lists: of each component, which rows have it and
// with what value.
//
// The file (index/section_file.h, kind 22, version 2) is mapped:
//   head        {u64 rows, components, postings}
//   components  u32 ascending: those that any row has
//   ends        u64: where each one's list ends
//   rows        u32, ascending within a list
//   values      float32, of the same places
// Opening reads components and ends; lists are checked as they are read. A score is the sum over the components in
// their order, in double: the bytes of RowScorer::score_sparse.
// Threads: an opened file is immutable.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "index/section_file.h"
#include "sextant/index.h"
#include "store/operation.h"

namespace sextant::store {

struct SparsePosting {
  uint32_t component, row;
  float value;
};

class SparseLists {
 public:
  // POSTINGS in any order, of rows below ROWS, each component of a row once.
  static void write(const std::filesystem::path& path, std::vector<SparsePosting> postings, size_t rows);
  // Throws not_found, unsupported or corrupted naming the file.
  explicit SparseLists(const std::filesystem::path& path);

  size_t size() const { return head_.rows; }
  // Calls take for every row that has a component of the query, ascending. allowed: nullptr for all rows. Throws
  // corrupted.
  void score(const VectorValue& query, const AllowedIds* allowed,
             const std::function<void(uint32_t row, float score)>& take) const;
  void verify() const { file_.verify(); }

 private:
  struct Head {
    uint64_t rows, components, postings;
  };
  // What is left of a component's list, and what its values count for.
  struct Cursor {
    size_t at, end;
    double weight;
  };
  std::vector<Cursor> cursors(const VectorValue& query) const;
  using Take = std::function<void(uint32_t row, float score)>;
  void score_listed(std::vector<Cursor> lists, const AllowedIds& allowed, const Take& take) const;
  void score_all(std::vector<Cursor> lists, const AllowedIds* allowed, const Take& take) const;

  index::SectionFile file_;
  Head head_;
  std::span<const uint32_t> components_, rows_;
  std::span<const uint64_t> ends_;
  std::span<const float> values_;
};

}  // namespace sextant::store
