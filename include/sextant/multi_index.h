// sextant/multi_index.h: several vectors a row, as models of late interaction give them (ColBERT, Khattab & Zaharia
// 2020), in; ids of the nearest rows out.
//
//   auto index = sextant::MultiIndex::create({.dim = 128, .metric = sextant::Metric::cosine});
//   index->add(17, token_vectors);                                  // [any number, 128]
//   auto found = index->search(query_vectors, {.k = 10, .target_recall = 0.95});
//   for (const auto& hit : found.hits) use(hit.id, hit.score);      // best first
//
// A row's score (MaxSim) is the sum, over the query's vectors, of the greatest similarity that any of the row's vectors
// has with it.     Threads: search() may be called from many threads, also while one of them adds and removes; it sees
// the rows of one moment, a replaced row as it was or as it is. add, remove and save wait for each other.
// Memory: as an Index of all vectors, and 8 bytes a vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "sextant/index.h"

namespace sextant {

// Vectors that a row, or a query, may have.
inline constexpr size_t kMultiVectorsMax = 65536;

struct MultiSearchOptions {
  size_t k = 10;
  // How many of the true k nearest rows should be among those found, on average, in (0, 1]; 1 asks for an exact search.
  double target_recall = 0.95;
  // Vectors that each of the query's vectors looks for, instead of those that target_recall needs; 0: as that says.
  size_t candidates = 0;
  bool exact = false;                   // compare every row
  const AllowedIds* allowed = nullptr;  // only these rows; all where nullptr
};

struct MultiSearchResult {
  std::vector<IndexHit> hits;          // best first; of equal scores, the smaller id
  SearchPlan plan = SearchPlan::scan;  // scan: every allowed row was compared; else how the query's vectors looked
  bool exact = true;
  size_t candidates = 0;       // that each of the query's vectors looked for
  size_t rescored = 0;         // rows whose score was computed
  size_t compared = 0;         // pairs of vectors, or of a vector and a code, that were compared
  double expected_recall = 1;  // as calibrated on the index's own rows, see MultiIndex::calibrate
};

class MultiIndex {
 public:
  // options are those of the index of all vectors; capacity counts vectors, and metric is cosine or dot: a sum of
  // greatest distances would mean nothing. Throws invalid_argument naming the option.
  static std::unique_ptr<MultiIndex> create(const IndexOptions& options);
  // A saved index, mapped read-only: add and remove throw unsupported. Throws not_found or corrupted, naming the file
  // and what is wrong with it.
  static std::unique_ptr<MultiIndex> open(const std::filesystem::path& path, const OpenOptions& options = {});

  virtual ~MultiIndex() = default;

  // vectors [n, dim], n from 1 to kMultiVectorsMax. An id that is there already gets the new vectors.
  void add(uint64_t id, std::span<const float> vectors, size_t threads = 0);
  // Many rows at once, which is faster: row i has the next counts[i] of vectors; of equal ids the last one counts.
  // Nothing is added where a component is NaN, infinite or beyond the element type (invalid_argument, naming the row's
  // number and the vector's within it), or room is missing (exhausted). threads: 0 for as many as the machine has.
  virtual void add(std::span<const uint64_t> ids, std::span<const size_t> counts, std::span<const float> vectors,
                   size_t threads = 0) = 0;
  // Returns whether it was there.
  virtual bool remove(uint64_t id) = 0;

  // The k nearest to queries [m, dim], m from 1 to kMultiVectorsMax; fewer only where fewer are there, or allowed.
  virtual MultiSearchResult search(std::span<const float> queries, const MultiSearchOptions& options = {}) const = 0;

  // Measures on count of the index's own rows how many candidates reach which recall; target_recall follows it. Done by
  // save() where it was not done since the index doubled. Large indexes take fewer rows, at least 8: each is compared
  // with all others.
  virtual void calibrate(size_t count = 64, size_t threads = 0) = 0;

  virtual void save(const std::filesystem::path& path) = 0;

  virtual size_t size() const = 0;          // rows
  virtual size_t vector_count() const = 0;  // of all rows
  virtual const IndexOptions& options() const = 0;
  virtual bool contains(uint64_t id) const = 0;
};

}  // namespace sextant
