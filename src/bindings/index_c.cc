#include "sextant/index_c.h"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "bindings/c_border.h"
#include "sextant/index.h"
#include "sextant/version.h"

struct sextant_index {
  std::unique_ptr<sextant::Index> index;
};

namespace {

using sextant::bindings::allowed_ids;
using sextant::bindings::check_at_most;
using sextant::bindings::check_dim;
using sextant::bindings::check_struct;
using sextant::bindings::fill;
using sextant::bindings::guarded;
using sextant::bindings::index_options;
using sextant::bindings::kArrayBytesMax;
using sextant::bindings::kCalibrateMax;
using sextant::bindings::kHitsMax;
using sextant::bindings::kThreadsMax;
using sextant::bindings::last_message;
using sextant::bindings::need;

constexpr size_t kWordsMax = size_t{1} << 32;

sextant::IndexSearchOptions search_options(size_t k, const sextant_search_options* options) {
  sextant::IndexSearchOptions out;
  out.k = k;
  if (options == nullptr) return out;
  check_struct(options->struct_bytes, sizeof(*options), "options");
  out.target_recall = options->target_recall;
  out.breadth = options->breadth;
  out.exact = options->exact != 0;
  out.estimate_recall = options->estimate_recall != 0;
  out.allowed = allowed_ids(options->allowed);
  return out;
}

// report may be null.
void fill(const sextant::IndexSearchResult& result, sextant_hit* hits, size_t& found, sextant_search_report* report) {
  fill(result.hits, hits, found);
  if (report == nullptr) return;
  *report = {.plan = static_cast<uint32_t>(result.plan),
             .exact = result.exact ? 1 : 0,
             .breadth = result.breadth,
             .compared = result.compared,
             .expected_recall = result.expected_recall};
}

// The numbers that the header promises.
static_assert(static_cast<uint32_t>(sextant::Metric::hamming) == SEXTANT_HAMMING);
static_assert(static_cast<uint32_t>(sextant::Metric::dot) == SEXTANT_DOT);
static_assert(static_cast<uint32_t>(sextant::ElementType::bit) == SEXTANT_BIT);
static_assert(static_cast<uint32_t>(sextant::ElementType::bfloat16) == SEXTANT_BFLOAT16);
static_assert(static_cast<uint32_t>(sextant::IndexKind::flat) == SEXTANT_FLAT_INDEX);
static_assert(static_cast<uint32_t>(sextant::CodeKind::sq8) == SEXTANT_CODES_SQ8);
static_assert(static_cast<uint32_t>(sextant::CodeKind::none) == SEXTANT_CODES_NONE);
static_assert(static_cast<uint32_t>(sextant::CodeKind::sq1) == SEXTANT_CODES_SQ1);
static_assert(static_cast<uint32_t>(sextant::SearchPlan::product_scan) == SEXTANT_PLAN_PRODUCT_SCAN);
static_assert(static_cast<uint32_t>(sextant::SearchPlan::filtered_graph) == SEXTANT_PLAN_FILTERED_GRAPH);
static_assert(static_cast<uint32_t>(sextant::SearchPlan::code_scan) == SEXTANT_PLAN_CODE_SCAN);

}  // namespace

