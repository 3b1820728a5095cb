#include "sextant/multi_index_c.h"

#include <memory>
#include <span>
#include <string>

#include "bindings/c_border.h"
#include "sextant/multi_index.h"

struct sextant_multi_index {
  std::unique_ptr<sextant::MultiIndex> index;
};

namespace {

using sextant::bindings::allowed_ids;
using sextant::bindings::check_at_most;
using sextant::bindings::check_dim;
using sextant::bindings::check_struct;
using sextant::bindings::fill;
using sextant::bindings::guarded;
using sextant::bindings::index_options;
using sextant::bindings::kCalibrateMax;
using sextant::bindings::kHitsMax;
using sextant::bindings::kThreadsMax;
using sextant::bindings::need;
using sextant::bindings::refuse;

// Of all rows: no more than there can be room for is looked at.
size_t sum_of(std::span<const size_t> counts, size_t capacity) {
  size_t sum = 0;
  for (size_t row = 0; row < counts.size(); ++row) {
    if (counts[row] == 0 || counts[row] > sextant::kMultiVectorsMax) {
      refuse("counts[" + std::to_string(row) + "] is " + std::to_string(counts[row]) + ", expected 1 to " +
             std::to_string(sextant::kMultiVectorsMax));
    }
    sum += counts[row];
    check_at_most(sum, capacity, "the sum of counts");
  }
  return sum;
}

sextant::MultiSearchOptions search_options(size_t k, const sextant_multi_search_options* options) {
  sextant::MultiSearchOptions out;
  out.k = k;
  if (options == nullptr) return out;
  check_struct(options->struct_bytes, sizeof(*options), "options");
  out.target_recall = options->target_recall;
  out.candidates = options->candidates;
  out.exact = options->exact != 0;
  out.allowed = allowed_ids(options->allowed);
  return out;
}

static_assert(sextant::kMultiVectorsMax == SEXTANT_MULTI_VECTORS_MAX);

}  // namespace

extern "C" {

void sextant_multi_search_options_init(sextant_multi_search_options* options) {
  if (options == nullptr) return;
  const sextant::MultiSearchOptions defaults;
  *options = {.struct_bytes = sizeof(sextant_multi_search_options),
              .target_recall = defaults.target_recall,
              .candidates = defaults.candidates,
              .exact = defaults.exact ? 1 : 0,
              .allowed = nullptr};
}

sextant_status sextant_multi_index_create(const sextant_index_options* options, sextant_multi_index** out) {
  return guarded([&] {
    need(out, "out");
    *out = new sextant_multi_index{sextant::MultiIndex::create(index_options(options))};
  });
}

sextant_status sextant_multi_index_open(const char* path, int verify, int load, sextant_multi_index** out) {
  return guarded([&] {
    need(path, "path");
    need(out, "out");
    *out = new sextant_multi_index{sextant::MultiIndex::open(path, {.verify = verify != 0, .load = load != 0})};
  });
}

void sextant_multi_index_free(sextant_multi_index* index) { delete index; }

sextant_status sextant_multi_index_add(sextant_multi_index* index, const uint64_t* ids, const size_t* counts,
                                       size_t rows, const float* vectors, size_t dim, size_t threads) {
  return guarded([&] {
    need(index, "index");
    check_dim(index->index->options(), dim);
    check_at_most(threads, kThreadsMax, "threads");
    const size_t capacity = index->index->options().capacity;
    check_at_most(rows, capacity, "rows");
    if (rows == 0) return;
    need(ids, "ids");
    need(counts, "counts");
    need(vectors, "vectors");
    const size_t sum = sum_of({counts, rows}, capacity);
    index->index->add({ids, rows}, {counts, rows}, {vectors, sum * dim}, threads);
  });
}

sextant_status sextant_multi_index_remove(sextant_multi_index* index, uint64_t id, int* was_there) {
  return guarded([&] {
    need(index, "index");
    const bool removed = index->index->remove(id);
    if (was_there != nullptr) *was_there = removed ? 1 : 0;
  });
}

sextant_status sextant_multi_index_search(const sextant_multi_index* index, const float* queries, size_t count,
                                          size_t dim, size_t k, const sextant_multi_search_options* options,
                                          sextant_hit* hits, size_t* found, sextant_multi_search_report* report) {
  return guarded([&] {
    need(index, "index");
    need(queries, "queries");
    need(found, "found");
    if (k > 0) need(hits, "hits");
    check_dim(index->index->options(), dim);
    if (count == 0) refuse("count is 0, expected at least 1");
    check_at_most(count, sextant::kMultiVectorsMax, "count");
    check_at_most(k, kHitsMax, "k");
    const sextant::MultiSearchResult result = index->index->search({queries, count * dim}, search_options(k, options));
    fill(result.hits, hits, *found);
    if (report == nullptr) return;
    *report = {.plan = static_cast<uint32_t>(result.plan),
               .exact = result.exact ? 1 : 0,
               .candidates = result.candidates,
               .rescored = result.rescored,
               .compared = result.compared,
               .expected_recall = result.expected_recall};
  });
}

sextant_status sextant_multi_index_calibrate(sextant_multi_index* index, size_t count, size_t threads) {
  return guarded([&] {
    need(index, "index");
    check_at_most(count, kCalibrateMax, "count");
    check_at_most(threads, kThreadsMax, "threads");
    constexpr size_t kUsual = 64;
    index->index->calibrate(count == 0 ? kUsual : count, threads);
  });
}

sextant_status sextant_multi_index_save(sextant_multi_index* index, const char* path) {
  return guarded([&] {
    need(index, "index");
    need(path, "path");
    index->index->save(path);
  });
}

size_t sextant_multi_index_size(const sextant_multi_index* index) {
  return index == nullptr ? 0 : index->index->size();
}

size_t sextant_multi_index_vector_count(const sextant_multi_index* index) {
  return index == nullptr ? 0 : index->index->vector_count();
}

sextant_status sextant_multi_index_contains(const sextant_multi_index* index, uint64_t id, int* contains) {
  return guarded([&] {
    need(index, "index");
    need(contains, "contains");
    *contains = index->index->contains(id) ? 1 : 0;
  });
}

sextant_status sextant_multi_index_get_options(const sextant_multi_index* index, sextant_index_options* out) {
  return guarded([&] {
    need(index, "index");
    need(out, "out");
    fill(index->index->options(), *out);
  });
}

}  // extern "C"
