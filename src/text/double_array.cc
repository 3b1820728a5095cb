#include "text/double_array.h"

#include <algorithm>
#include <array>
#include <bitset>

#include "sextant/error.h"

namespace sextant::text {

class DoubleArray::Builder {
 public:
  Builder(const std::vector<std::pair<std::string_view, uint32_t>>& entries, std::vector<uint64_t>& units)
      : entries_(entries), units_(units) {
    // Bases 0 to 511 mean nowhere and leaf: the first two blocks hold nothing.
    units_.assign(512, kFree);
    blocks_.resize(2);
  }

  Node build() {
    Node root = 0;
    queue_.push_back({0, entries_.size(), 0, kNoSlot});
    // Breadth first: the nodes with many children come while blocks are still empty.
    for (size_t i = 0; i < queue_.size(); ++i) {
      Work work = queue_[i];
      Node base = place(work);
      if (work.slot == kNoSlot) {
        root = base;
      } else {
        units_[work.slot] |= static_cast<uint64_t>(base) << kBaseShift;
      }
    }
    return root;
  }

 private:
  static constexpr uint32_t kNoSlot = static_cast<uint32_t>(-1);
  static constexpr size_t kOpenMax = 16;  // blocks tried before a new one is made
  struct Work {
    size_t begin;  // entries that share the node's prefix
    size_t end;
    size_t depth;
    uint32_t slot;
  };
  struct Block {
    std::bitset<256> free = std::bitset<256>().set();
    std::bitset<256> used_base;
  };

  Node place(const Work& work) {
    // The entry that ends here, if any, is first: its value is in the slot already.
    size_t first = work.begin;
    if (work.depth > 0 && entries_[first].first.size() == work.depth) ++first;
    if (first == work.end) return kLeafBase;
    labels_.clear();
    ranges_.clear();
    for (size_t i = first; i < work.end; ++i) {
      auto label = static_cast<unsigned char>(entries_[i].first[work.depth]);
      if (labels_.empty() || labels_.back() != label) {
        labels_.push_back(label);
        ranges_.push_back(i);
      }
    }
    ranges_.push_back(work.end);
    Node base = find_base();
    Block& block = blocks_[base >> 8];
    block.used_base.set(base & 0xFF);
    for (size_t i = 0; i < labels_.size(); ++i) {
      uint32_t slot = base ^ labels_[i];
      block.free.reset(slot & 0xFF);
      const auto& [key, value] = entries_[ranges_[i]];
      uint64_t unit = static_cast<uint64_t>(labels_[i]) << kLabelShift;
      if (key.size() == work.depth + 1) unit |= uint64_t{value} + 1;
      units_[slot] = unit;
      queue_.push_back({ranges_[i], ranges_[i + 1], work.depth + 1, slot});
    }
    return base;
  }

  Node find_base() {
    for (size_t i = open_.size(); i-- > 0;) {
      uint32_t index = open_[i];
      const Block& block = blocks_[index];
      // From one free slot to the next, a word at a time: most slots of an open block are taken.
      for (size_t slot = block.free._Find_first(); slot < 256; slot = block.free._Find_next(slot)) {
        uint32_t base = static_cast<uint32_t>(slot) ^ labels_[0];
        if (block.used_base[base]) continue;
        bool fits = std::all_of(labels_.begin() + 1, labels_.end(),
                                [&](unsigned char label) { return block.free[base ^ label]; });
        if (fits) return index << 8 | base;
      }
    }
    if (units_.size() >= (size_t{1} << 27)) {
      throw Error(ErrorCode::exhausted, "a vocabulary whose trie needs more than 2^27 slots is not supported");
    }
    auto index = static_cast<uint32_t>(blocks_.size());
    blocks_.emplace_back();
    units_.resize(units_.size() + 256, kFree);
    // The fullest block gives way.
    if (open_.size() == kOpenMax) {
      auto fullest = std::min_element(open_.begin(), open_.end(), [&](uint32_t a, uint32_t b) {
        return blocks_[a].free.count() < blocks_[b].free.count();
      });
      open_.erase(fullest);
    }
    open_.push_back(index);
    return index << 8 | labels_[0];
  }

  const std::vector<std::pair<std::string_view, uint32_t>>& entries_;
  std::vector<uint64_t>& units_;
  std::vector<Block> blocks_;
  std::vector<uint32_t> open_;
  std::vector<Work> queue_;
  std::vector<unsigned char> labels_;
  std::vector<size_t> ranges_;
};

DoubleArray::DoubleArray(std::vector<std::pair<std::string_view, uint32_t>> entries) {
  if (entries.empty()) return;
  std::sort(entries.begin(), entries.end());
  root_ = Builder(entries, units_).build();
  units_.shrink_to_fit();
}

int32_t DoubleArray::find(std::string_view key) const {
  int32_t value = -1;
  Node node = root_;
  for (char c : key) {
    if (node == kNowhere) return -1;
    node = next(node, static_cast<unsigned char>(c), value);
  }
  return node == kNowhere ? -1 : value;
}

DoubleArray::Node DoubleArray::walk(std::string_view key) const {
  int32_t value = -1;
  Node node = root_;
  for (char c : key) {
    if (node == kNowhere) return kNowhere;
    node = next(node, static_cast<unsigned char>(c), value);
  }
  return node;
}

}  // namespace sextant::text
