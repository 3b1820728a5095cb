// index/layer.h: one layer of a graph: for each of its nodes, the nodes that can be walked to.
//
// The lowest layer has a node for every row, under the row's number. Each layer above has a sixteenth of the nodes of
// the one below and says which they are.
// Threads: one thread writes, or several write the links of different nodes; others may read meanwhile and see for each
// link the old or the new one. A node that a reader finds linked is ready to be read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/growing_array.h"

namespace sextant::index {

inline constexpr uint32_t kNoNode = UINT32_MAX;
// Bounds for arrays on the stack.
inline constexpr size_t kDegreeMax = 128;

class Layer {
 public:
  Layer() = default;
  Layer(size_t degree, size_t capacity, bool lowest);
  // Views; rows and below are empty for the lowest layer.
  Layer(size_t degree, std::span<const uint32_t> links, std::span<const uint32_t> rows,
        std::span<const uint32_t> below);
  Layer(Layer&& other) noexcept;
  Layer& operator=(Layer&& other) noexcept;

  size_t degree() const { return degree_; }
  size_t size() const { return size_.load(std::memory_order_acquire); }
  void set_size(size_t size) { size_.store(size, std::memory_order_release); }

  // Calls body for each of the node's links that lies below BOUND.
  template <class Body>
  void for_links(uint32_t node, size_t bound, Body body) const {
    const uint32_t* link = links_ + size_t{node} * degree_;
    const uint32_t* end = link + degree_;
    for (; link != end; ++link) {
      const uint32_t to = __atomic_load_n(link, __ATOMIC_ACQUIRE);
      if (to < bound) {
        body(to);
      } else if (to == kNoNode) {
        return;
      }
    }
  }
  // Those links, into out [degree]; returns how many.
  size_t links(uint32_t node, size_t bound, uint32_t* out) const {
    size_t count = 0;
    for_links(node, bound, [&](uint32_t link) { out[count++] = link; });
    return count;
  }
  bool has_link(uint32_t node, uint32_t to) const {
    bool found = false;
    for_links(node, to + size_t{1}, [&](uint32_t link) { found |= link == to; });
    return found;
  }
  void set_links(uint32_t node, std::span<const uint32_t> links);
  void prefetch(uint32_t node) const {
    const uint32_t* from = links_ + size_t{node} * degree_;
    for (size_t i = 0; i < degree_; i += 16) __builtin_prefetch(from + i);
  }

  // Of layers above the lowest: the node's row, and its number in the layer below.
  uint32_t row(uint32_t node) const {
    return rows_ == nullptr ? node : __atomic_load_n(rows_ + node, __ATOMIC_ACQUIRE);
  }
  uint32_t below(uint32_t node) const { return __atomic_load_n(below_ + node, __ATOMIC_ACQUIRE); }
  bool is_lowest() const { return rows_ == nullptr; }
  void set_place(uint32_t node, uint32_t row, uint32_t below);

  std::span<const uint32_t> all_links() const { return {links_, size() * degree_}; }
  std::span<const uint32_t> all_rows() const { return {rows_, is_lowest() ? 0 : size()}; }
  std::span<const uint32_t> all_below() const { return {below_, is_lowest() ? 0 : size()}; }

 private:
  base::GrowingArray<uint32_t> owned_links_, owned_rows_, owned_below_;
  const uint32_t* links_ = nullptr;  // [size, degree], ended by kNoNode where fewer
  const uint32_t* rows_ = nullptr;
  const uint32_t* below_ = nullptr;
  size_t degree_ = 0;
  std::atomic<size_t> size_ = 0;
};

}  // namespace sextant::index
