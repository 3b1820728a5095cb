// store/row_flags.h: a set of rows as bits, cheap to copy and to change: copies share what is equal.
//
// A moment's readers keep theirs while the writer makes the next: changing one bit copies the bits of 65,536 rows at
// most.     Threads: a value.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sextant::store {

class RowFlags {
 public:
  bool contains(uint32_t row) const {
    const size_t chunk = row / kChunkRows;
    return chunk < chunks_.size() && chunks_[chunk] && (word(*chunks_[chunk], row) >> (row % 64) & 1) != 0;
  }
  // Returns whether it was not there.
  bool add(uint32_t row) {
    if (contains(row)) return false;
    const size_t chunk = row / kChunkRows;
    if (chunk >= chunks_.size()) chunks_.resize(chunk + 1);
    std::shared_ptr<Chunk>& bits = chunks_[chunk];
    if (!bits) {
      bits = std::make_shared<Chunk>();
      bits->fill(0);
    } else if (bits.use_count() > 1) {
      bits = std::make_shared<Chunk>(*bits);
    }
    (*bits)[row % kChunkRows / 64] |= uint64_t{1} << (row % 64);
    ++count_;
    return true;
  }
  size_t count() const { return count_; }
  bool empty() const { return count_ == 0; }

  // Calls take for each row, ascending.
  template <class Take>
  void for_each(Take take) const {
    for (size_t c = 0; c < chunks_.size(); ++c) {
      if (!chunks_[c]) continue;
      for (size_t w = 0; w < kChunkWords; ++w) {
        for (uint64_t bits = (*chunks_[c])[w]; bits != 0; bits &= bits - 1) {
          take(static_cast<uint32_t>(c * kChunkRows + w * 64 + static_cast<size_t>(std::countr_zero(bits))));
        }
      }
    }
  }
  // Takes its rows out of words, row r being bit r % 64 of words[r / 64].
  void remove_from(std::vector<uint64_t>& words) const {
    for (size_t c = 0; c < chunks_.size(); ++c) {
      if (!chunks_[c]) continue;
      const size_t first = c * kChunkWords;
      for (size_t w = 0; w < kChunkWords && first + w < words.size(); ++w) words[first + w] &= ~(*chunks_[c])[w];
    }
  }

 private:
  static constexpr size_t kChunkRows = 65536;
  static constexpr size_t kChunkWords = kChunkRows / 64;
  using Chunk = std::array<uint64_t, kChunkWords>;
  static uint64_t word(const Chunk& chunk, uint32_t row) { return chunk[row % kChunkRows / 64]; }

  std::vector<std::shared_ptr<Chunk>> chunks_;  // null: none of those rows
  size_t count_ = 0;
};

}  // namespace sextant::store
