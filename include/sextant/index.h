// sextant/index.h: vectors in, ids of the nearest out.
//
//   auto index = sextant::Index::create({.dim = 384, .metric = sextant::Metric::cosine});
//   index->add(ids, vectors);                                  // ids [n], vectors [n, 384]
//   auto found = index->search(query, {.k = 10, .target_recall = 0.95});
//   for (const auto& hit : found.hits) use(hit.id, hit.score); // best first
//   index->save("documents.idx");
//   auto again = sextant::Index::open("documents.idx");        // mapped; takes milliseconds
//
// A graph index walks from vector to vector over codes of 1, 4 or 8 bits a component and compares the last candidates
// with the vectors as they were given; a flat index compares them all. Scores are Metric's: cosine and dot products
// are higher for nearer vectors, distances lower and not squared.
// Threads: search() may be called from many threads, also while one of them adds and removes: add, remove and save wait
// for each other. Memory: address space is reserved for IndexOptions::capacity vectors; memory is taken as they come.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "sextant/metric.h"

namespace sextant {

// What a vector's components are stored as. bit: a component is 0 or 1, packed eight to a byte, component i being bit
// i % 8 of byte i / 8; it goes with Metric::hamming, and that with it.
enum class ElementType : uint32_t { float32, float16, bfloat16, int8, uint8, bit };
std::string_view name(ElementType type);

enum class IndexKind : uint32_t {
  graph,  // approximate, fast, grows in place
  flat,   // exact: every vector is compared; with codes sq8, many of them by their codes, which is faster
};

// What a graph walks over.
enum class CodeKind : uint32_t {
  automatic,  // sq4; none for flat, for l1, where products of codes mean nothing, for hamming, where rows are codes
  none,       // the vectors themselves
  sq4,        // 4 bits a component after a random rotation
  sq8,        // 8 bits likewise
  sq1,        // 1 bit likewise: the least memory; more candidates must be compared with the vectors themselves
};

struct IndexOptions {
  size_t dim = 0;                           // components of a vector, 1 to 65,536
  Metric metric = Metric::cosine;           //
  ElementType type = ElementType::float32;  // what vectors are stored as; given and searched as floats
  IndexKind kind = IndexKind::graph;        //
  CodeKind codes = CodeKind::automatic;     //
  size_t degree = 32;                       // links a vector, 4 to 128
  size_t build_breadth = 150;               // candidates looked at for each vector's links
  size_t capacity = size_t{1} << 26;        // vectors that may ever be in it, below 2^31
  uint64_t seed = 1;                        // same vectors, options and tier: same bytes, on any number of threads
};

// Ids that a search may return. Memory: a bit an id up to the largest, or 8 bytes an id where that is less.
class AllowedIds {
 public:
  // A bit an id; id i is bit i % 64 of words[i / 64].
  explicit AllowedIds(std::vector<uint64_t> words);
  // In any order, some more than once.
  static AllowedIds of(std::span<const uint64_t> ids);
  bool contains(uint64_t id) const {
    if (!has_bits()) return std::binary_search(listed_.begin(), listed_.end(), id);
    return id / 64 < words_.size() && (words_[id / 64] >> (id % 64) & 1) != 0;
  }
  size_t count() const { return count_; }
  // Of the ids, those below BOUND.
  size_t count_below(uint64_t bound) const;
  // As the constructor takes them; nothing unless has_bits().
  std::span<const uint64_t> words() const { return words_; }
  bool has_bits() const { return !words_.empty(); }
  // The ids one by one, ascending, where they are few or lie far apart; else nothing.
  std::span<const uint64_t> listed() const { return listed_; }

