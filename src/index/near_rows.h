// index/near_rows.h: for each of many rows, rows that lie near it: most of its nearest, found group by group.
//
// Some rows, chosen at random, are leaders, and every row belongs to the groups of the three leaders nearest to it;
// groups that are too large are divided likewise. In a group all rows are multiplied with all (index/row_products.h),
// which costs a machine far less than finding the same rows one by one in a graph. Sources: PiPNN (Rubel et al. 2026),
// HCNNG (Munoz et al. 2019), which divide in this manner. The result is the same for any number of threads.
// Memory: 288 bytes a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/threads.h"
#include "index/layer.h"
#include "index/scorer.h"

namespace sextant::base {
class Progress;
}

namespace sextant::index {

class NearRows {
 public:
  // Rows that are listed for each row by each of its groups, and groups that it belongs to.
  static constexpr size_t kListed = 24;
  static constexpr size_t kGroups = 3;

  // Near by the distances of vectors.space, whose metric is not l1.
  NearRows(std::span<const uint32_t> rows, const Vectors& vectors, uint64_t seed, base::ThreadPool& pool,
           base::Progress* progress);

  static size_t bytes(size_t rows) { return rows * kGroups * kListed * sizeof(uint32_t); }
  // Rows near rows[i], in no order, some twice, kNoNode where there were fewer.
  std::span<const uint32_t> of(size_t i) const { return {listed_.data() + i * kGroups * kListed, kGroups * kListed}; }

 private:
  std::vector<uint32_t> listed_;
};

}  // namespace sextant::index
