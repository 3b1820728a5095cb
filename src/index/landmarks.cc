#include "index/landmarks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/random.h"
#include "index/placed_rows.h"

namespace sextant::index {
namespace {

// Rows that are looked at for each landmark.
constexpr size_t kSampled = 32;
// Landmarks are chosen in so many turns; within one they do not know of each other.
constexpr size_t kTurns = 32;
constexpr size_t kRowsAtOnce = 256;
// Landmarks are so many times the square root of the rows: reading them takes about as long as the walk that follows.
constexpr double kOfRoot = 3;
// What the squared distance of a row from the landmarks is raised to for its chance to become one: nearly the farthest
// are taken, so that each cluster has one before any has many.
constexpr double kPower = 40;

}  // namespace

Landmarks::Landmarks(std::vector<uint32_t> rows, const Vectors& vectors)
    : Landmarks(std::vector(rows), vectors.codes == nullptr ? Codes() : Codes(*vectors.codes, rows), {}) {
  if (vectors.rows->type() != ElementType::bit) return;
  const size_t row_bytes = vectors.rows->row_bytes();
  bits_.resize(rows_.size() * row_bytes);
  for (size_t i = 0; i < rows_.size(); ++i) {
    std::memcpy(bits_.data() + i * row_bytes, vectors.rows->at(rows_[i]), row_bytes);
  }
}

Landmarks::Landmarks(std::vector<uint32_t> rows, Codes codes, std::vector<std::byte> bits)
    : rows_(std::move(rows)), codes_(std::move(codes)), bits_(std::move(bits)) {}

size_t Landmarks::count_for(size_t rows) { return static_cast<size_t>(kOfRoot * std::sqrt(static_cast<double>(rows))); }

bool Landmarks::has(uint32_t row) const { return std::binary_search(rows_.begin(), rows_.end(), row); }

void Landmarks::add_nearest(const Scorer& scorer, Gone gone, Allowed allowed, std::vector<float>& distances,
                            std::vector<Candidate>& found) const {
  distances.resize(rows_.size());
  if (scorer.codes() != CodeKind::none && scorer.codes() == codes_.kind()) {
    scorer.first_distances(codes_, rows_.size(), distances.data());
  } else if (!bits_.empty()) {
    scorer.first_distances(bits_, rows_.size(), distances.data());
  } else {
    scorer.distances(rows_.data(), rows_.size(), distances.data());
  }
  Candidate best[kNearest + 1];
  size_t count = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (count == kNearest && !(distances[i] < best[kNearest - 1].distance)) continue;
    const Candidate candidate{distances[i], rows_[i]};
    if (gone.contains(candidate.node) || !allowed.contains(candidate.node)) continue;
    Candidate* at = std::upper_bound(best, best + count, candidate, is_nearer);
    std::copy_backward(at, best + count, best + count + 1);
    *at = candidate;
    count = std::min(count + 1, kNearest);
  }
  found.insert(found.end(), best, best + count);
  std::sort(found.begin(), found.end(), is_nearer);
  const auto same = [](const Candidate& a, const Candidate& b) { return a.node == b.node; };
  found.erase(std::unique(found.begin(), found.end(), same), found.end());
}

std::vector<uint32_t> choose_landmarks(std::span<const uint32_t> rows, const Vectors& vectors, size_t count,
                                       uint64_t seed, base::ThreadPool& pool, base::PageBudget* pages) {
  base::Random random(seed);
  std::vector<uint32_t> sample(rows.begin(), rows.end());
  const size_t wanted = std::min(rows.size(), count * kSampled);
  for (size_t i = 0; i < wanted; ++i) std::swap(sample[i], sample[i + random.below(sample.size() - i)]);
  sample.resize(wanted);

  std::vector<uint32_t> chosen;
  std::vector<float> apart(sample.size(), std::numeric_limits<float>::infinity());  // squared distances
  std::vector<RowPlacer> placers(pool.thread_count(), RowPlacer(vectors, pages));
  PlacedRows placed;
  while (chosen.size() < count) {
    std::vector<uint32_t> turn;
    if (chosen.empty()) {
      turn.push_back(sample.front());
    } else {
      double sum = 0;
      const float largest = *std::max_element(apart.begin(), apart.end());
      std::vector<double> sums(sample.size());
      for (size_t i = 0; i < sample.size(); ++i) {
        const double squared = std::max(0.0f, apart[i]) / (largest > 0 ? largest : 1);
        sum += std::pow(squared, kPower);
        sums[i] = sum;
      }
      if (!(sum > 0)) break;
      const size_t more = std::min(count - chosen.size(), (count + kTurns - 1) / kTurns);
      for (size_t i = 0; i < more; ++i) {
        const double at = random.uniform() * sum;
        turn.push_back(sample[static_cast<size_t>(std::upper_bound(sums.begin(), sums.end(), at) - sums.begin())]);
      }
      std::sort(turn.begin(), turn.end());
      turn.erase(std::unique(turn.begin(), turn.end()), turn.end());
    }
    placers.front().place(turn, placed);
    const RowProducts products(placed.values.data(), turn.size(), vectors.rows->dim());
    pool.parallel_for((sample.size() + kRowsAtOnce - 1) / kRowsAtOnce, [&](size_t slice, size_t thread) {
      RowPlacer& placer = placers[thread];
      const size_t first = slice * kRowsAtOnce;
      const auto part = std::span(sample).subspan(first, std::min(kRowsAtOnce, sample.size() - first));
      placer.place(part, placer.rows);
      placer.multiply(placer.rows, products, placed, [&](size_t i, const float* scores) {
        const float score = *std::max_element(scores, scores + turn.size());
        apart[first + i] = std::min(apart[first + i], 2 * (placer.rows.halves[i] - score));
      });
    });
    chosen.insert(chosen.end(), turn.begin(), turn.end());
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

}  // namespace sextant::index
