// index/landmarks.h: a few rows that lie wherever rows lie, which every walk looks at before it starts.
//
// A graph leads on where there is a slope towards the query. Between clusters that lie apart there is none: a walk that
// starts in the wrong one ends there, and chance alone puts nodes of a small cluster into the layers above. Landmarks
// are chosen by how far rows are from those chosen before (in batches and by distance, as in k-means||, Bahmani et al.
// 2012, but with a higher power of it, so that clusters count more than their sizes).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/page_budget.h"
#include "base/threads.h"
#include "index/scorer.h"
#include "index/walk.h"

namespace sextant::index {

class Landmarks {
 public:
  // Landmarks that are added to where a walk starts.
  static constexpr size_t kNearest = 8;

  // rows, ascending.
  Landmarks(std::vector<uint32_t> rows, const Vectors& vectors);
  // codes and bits: of rows, as codes() and bits() gave them; none where vectors have none.
  Landmarks(std::vector<uint32_t> rows, Codes codes, std::vector<std::byte> bits);

  // How many an index of so many rows should have.
  static size_t count_for(size_t rows);

  std::span<const uint32_t> rows() const { return rows_; }
  bool has(uint32_t row) const;
  // Of rows(), which number from 0 on; side by side, because every search reads them all.
  const Codes& codes() const { return codes_; }
  // The same of rows of bits; else empty.
  std::span<const std::byte> bits() const { return bits_; }

  // Adds the nearest of those that are allowed to FOUND, which becomes sorted, each row once. Rows that are gone are
  // looked past. DISTANCES is memory.
  void add_nearest(const Scorer& scorer, Gone gone, Allowed allowed, std::vector<float>& distances,
                   std::vector<Candidate>& found) const;

 private:
  std::vector<uint32_t> rows_;
  Codes codes_;
  std::vector<std::byte> bits_;
};

// COUNT of rows, or fewer where fewer are apart; ascending. The same for any number of threads. pages, where there is
// one, is told what is read of the rows.
std::vector<uint32_t> choose_landmarks(std::span<const uint32_t> rows, const Vectors& vectors, size_t count,
                                       uint64_t seed, base::ThreadPool& pool, base::PageBudget* pages = nullptr);

}  // namespace sextant::index
