// text/double_array.h: a set of byte strings with values, walked a byte at a time (Aoe 1989).
//
// A transition is one load and one compare: node b goes with byte c to slot b ^ c, if that slot's label says c.
// Threads: const members from many.   Memory: 8 bytes a slot, about one slot a distinct prefix.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace sextant::text {

class DoubleArray {
 public:
  // A place in the trie; kNowhere when no string continues that way.
  using Node = uint32_t;
  static constexpr Node kNowhere = 0;

  DoubleArray() = default;
  // Keys must be distinct and not empty, in any order. Values: 0 to 2^24 - 1. Throws exhausted past 2^27 slots.
  explicit DoubleArray(std::vector<std::pair<std::string_view, uint32_t>> entries);

  bool empty() const { return units_.empty(); }
  Node root() const { return root_; }
  // The node after BYTE, and in VALUE the value of the string that ends there, -1 for none.
  Node next(Node node, unsigned char byte, int32_t& value) const {
    uint32_t slot = node ^ byte;
    // An array without keys has no slots.
    if (slot >= units_.size()) return kNowhere;
    uint64_t unit = units_[slot];
    if (((unit >> kLabelShift) & 0x1FF) != byte) return kNowhere;
    value = static_cast<int32_t>(unit & kValueMask) - 1;
    return static_cast<Node>(unit >> kBaseShift);
  }
  // The value of a whole key, -1 when absent.
  int32_t find(std::string_view key) const;
  // The node that KEY leads to, for walks that start there.
  Node walk(std::string_view key) const;

 private:
  // A unit: 28 bits of base, 9 of label (256: free), 27 of value + 1.
  static constexpr int kLabelShift = 27;
  static constexpr int kBaseShift = 36;
  static constexpr uint64_t kValueMask = (uint64_t{1} << kLabelShift) - 1;
  static constexpr uint64_t kFree = uint64_t{256} << kLabelShift;
  // The base of nodes without children: its slots hold no matching label, because no other node has it.
  static constexpr Node kLeafBase = 256;
  class Builder;

  std::vector<uint64_t> units_;
  Node root_ = kNowhere;
};

}  // namespace sextant::text