extern "C" {

const char* sextant_status_name(sextant_status status) {
  switch (status) {
    case SEXTANT_OK:
      return "ok";
    case SEXTANT_INTERNAL:
      return "internal";
    case SEXTANT_INVALID_ARGUMENT:
      return "invalid_argument";
    case SEXTANT_NOT_FOUND:
      return "not_found";
    case SEXTANT_CORRUPTED:
      return "corrupted";
    case SEXTANT_UNAVAILABLE:
      return "unavailable";
    case SEXTANT_ALREADY_EXISTS:
      return "already_exists";
    case SEXTANT_EXHAUSTED:
      return "exhausted";
    case SEXTANT_UNSUPPORTED:
      return "unsupported";
  }
  return "unknown";
}

const char* sextant_last_error(void) { return last_message(); }

const char* sextant_version(void) { return sextant::kVersion; }

void sextant_index_options_init(sextant_index_options* options) {
  if (options != nullptr) fill({}, *options);
}

void sextant_search_options_init(sextant_search_options* options) {
  if (options == nullptr) return;
  const sextant::IndexSearchOptions defaults;
  *options = {.struct_bytes = sizeof(sextant_search_options),
              .target_recall = defaults.target_recall,
              .breadth = defaults.breadth,
              .exact = defaults.exact ? 1 : 0,
              .allowed = nullptr,
              .estimate_recall = defaults.estimate_recall ? 1 : 0};
}

sextant_status sextant_index_create(const sextant_index_options* options, sextant_index** out) {
  return guarded([&] {
    need(out, "out");
    *out = new sextant_index{sextant::Index::create(index_options(options))};
  });
}

sextant_status sextant_index_open(const char* path, int verify, int load, sextant_index** out) {
  return guarded([&] {
    need(path, "path");
    need(out, "out");
    *out = new sextant_index{sextant::Index::open(path, {.verify = verify != 0, .load = load != 0})};
  });
}

void sextant_index_free(sextant_index* index) { delete index; }

sextant_status sextant_index_add(sextant_index* index, const uint64_t* ids, size_t count, const float* vectors,
                                 size_t dim, size_t threads) {
  return guarded([&] {
    need(index, "index");
    check_dim(index->index->options(), dim);
    check_at_most(threads, kThreadsMax, "threads");
    // No more than there can be room for is looked at.
    check_at_most(count, index->index->options().capacity, "count");
    if (count == 0) return;
    need(ids, "ids");
    need(vectors, "vectors");
    index->index->add({ids, count}, {vectors, count * dim}, threads);
  });
}

sextant_status sextant_index_remove(sextant_index* index, uint64_t id, int* was_there) {
  return guarded([&] {
    need(index, "index");
    const bool removed = index->index->remove(id);
    if (was_there != nullptr) *was_there = removed ? 1 : 0;
  });
}

sextant_status sextant_index_search(const sextant_index* index, const float* query, size_t dim, size_t k,
                                    const sextant_search_options* options, sextant_hit* hits, size_t* found,
                                    sextant_search_report* report) {
  return guarded([&] {
    need(index, "index");
    need(query, "query");
    need(found, "found");
    if (k > 0) need(hits, "hits");
    check_dim(index->index->options(), dim);
    check_at_most(k, kHitsMax, "k");
    fill(index->index->search({query, dim}, search_options(k, options)), hits, *found, report);
  });
}

sextant_status sextant_index_search_batch(const sextant_index* index, const float* queries, size_t count, size_t dim,
                                          size_t k, const sextant_search_options* options, size_t threads,
                                          sextant_hit* hits, size_t* found, sextant_search_report* reports) {
  return guarded([&] {
    need(index, "index");
    check_dim(index->index->options(), dim);
    check_at_most(k, kHitsMax, "k");
    check_at_most(count, std::min(kArrayBytesMax / (dim * sizeof(float)), kHitsMax / std::max<size_t>(k, 1)), "count");
    check_at_most(threads, kThreadsMax, "threads");
    const sextant::IndexSearchOptions given = search_options(k, options);
    if (count == 0) return;
    need(queries, "queries");
    need(found, "found");
    if (k > 0) need(hits, "hits");
    const std::vector<sextant::IndexSearchResult> results =
        index->index->search_batch({queries, count * dim}, given, threads);
    for (size_t i = 0; i < count; ++i) {
      fill(results[i], k > 0 ? hits + i * k : nullptr, found[i], reports == nullptr ? nullptr : reports + i);
    }
  });
}

sextant_status sextant_index_calibrate(sextant_index* index, size_t count, size_t threads) {
  return guarded([&] {
    need(index, "index");
    check_at_most(count, kCalibrateMax, "count");
    check_at_most(threads, kThreadsMax, "threads");
    constexpr size_t kUsual = 200;
    index->index->calibrate(count == 0 ? kUsual : count, threads);
  });
}

sextant_status sextant_index_save(sextant_index* index, const char* path) {
  return guarded([&] {
    need(index, "index");
    need(path, "path");
    index->index->save(path);
  });
}

size_t sextant_index_size(const sextant_index* index) { return index == nullptr ? 0 : index->index->size(); }

sextant_status sextant_index_contains(const sextant_index* index, uint64_t id, int* contains) {
  return guarded([&] {
    need(index, "index");
    need(contains, "contains");
    *contains = index->index->contains(id) ? 1 : 0;
  });
}

sextant_status sextant_index_get_options(const sextant_index* index, sextant_index_options* out) {
  return guarded([&] {
    need(index, "index");
    need(out, "out");
    fill(index->index->options(), *out);
  });
}

sextant_status sextant_allowed_ids_create(const uint64_t* words, size_t word_count, sextant_allowed_ids** out) {
  return guarded([&] {
    need(out, "out");
    if (word_count > 0) need(words, "words");
    check_at_most(word_count, kWordsMax, "word_count");
    *out = new sextant_allowed_ids{sextant::AllowedIds(std::vector<uint64_t>(words, words + word_count))};
  });
}

void sextant_allowed_ids_free(sextant_allowed_ids* allowed) { delete allowed; }

}  // extern "C"
