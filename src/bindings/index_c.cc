#include "sextant/index_c.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "sextant/error.h"
#include "sextant/index.h"
#include "sextant/version.h"

struct sextant_index {
  std::unique_ptr<sextant::Index> index;
};

struct sextant_allowed_ids {
  sextant::AllowedIds ids;
};

namespace {

using sextant::Error;
using sextant::ErrorCode;

constexpr size_t kThreadsMax = 1024;
constexpr size_t kCalibrateMax = 100'000;
constexpr size_t kWordsMax = size_t{1} << 32;

// An array, so that keeping a message cannot fail.
thread_local char last_error[1024] = "";

sextant_status fail(sextant_status status, const char* message) noexcept {
  std::snprintf(last_error, sizeof(last_error), "%s", message);
  return status;
}

sextant_status status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument:
      return SEXTANT_INVALID_ARGUMENT;
    case ErrorCode::not_found:
      return SEXTANT_NOT_FOUND;
    case ErrorCode::already_exists:
      return SEXTANT_ALREADY_EXISTS;
    case ErrorCode::corrupted:
      return SEXTANT_CORRUPTED;
    case ErrorCode::exhausted:
      return SEXTANT_EXHAUSTED;
    case ErrorCode::unavailable:
      return SEXTANT_UNAVAILABLE;
    case ErrorCode::unsupported:
      return SEXTANT_UNSUPPORTED;
    case ErrorCode::internal:
      return SEXTANT_INTERNAL;
  }
  return SEXTANT_INTERNAL;
}

// The border that no exception crosses.
template <class Body>
sextant_status guarded(Body body) noexcept {
  try {
    body();
    return SEXTANT_OK;
  } catch (const Error& error) {
    return fail(status_of(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return fail(SEXTANT_EXHAUSTED, "out of memory");
  } catch (const std::exception& error) {
    return fail(SEXTANT_INTERNAL, error.what());
  } catch (...) {
    return fail(SEXTANT_INTERNAL, "an exception of no known kind");
  }
}

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

void need(const void* pointer, const char* name) {
  if (pointer == nullptr) refuse(std::string(name) + " is null");
}

void check_at_most(size_t value, size_t most, const char* name) {
  if (value > most) {
    refuse(std::string(name) + " is " + std::to_string(value) + ", expected at most " + std::to_string(most));
  }
}

void check_struct(size_t found, size_t expected, const char* name) {
  if (found != expected) {
    refuse(std::string(name) + ".struct_bytes is " + std::to_string(found) + ", expected " + std::to_string(expected) +
           ": was its _init called?");
  }
}

// LAST: the largest of the enum's numbers.
template <class Enum>
Enum checked(uint32_t value, Enum last, const char* name) {
  check_at_most(value, static_cast<size_t>(last), name);
  return static_cast<Enum>(value);
}

void check_dim(const sextant::Index& index, size_t dim) {
  if (dim != index.options().dim) {
    refuse("dim is " + std::to_string(dim) + ", the index has " + std::to_string(index.options().dim));
  }
}

void fill(const sextant::IndexOptions& from, sextant_index_options& out) {
  out = {.struct_bytes = sizeof(sextant_index_options),
         .dim = from.dim,
         .metric = static_cast<uint32_t>(from.metric),
         .type = static_cast<uint32_t>(from.type),
         .kind = static_cast<uint32_t>(from.kind),
         .codes = static_cast<uint32_t>(from.codes),
         .degree = from.degree,
         .build_breadth = from.build_breadth,
         .capacity = from.capacity,
         .seed = from.seed};
}

// The numbers that the header promises.
static_assert(static_cast<uint32_t>(sextant::Metric::hamming) == SEXTANT_HAMMING);
static_assert(static_cast<uint32_t>(sextant::Metric::dot) == SEXTANT_DOT);
static_assert(static_cast<uint32_t>(sextant::ElementType::bit) == SEXTANT_BIT);
static_assert(static_cast<uint32_t>(sextant::ElementType::bfloat16) == SEXTANT_BFLOAT16);
static_assert(static_cast<uint32_t>(sextant::IndexKind::flat) == SEXTANT_FLAT_INDEX);
static_assert(static_cast<uint32_t>(sextant::CodeKind::sq8) == SEXTANT_CODES_SQ8);
static_assert(static_cast<uint32_t>(sextant::CodeKind::none) == SEXTANT_CODES_NONE);
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

const char* sextant_last_error(void) { return last_error; }

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
              .allowed = nullptr};
}

sextant_status sextant_index_create(const sextant_index_options* options, sextant_index** out) {
  return guarded([&] {
    need(options, "options");
    need(out, "out");
    check_struct(options->struct_bytes, sizeof(*options), "options");
    const sextant::IndexOptions given = {.dim = options->dim,
                                         .metric = checked(options->metric, sextant::Metric::hamming, "metric"),
                                         .type = checked(options->type, sextant::ElementType::bit, "type"),
                                         .kind = checked(options->kind, sextant::IndexKind::flat, "kind"),
                                         .codes = checked(options->codes, sextant::CodeKind::sq8, "codes"),
                                         .degree = options->degree,
                                         .build_breadth = options->build_breadth,
                                         .capacity = options->capacity,
                                         .seed = options->seed};
    *out = new sextant_index{sextant::Index::create(given)};
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
    check_dim(*index->index, dim);
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
    check_dim(*index->index, dim);
    // An array of hits cannot be larger than memory.
    check_at_most(k, std::numeric_limits<ptrdiff_t>::max() / sizeof(sextant_hit), "k");
    sextant::IndexSearchOptions given;
    given.k = k;
    if (options != nullptr) {
      check_struct(options->struct_bytes, sizeof(*options), "options");
      given.target_recall = options->target_recall;
      given.breadth = options->breadth;
      given.exact = options->exact != 0;
      given.allowed = options->allowed == nullptr ? nullptr : &options->allowed->ids;
    }
    const sextant::IndexSearchResult result = index->index->search({query, dim}, given);
    for (size_t i = 0; i < result.hits.size(); ++i) hits[i] = {result.hits[i].id, result.hits[i].score};
    *found = result.hits.size();
    if (report == nullptr) return;
    *report = {.plan = static_cast<uint32_t>(result.plan),
               .exact = result.exact ? 1 : 0,
               .breadth = result.breadth,
               .compared = result.compared,
               .expected_recall = result.expected_recall};
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
