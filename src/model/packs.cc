#include "model/packs.h"

#include <algorithm>
#include <numeric>

namespace sextant::model {
namespace {

// Rows computed at once: enough for reading the weights to cost little beside computing with them, few enough for the
// activations to stay near the processor.
constexpr size_t kPackRows = 512;
// Texts whose packs are formed together. While these are computed, the tokens of the next are found.
constexpr size_t kWindowTexts = 512;
constexpr size_t kTokenizedAtOnce = 32;

std::vector<Pack> packs_of(const std::vector<size_t>& lengths, size_t begin, size_t end) {
  std::vector<size_t> order(end - begin);
  std::iota(order.begin(), order.end(), begin);
  // Long ones first, so that threads end together.
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
  std::vector<Pack> packs;
  size_t rows = 0;
  for (size_t i : order) {
    // Items without tokens have no rows.
    if (packs.empty() || rows + lengths[i] > kPackRows) {
      packs.emplace_back();
      rows = 0;
    }
    packs.back().push_back(i);
    rows += lengths[i];
  }
  return packs;
}

}  // namespace

void compute_in_packs(size_t count, base::ThreadPool& pool, const std::function<size_t(size_t item)>& tokenize,
                      const std::function<void(const Pack& pack)>& compute) {
  std::vector<size_t> lengths(count);
  // The first window's tokens alone; then each window's packs beside the tokens of the next.
  std::vector<Pack> packs;
  size_t tokenized = 0;
  while (true) {
    const size_t next = std::min(count, tokenized + kWindowTexts);
    const size_t slices = (next - tokenized + kTokenizedAtOnce - 1) / kTokenizedAtOnce;
    pool.parallel_for(packs.size() + slices, [&](size_t task, size_t) {
      if (task < packs.size()) return compute(packs[task]);
      const size_t begin = tokenized + (task - packs.size()) * kTokenizedAtOnce;
      for (size_t i = begin; i < std::min(next, begin + kTokenizedAtOnce); ++i) lengths[i] = tokenize(i);
    });
    if (tokenized == next) break;
    packs = packs_of(lengths, tokenized, next);
    tokenized = next;
  }
}

}  // namespace sextant::model
