// model/packs.h: many texts through an encoder: in packs of sequences, long ones first, which threads take one after
// the other; the tokens of the texts that follow are found meanwhile.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/threads.h"

namespace sextant::model {

// Sequences that are computed together: positions in the call.
using Pack = std::vector<size_t>;

// Calls tokenize(item) once for each of COUNT items, which returns how many tokens the item has, and compute(pack) for
// packs that hold each item once; both from several threads at once. An item's tokens are there before its pack is
// computed. A sequence longer than a pack has one of its own.
void compute_in_packs(size_t count, base::ThreadPool& pool, const std::function<size_t(size_t item)>& tokenize,
                      const std::function<void(const Pack& pack)>& compute);

}  // namespace sextant::model
