// index/graph.h: a navigable graph over rows, in layers (HNSW, Malkov & Yashunin 2016), that grows and shrinks.
//
// A node is linked to those of its nearest that are not nearer to one another than to it (the relative neighbourhood
// rule), and most of them back. Rows are inserted in batches of at most a fiftieth of what is there: each row of a
// batch looks for its neighbours in the graph as it was before, then all links are written. So threads need no locks,
// and the graph is the same for any number of them (ParlayANN, Manohar et al. 2024). Threads: one inserts and removes;
// walks may go on meanwhile.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/threads.h"
#include "index/layer.h"
#include "index/near_rows.h"
#include "index/scorer.h"
#include "index/walk.h"

namespace sextant::base {
class Progress;
}

namespace sextant::index {

inline constexpr size_t kLayersMax = 8;
// A layer above has one in so many of the nodes of the one below.
inline constexpr size_t kLayerRatio = 16;
// Nodes handed down to the lowest layer where there are no landmarks: in clustered data the nearest one alone often
// lies in the wrong cluster.
inline constexpr size_t kEntryBreadth = 16;

class Graph {
 public:
  struct Shape {
    size_t degree = 32;
    size_t build_breadth = 150;
    uint64_t seed = 1;
  };

  // Rows below capacity.
  Graph(const Shape& shape, size_t capacity);
  // Of a mapped file: lowest layer first.
  Graph(const Shape& shape, std::vector<Layer> layers, uint32_t entry);

  const Shape& shape() const { return shape_; }
  // Layers that have nodes.
  size_t height() const { return static_cast<size_t>(entry_.load(std::memory_order_acquire) >> 32); }
  uint32_t entry() const { return static_cast<uint32_t>(entry_.load(std::memory_order_acquire)); }
  const Layer& layer(size_t number) const { return layers_[number]; }

  // Rows whose vectors are in place. Nobody is told of them before this returns.
  void insert(std::span<const uint32_t> rows, const Vectors& vectors, Gone gone, base::ThreadPool& pool,
              base::Progress* progress = nullptr, size_t done_before = 0);
  // The same into an empty graph, of rows whose neighbours are known for the most part: near is about rows. Without
  // REFINE links stay what near knows: half the time, and for most of the same nearest, walks of half as many rows
  // more.
  void insert(std::span<const uint32_t> rows, const NearRows& near, const Vectors& vectors, base::ThreadPool& pool,
              base::Progress* progress, bool refine = true);
  // Takes the row's links away and links its neighbours anew; GONE contains it already.
  void remove(uint32_t row, const Vectors& vectors, Gone gone);

  // The BREADTH nearest rows of the lowest layer, nearest first: found. COMPARED counts distances.
  void search(const Scorer& scorer, size_t breadth, Gone gone, WalkMemory& memory, std::vector<Candidate>& found,
              size_t& compared) const;
  // Goes on from what a search FOUND, past rows that are not allowed, and keeps the BREADTH nearest that are. Returns
  // whether there was an allowed one to start from: else it may have found few, or those that lay on its way.
  bool search_allowed(const Scorer& scorer, size_t breadth, Gone gone, Allowed allowed, WalkMemory& memory,
                      std::vector<Candidate>& found, size_t& compared) const;

 private:
  struct Worker;
  class Told;
  // What a row of a batch is going to be linked to in one layer.
  struct Place {
    uint32_t row, node;
    size_t layer;
    std::vector<Candidate> links;
  };

  // Where a walk of the lowest layer starts.
  void descend(const Scorer& scorer, Gone gone, WalkMemory& memory, std::vector<Candidate>& found,
               size_t& compared) const;
  size_t level_of(uint32_t row) const;
  void add_links(uint32_t node, size_t bound, std::vector<uint32_t>& to) const;
  void look_around(uint32_t row, size_t breadth, Worker& worker) const;
  // How broad look_around must be to find most of what lies near a row, by a sample of ROWS.
  size_t refine_breadth(std::span<const uint32_t> rows, base::ThreadPool& pool,
                        std::vector<std::unique_ptr<Worker>>& workers) const;
  // Links each of ROWS anew to the best of what FIND(i, worker) leaves in worker.others.
  template <class Find>
  void relink_all(std::span<const uint32_t> rows, base::ThreadPool& pool, std::vector<std::unique_ptr<Worker>>& workers,
                  Told& told, Find find);
  // Links back to those that link to each of ROWS, as far as the rule allows it.
  void link_back_all(std::span<const uint32_t> rows, base::ThreadPool& pool,
                     std::vector<std::unique_ptr<Worker>>& workers);
  // Every node of the lowest layer can be walked to afterwards.
  void reach_all(std::span<const uint32_t> rows, Worker& worker);
  size_t degree_of(size_t layer) const { return layer == 0 ? shape_.degree : std::max<size_t>(4, shape_.degree / 2); }
  void set_entry(size_t height, uint32_t node) {
    entry_.store(static_cast<uint64_t>(height) << 32 | node, std::memory_order_release);
  }
  static std::vector<std::unique_ptr<Worker>> make_workers(const Vectors& vectors, base::ThreadPool& pool);
  // THERE: nodes of the graph, which batches are measured by. Rows have at least the level LEVEL_MIN.
  void insert_batches(std::span<const uint32_t> rows, size_t there, size_t level_min, Gone gone, base::ThreadPool& pool,
                      std::vector<std::unique_ptr<Worker>>& workers, base::Progress* progress, size_t done_before);
  void insert_batch(std::span<const uint32_t> rows, size_t level_min, Gone gone, base::ThreadPool& pool,
                    std::vector<std::unique_ptr<Worker>>& workers);
  void sort_by_distance(const Scorer& scorer, std::span<const uint32_t> others, Worker& worker) const;
  void find_places(uint32_t row, size_t level, Gone gone, Worker& worker, std::vector<Place>& places) const;
  void keep_diverse(const Layer& layer, std::vector<Candidate>& candidates, size_t degree, Worker& worker) const;
  // Links TARGET to SOURCE; where its links are full, as far as the rule allows it.
  void link_back(size_t layer, uint32_t target, Candidate source, Worker& worker);
  void force_link(size_t layer, uint32_t target, uint32_t node, Worker& worker);
  void remove_node(size_t layer, uint32_t node, Gone gone, Worker& worker);
  void leave_entry(size_t layer, uint32_t node, Gone gone);

  Shape shape_;
  std::array<Layer, kLayersMax> layers_;
  std::atomic<uint64_t> entry_ = 0;  // height << 32 | a node of the highest layer
  // Of the layers above the lowest, for the writer.
  std::array<std::unordered_map<uint32_t, uint32_t>, kLayersMax> node_of_row_;
  std::array<std::vector<uint32_t>, kLayersMax> free_nodes_;
};

}  // namespace sextant::index
