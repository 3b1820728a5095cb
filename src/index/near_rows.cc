#include "index/near_rows.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <numeric>
#include <utility>

#include "base/progress.h"
#include "base/random.h"
#include "index/placed_rows.h"
#include "simd/kernels.h"

namespace sextant::index {
namespace {

// Rows of a group: as many as fill the cache with what is multiplied, and groups that are divided into such.
constexpr size_t kGroupRows = 640;
constexpr size_t kGroupRowsMax = 1280;
constexpr size_t kLeadersMax = 1024;
constexpr size_t kAssignedAtOnce = 256;

// A row in a group: the number of the row among all, and which of the row's groups this is.
struct Member {
  uint32_t row;
  uint32_t group;
};
using Members = std::vector<Member>;

// Keeps those with the highest scores among many.
class Highest {
 public:
  void start(size_t wanted) {
    wanted_ = wanted;
    threshold_ = -std::numeric_limits<float>::infinity();
    kept_.clear();
  }
  // Scores of what FIRST, FIRST + 1, ... stand for; EXCEPT is looked past.
  void add(const float* scores, size_t count, uint32_t first, uint32_t except) {
    constexpr size_t kPart = 128;
    uint32_t positions[kPart];
    for (size_t begin = 0; begin < count; begin += kPart) {
      const size_t part = std::min(kPart, count - begin);
      const size_t found = simd::kernels().select_high(scores + begin, part, threshold_, positions);
      for (size_t i = 0; i < found; ++i) {
        const uint32_t at = first + static_cast<uint32_t>(begin) + positions[i];
        if (at != except) kept_.push_back({scores[begin + positions[i]], at});
      }
      if (kept_.size() >= 2 * wanted_ + kPart / 2) cut();
    }
  }
  // At most the wanted number of them, in no order.
  const std::vector<std::pair<float, uint32_t>>& take() {
    if (kept_.size() > wanted_) cut();
    return kept_;
  }

 private:
  void cut() {
    const auto last = kept_.begin() + static_cast<ptrdiff_t>(wanted_) - 1;
    std::nth_element(kept_.begin(), last, kept_.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    threshold_ = last->first;
    kept_.resize(wanted_);
  }

  size_t wanted_ = 0;
  float threshold_ = 0;
  std::vector<std::pair<float, uint32_t>> kept_;
};

// A thread's own memory.
struct Worker {
  explicit Worker(const Vectors& vectors) : placer(vectors) {}
  RowPlacer placer;
  std::vector<uint32_t> numbers;
  Highest highest;
};

class Divider {
 public:
  Divider(std::span<const uint32_t> rows, const Vectors& vectors, uint64_t seed, base::ThreadPool& pool)
      : rows_(rows), vectors_(vectors), seed_(seed), pool_(pool), workers_(pool.thread_count(), Worker(vectors)) {}

