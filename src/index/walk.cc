#include "index/walk.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace sextant::index {
namespace {

// Of Candidate::node: its links were followed. Rows number less than 2^31.
constexpr uint32_t kFollowed = uint32_t{1} << 31;

// The nearest nodes found so far, sorted.
class Nearest {
 public:
  Nearest(std::vector<Candidate>& found, size_t breadth)
      : found_(found), breadth_(breadth), count_(std::min(found.size(), breadth)) {
    found_.resize(breadth);
  }
  size_t count() const { return count_; }
  const Candidate& operator[](size_t i) const { return found_[i]; }
  // The first from FROM on whose links were not followed; count() where there is none.
  size_t next_from(size_t from) const {
    while (from < count_ && (found_[from].node & kFollowed) != 0) ++from;
    return from;
  }
  uint32_t follow(size_t i) { return std::exchange(found_[i].node, found_[i].node | kFollowed); }
  // The first place that changed, and at most FROM.
  size_t add(const uint32_t* nodes, const float* distances, size_t count, size_t from) {
    float worst = count_ < breadth_ ? std::numeric_limits<float>::infinity() : found_[count_ - 1].distance;
    for (size_t i = 0; i < count; ++i) {
      const float distance = distances[i];
      if (!(distance < worst)) continue;
      const auto begin = found_.begin();
      const size_t at =
          static_cast<size_t>(std::upper_bound(begin, begin + static_cast<ptrdiff_t>(count_), distance,
                                               [](float d, const Candidate& c) { return d < c.distance; }) -
                              begin);
      const size_t moved = (count_ < breadth_ ? count_ : breadth_ - 1) - at;
      std::memmove(found_.data() + at + 1, found_.data() + at, moved * sizeof(Candidate));
      found_[at] = {distance, nodes[i]};
      count_ += count_ < breadth_ ? 1 : 0;
      from = std::min(from, at);
      if (count_ == breadth_) worst = found_[count_ - 1].distance;
    }
    return from;
  }
  void finish() {
    found_.resize(count_);
    for (Candidate& candidate : found_) candidate.node &= ~kFollowed;
  }

 private:
  std::vector<Candidate>& found_;
  size_t breadth_, count_;
};

}  // namespace

void walk(const Layer& layer, const Scorer& scorer, size_t breadth, size_t bound, Gone gone, WalkMemory& memory,
          std::vector<Candidate>& found, size_t& compared) {
  memory.reserve(bound);
  memory.expect(found.size() + 1);
  for (const Candidate& start : found) memory.meet(start.node);
  Nearest nearest(found, breadth);
  uint32_t nodes[kDegreeMax];
  uint32_t rows[kDegreeMax];
  float distances[kDegreeMax];
  const Prefetch prefetch = scorer.prefetch();
  const bool lowest = layer.is_lowest();
  const bool any_gone = gone.any();
  for (size_t current = nearest.next_from(0); current < nearest.count();) {
    const uint32_t node = nearest.follow(current);
    size_t fresh = 0;
    memory.expect(kDegreeMax + 1);
    layer.for_links(node, bound, [&](uint32_t link) {
      if (!memory.meet(link)) return;
      const uint32_t row = lowest ? link : layer.row(link);
      if (any_gone && gone.contains(row)) return;
      prefetch(row);
      nodes[fresh] = link;
      rows[fresh++] = row;
    });
    // Who comes next is not known before the distances are; mostly it is the one who would be next without them.
    const size_t guess = nearest.next_from(current + 1);
    if (guess < nearest.count()) {
      layer.for_links(nearest[guess].node, bound, [&](uint32_t link) {
        if (!memory.was_met(link)) prefetch(lowest ? link : layer.row(link));
      });
      const size_t after = nearest.next_from(guess + 1);
      if (after < nearest.count()) layer.prefetch(nearest[after].node);
    }
    scorer.distances(rows, fresh, distances);
    compared += fresh;
    current = nearest.next_from(nearest.add(nodes, distances, fresh, current + 1));
  }
  nearest.finish();
  memory.forget();
}

void walk_allowed(const Layer& layer, const Scorer& scorer, size_t breadth, size_t bound, Gone gone, Allowed allowed,
                  WalkMemory& memory, std::vector<Candidate>& found, size_t& compared) {
  // Nodes taken from one hop at most: enough to go on with, and no more than there is room for.
  constexpr size_t kFreshMax = 3 * kDegreeMax;
  memory.reserve(bound);
  memory.expect(found.size() + 1);
  for (const Candidate& start : found) memory.meet(start.node);
  Nearest nearest(found, breadth);
  uint32_t through[kDegreeMax];
  uint32_t fresh_nodes[kFreshMax];
  float distances[kFreshMax];
  const Prefetch prefetch = scorer.prefetch();
  const size_t enough = 2 * layer.degree();
  for (size_t current = nearest.next_from(0); current < nearest.count();) {
    const uint32_t node = nearest.follow(current);
    size_t fresh = 0;
    auto take = [&](uint32_t link) {
      prefetch(link);
      fresh_nodes[fresh++] = link;
    };
    size_t through_count = 0;
    memory.expect(2 * kDegreeMax + 1);
    layer.for_links(node, bound, [&](uint32_t link) {
      if (!memory.meet(link) || gone.contains(link)) return;
      if (allowed.contains(link)) return take(link);
      layer.prefetch(link);
      through[through_count++] = link;
    });
    for (size_t i = 0; i < through_count && fresh < enough; ++i) {
      memory.expect(kDegreeMax + 1);
      layer.for_links(through[i], bound, [&](uint32_t link) {
        if (allowed.contains(link) && memory.meet(link) && !gone.contains(link)) take(link);
      });
    }
    scorer.distances(fresh_nodes, fresh, distances);
    compared += fresh;
    current = nearest.next_from(nearest.add(fresh_nodes, distances, fresh, current + 1));
  }
  nearest.finish();
  memory.forget();
  std::erase_if(found, [&](const Candidate& c) { return !allowed.contains(c.node); });
}

}  // namespace sextant::index
