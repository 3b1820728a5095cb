// store/payload/row_set.h: sets of a segment's rows, by CRoaring (Lemire et al., 2018): compressed, and fast to
// combine.
//
// Nothing else sees CRoaring. bytes() is the format that all Roaring libraries share
// (https://github.com/RoaringBitmap/RoaringFormatSpec); read() trusts none of it.
// Threads: a RowSet is a value: const functions may be called from many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

struct roaring_bitmap_s;

namespace sextant::store {

class RowSet {
 public:
  RowSet();
  RowSet(const RowSet& other);
  RowSet(RowSet&& other) noexcept : bitmap_(std::exchange(other.bitmap_, nullptr)) {}
  RowSet& operator=(RowSet other) noexcept {
    std::swap(bitmap_, other.bitmap_);
    return *this;
  }
  ~RowSet();

  // [begin, end)
  static RowSet range(uint32_t begin, uint32_t end);
  // REQUIRES: ascending, each once.
  static RowSet of_sorted(std::span<const uint32_t> rows);
  // Row i where bit i % 64 of word i / 64 is set.
  static RowSet of_words(std::span<const uint64_t> words);
  // What bytes() wrote; nullopt for anything else and for rows from END on.
  static std::optional<RowSet> read(std::span<const std::byte> bytes, uint32_t end);
  std::string bytes() const;

  bool empty() const;
  uint64_t count() const;
  bool contains(uint32_t row) const;

  RowSet& operator|=(const RowSet& other);
  RowSet& operator&=(const RowSet& other);
  RowSet& operator-=(const RowSet& other);
  friend RowSet operator|(RowSet a, const RowSet& b) { return std::move(a |= b); }
  friend RowSet operator&(const RowSet& a, const RowSet& b);
  friend RowSet operator-(RowSet a, const RowSet& b) { return std::move(a -= b); }
  bool operator==(const RowSet& other) const;
  // Of what both have.
  uint64_t count_and(const RowSet& other) const;

  std::vector<uint32_t> rows() const;
  // Sets the bits of the rows, as of_words() reads them. Rows beyond the words are left out.
  void or_into(std::span<uint64_t> words) const;

  // The rows in ascending order, some at a time. The set must outlive it unchanged.
  class Cursor {
   public:
    explicit Cursor(const RowSet& set);
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    ~Cursor();
    // How many were written to OUT; 0 at the end.
    size_t next(std::span<uint32_t> out);

   private:
    void* iterator_;
  };
  // VISIT returns nothing.
  template <class Visit>
  void for_each(const Visit& visit) const {
    Cursor cursor(*this);
    uint32_t some[256];
    while (const size_t count = cursor.next(some)) {
      for (size_t i = 0; i < count; ++i) visit(some[i]);
    }
  }

 private:
  explicit RowSet(roaring_bitmap_s* bitmap);

  roaring_bitmap_s* bitmap_;  // nullptr only in what was moved from
};

// A set in the making: rows in any order, as often as they like. A list while they are few, then bits.
class RowUnion {
 public:
  // Of the rows below END.
  explicit RowUnion(uint32_t end) : end_(end) {}

  // REQUIRES: row < end.
  void add(uint32_t row) {
    if (!words_.empty()) {
      words_[row / 64] |= uint64_t{1} << (row % 64);
    } else {
      list_.push_back(row);
      if (list_.size() >= 1024 && list_.size() > end_ / 32) to_words();
    }
  }
  void add(const RowSet& rows);
  // Empties this.
  RowSet take();

 private:
  void to_words();

  uint32_t end_;
  std::vector<uint32_t> list_;
  std::vector<uint64_t> words_;
};

}  // namespace sextant::store