 private:
  AllowedIds() = default;
  std::vector<uint64_t> words_, listed_;
  size_t count_ = 0;
};

struct IndexSearchOptions {
  size_t k = 10;
  // How many of the true k nearest should be among those found, on average, in (0, 1]; 1 asks for an exact search.
  double target_recall = 0.95;
  // Candidates kept while walking, instead of those that target_recall needs; 0: as that says.
  size_t breadth = 0;
  bool exact = false;  // compare every vector
  // Of a walk among all vectors: IndexSearchResult::expected_recall says how good this one probably was, judged by how
  // it went, instead of how good walks so broad are on average. It costs nothing to speak of.
  bool estimate_recall = false;
  const AllowedIds* allowed = nullptr;  // only these; all where nullptr
};

// How a search was answered; the cheapest way is taken.
enum class SearchPlan : uint32_t {
  scan,               // every vector, or every allowed one, is compared: exact
  code_scan,          // the codes of all allowed vectors, then the vectors of those that may be among the nearest
  graph,              // a walk
  graph_then_filter,  // a broader walk, from whose finds what is not allowed is dropped
  filtered_graph,     // a walk past vectors that are not allowed to those that are
  product_scan,  // a batch is compared with every vector by products rounded to 8 bits, then, with a margin of eight
                 // deviations of their error, with the vectors that may be among the nearest: exact
};
std::string_view name(SearchPlan plan);

struct IndexHit {
  uint64_t id;
  float score;
  bool operator==(const IndexHit&) const = default;
};

struct IndexSearchResult {
  std::vector<IndexHit> hits;  // best first; of equal scores, the smaller id
  SearchPlan plan = SearchPlan::scan;
  bool exact = true;
  size_t breadth = 0;          // of a walk
  size_t compared = 0;         // vectors or codes that the query was compared with
  double expected_recall = 1;  // as calibrated on the index's own vectors, see Index::calibrate and estimate_recall
};

struct OpenOptions {
  bool verify = false;  // read the whole file and compare its checksums
  // Copy what walks look at (codes and links, not the vectors) into memory on large pages: walks get faster by a third,
  // opening takes as long as reading it. Not done where it would take more than half of the memory that the process may
  // have.
  bool load = false;
};

class Index {
 public:
  // Throws invalid_argument naming the option.
  static std::unique_ptr<Index> create(const IndexOptions& options);
  // A saved index, mapped read-only: add and remove throw unsupported. Throws not_found or corrupted, naming the file
  // and what is wrong with it.
  static std::unique_ptr<Index> open(const std::filesystem::path& path, const OpenOptions& options = {});

  virtual ~Index() = default;

  // vectors [ids.size(), dim], row-major. An id that is there already gets the new vector. Nothing is added where a
  // vector has a component that is NaN, infinite or beyond the element type (whole numbers alone for int8 and uint8, 0
  // and 1 for bit), or a squared length above 1e37, beyond which float32 cannot tell distances (invalid_argument,
  // naming the vector's number), or room is missing (exhausted). threads: 0 for as many as the machine has.
  virtual void add(std::span<const uint64_t> ids, std::span<const float> vectors, size_t threads = 0) = 0;
  // Returns whether it was there. The vectors around it are linked anew at once, and its room is used again.
  virtual bool remove(uint64_t id) = 0;

  // The k nearest to query [dim]; fewer only where fewer are there, or allowed.
  // Throws invalid_argument for a query of another length or with a component that is NaN or infinite, or, where the
  // type is bit, anything but 0 and 1.
  virtual IndexSearchResult search(std::span<const float> query, const IndexSearchOptions& options = {}) const = 0;

  // The same for queries [n, dim], best for many: n results in their order. Where products of matrices are the cheaper
  // way (many exact searches; on machines with matrix units also others) all are compared with all. threads as in add.
  virtual std::vector<IndexSearchResult> search_batch(std::span<const float> queries,
                                                      const IndexSearchOptions& options = {},
                                                      size_t threads = 0) const = 0;

  // Measures on count of the index's own vectors how broad a walk reaches which recall; target_recall follows it. Done
  // by save() where it was not done since the index doubled.
  virtual void calibrate(size_t count = 200, size_t threads = 0) = 0;

  virtual void save(const std::filesystem::path& path) = 0;

  virtual size_t size() const = 0;
  virtual const IndexOptions& options() const = 0;
  virtual bool contains(uint64_t id) const = 0;
};

}  // namespace sextant