  // Rows as members of their groups.
  std::vector<Members> divide() {
    Members all(rows_.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = {static_cast<uint32_t>(i), 0};
    std::vector<Members> open = split(all, NearRows::kGroups), done;
    // The large ones again, until none is left; each row stays in one part of its group.
    while (!open.empty()) {
      std::vector<Members> next;
      for (Members& group : open) {
        if (group.size() <= kGroupRowsMax) {
          if (group.size() > 1) done.push_back(std::move(group));
          continue;
        }
        std::vector<Members> parts = split(group, 1);
        const bool smaller = std::all_of(parts.begin(), parts.end(), [&](const Members& part) {
          return part.size() < group.size() - group.size() / 8;
        });
        // Rows that are all alike have one leader: they are cut anywhere.
        if (!smaller) parts = cut(group);
        for (Members& part : parts) next.push_back(std::move(part));
      }
      open = std::move(next);
    }
    return done;
  }

  // Lists for each member of GROUP those of the others that are nearest.
  void list(const Members& group, size_t thread, std::vector<uint32_t>& listed) {
    Worker& worker = workers_[thread];
    RowPlacer& placer = worker.placer;
    place(group, placer.rows, worker);
    const RowProducts products(placer.rows.values.data(), group.size(), vectors_.rows->dim());
    placer.multiply(placer.rows, products, placer.rows, [&](size_t i, const float* scores) {
      worker.highest.start(NearRows::kListed);
      worker.highest.add(scores, group.size(), 0, static_cast<uint32_t>(i));
      uint32_t* out = listed.data() + (group[i].row * NearRows::kGroups + group[i].group) * NearRows::kListed;
      for (const auto& [score, at] : worker.highest.take()) *out++ = rows_[group[at].row];
    });
  }

 private:
  void place(std::span<const Member> members, PlacedRows& placed, Worker& worker) const {
    worker.numbers.clear();
    for (const Member& member : members) worker.numbers.push_back(rows_[member.row]);
    worker.placer.place(worker.numbers, placed);
  }

  // MEMBERS to the groups of their COPIES nearest leaders.
  std::vector<Members> split(const Members& members, size_t copies) {
    const size_t count =
        std::clamp((members.size() * copies + kGroupRows - 1) / kGroupRows, std::max<size_t>(2, copies), kLeadersMax);
    base::Random random(seed_ + members.front().row + (members.size() << 8));
    Members leaders;
    std::vector<uint32_t> numbers(members.size());
    std::iota(numbers.begin(), numbers.end(), 0u);
    for (size_t i = 0; i < std::min(count, members.size()); ++i) {
      std::swap(numbers[i], numbers[i + random.below(members.size() - i)]);
      leaders.push_back(members[numbers[i]]);
    }
    PlacedRows placed;
    place(leaders, placed, workers_.front());
    const RowProducts products(placed.values.data(), leaders.size(), vectors_.rows->dim());

    std::vector<uint32_t> chosen(members.size() * copies, kNoNode);
    const size_t slices = (members.size() + kAssignedAtOnce - 1) / kAssignedAtOnce;
    pool_.parallel_for(slices, [&](size_t slice, size_t thread) {
      Worker& worker = workers_[thread];
      const size_t first = slice * kAssignedAtOnce;
      const auto part = std::span(members).subspan(first, std::min(kAssignedAtOnce, members.size() - first));
      place(part, worker.placer.rows, worker);
      worker.placer.multiply(worker.placer.rows, products, placed, [&](size_t i, const float* scores) {
        worker.highest.start(copies);
        worker.highest.add(scores, leaders.size(), 0, kNoNode);
        uint32_t* out = chosen.data() + (first + i) * copies;
        for (const auto& [score, at] : worker.highest.take()) *out++ = at;
      });
    });

    std::vector<Members> groups(leaders.size());
    for (size_t i = 0; i < members.size(); ++i) {
      for (size_t c = 0; c < copies; ++c) {
        const uint32_t group = chosen[i * copies + c];
        if (group == kNoNode) continue;
        groups[group].push_back({members[i].row, copies > 1 ? static_cast<uint32_t>(c) : members[i].group});
      }
    }
    return groups;
  }

  static std::vector<Members> cut(const Members& group) {
    std::vector<Members> parts;
    for (size_t first = 0; first < group.size(); first += kGroupRows) {
      const auto begin = group.begin() + static_cast<ptrdiff_t>(first);
      parts.emplace_back(begin, begin + static_cast<ptrdiff_t>(std::min(kGroupRows, group.size() - first)));
    }
    return parts;
  }

  std::span<const uint32_t> rows_;
  const Vectors& vectors_;
  uint64_t seed_;
  base::ThreadPool& pool_;
  std::vector<Worker> workers_;
};

}  // namespace

NearRows::NearRows(std::span<const uint32_t> rows, const Vectors& vectors, uint64_t seed, base::ThreadPool& pool,
                   base::Progress* progress)
    : listed_(rows.size() * kGroups * kListed, kNoNode) {
  Divider divider(rows, vectors, seed, pool);
  std::vector<Members> groups = divider.divide();
  // The large ones first: no thread is left alone with one.
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Members& a, const Members& b) { return a.size() > b.size(); });
  size_t total = 0;
  for (const Members& group : groups) total += group.size();
  if (progress != nullptr) progress->begin("comparing", "vectors", total / kGroups);
  std::atomic<size_t> done = 0;
  std::mutex report;
  pool.parallel_for(groups.size(), [&](size_t g, size_t thread) {
    divider.list(groups[g], thread, listed_);
    done += groups[g].size();
    if (progress == nullptr) return;
    if (std::unique_lock lock(report, std::try_to_lock); lock) progress->report(done / kGroups);
  });
  if (progress != nullptr) progress->end();
}

}  // namespace sextant::index
