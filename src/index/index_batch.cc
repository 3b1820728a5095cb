// IndexImpl: many queries at once, on the units that multiply matrices.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "index/index_impl.h"
#include "index/row_products.h"
#include "index/search_plan.h"
#include "index/smallest.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "simd/top_k.h"

namespace sextant::index {
namespace {

// Queries whose packed form stays in the cache, and rows that they are multiplied with at once.
constexpr size_t kQueriesAtOnce = 1024;
constexpr size_t kRowsAtOnce = 32;
// Rows that a thread takes at once, and of those, how many are asked for where they may have to come from the
// disk.
constexpr size_t kRowsOfPart = 4096;
constexpr size_t kAskedAtOnce = 512;
// Deviations of a rounded product's error that a row may have been misjudged by: one product in 10^15 errs by more.
constexpr float kErrorDeviations = 8;
// Fewer queries than these are compared with the rows one by one, and so are those that ask for more.
constexpr size_t kProductQueries = 8;
constexpr size_t kProductsForK = 1000;
// Of the rows, one in so many must be allowed.
constexpr size_t kProductPart = 8;
// Rows that may be a query's nearest are looked through anew when there are so many.
constexpr size_t kLookThrough = 256;

// One query's rows that may be among the k nearest.
struct Nearest {
  explicit Nearest(size_t k) : upper(k) {}
  void add(uint32_t row, float distance, float error) {
    upper.add(distance + error);
    rows.push_back({distance - error, row});
    if (rows.size() < room) return;
    forget();
    room = std::max(room, 2 * rows.size());
  }
  void add(const Nearest& other) {
    for (float bound : other.upper.all()) upper.add(bound);
    rows.insert(rows.end(), other.rows.begin(), other.rows.end());
  }
  void forget() {
    std::erase_if(rows, [&](const Candidate& row) { return row.distance > upper.last(); });
  }

  Smallest upper;               // of what their distances are at most
  std::vector<Candidate> rows;  // with what their distances are at least
  size_t room = kLookThrough;
};

// A thread's own memory.
struct Worker {
  std::vector<Nearest> nearest;
  std::vector<float> bounds;  // of each query: what lies farther cannot be among its nearest
  std::vector<float> values, products, beyond;
  std::vector<uint32_t> positions;
  RowProducts::Scratch scratch;
};

}  // namespace

// What is compared is not the metric but what orders rows alike: cosine of a query of length 1, -<q, x> / |x|; dot,
// -<q, x> with such a query, too; l2, |x|^2 / 2 - <q, x>.
std::vector<IndexSearchResult> IndexImpl::scan_products(std::span<const float> queries, size_t k,
                                                        const AllowedIds* allowed, base::ThreadPool& pool) const {
  const size_t dim = options_.dim, count = queries.size() / dim;
  const Metric metric = options_.metric;
  const simd::Kernels& kernels = simd::kernels();
  std::vector<uint32_t> rows;
  for_rows(allowed, [&](uint32_t row) { rows.push_back(row); });
  std::vector<IndexSearchResult> results(count);
  for (size_t begin = 0; begin < count; begin += kQueriesAtOnce) {
    const size_t n = std::min(kQueriesAtOnce, count - begin);
    std::vector<float> asked(queries.begin() + static_cast<ptrdiff_t>(begin * dim),
                             queries.begin() + static_cast<ptrdiff_t>((begin + n) * dim));
    float longest = 0, step = 0;
    for (size_t q = 0; q < n; ++q) {
      float* query = asked.data() + q * dim;
      if (metric != Metric::l2) kernels.normalize_f32(query, dim);
      longest = std::max(longest, std::sqrt(kernels.dot_f32(query, query, dim)));
      step = std::max(step, kernels.max_abs_f32(query, dim) / 127);
    }
    const RowProducts products(asked.data(), n, dim);

    std::vector<Worker> workers(pool.thread_count());
    const size_t parts = (rows.size() + kRowsOfPart - 1) / kRowsOfPart;
    pool.parallel_for(parts, [&](size_t part, size_t thread) {
      Worker& worker = workers[thread];
      if (worker.nearest.empty()) {
        worker.nearest.assign(n, Nearest(k));
        worker.bounds.assign(n, std::numeric_limits<float>::infinity());
        worker.values.resize(kRowsAtOnce * dim);
        worker.products.resize(kRowsAtOnce * n);
        worker.beyond.resize(n);
        worker.positions.resize(n);
      }
      const size_t end = std::min(rows.size(), (part + 1) * kRowsOfPart);
      for (size_t first = part * kRowsOfPart; first < end; first += kRowsAtOnce) {
        const size_t m = std::min(kRowsAtOnce, end - first);
        if (first % kAskedAtOnce == 0 && rows_.are_mapped()) {
          rows_.read_soon(std::span(rows).subspan(first, std::min(kAskedAtOnce, end - first)));
        }
        for (size_t i = 0; i < m; ++i) rows_.read(rows[first + i], worker.values.data() + i * dim);
        products.multiply(worker.values.data(), m, worker.products.data(), n, worker.scratch);
        for (size_t i = 0; i < m; ++i) {
          const float* values = worker.values.data() + i * dim;
          const float squared = kernels.dot_f32(values, values, dim);
          const float length = std::sqrt(squared);
          const float factor = metric == Metric::cosine ? (length > 0 ? 1 / length : 0) : 1;
          const float add = metric == Metric::l2 ? squared / 2 : 0;
          // Components are off by at most half a step on either side, evenly: a twelfth of its square in the mean. And
          // sums of floats differ in their last bits.
          const float rounding = kErrorDeviations * std::sqrt(1 / 12.0f);
          const float error = factor * (rounding * (worker.scratch.scales[i] * longest + length * step)) +
                              1e-5f * (factor * length * longest + std::abs(add));
          float* distances = worker.products.data() + i * n;
          for (size_t q = 0; q < n; ++q) distances[q] = add - factor * distances[q];
          for (size_t q = 0; q < n; ++q) worker.beyond[q] = distances[q] - worker.bounds[q];
          const size_t found = kernels.select_low(worker.beyond.data(), n, error, worker.positions.data());
          for (size_t f = 0; f < found; ++f) {
            const uint32_t q = worker.positions[f];
            Nearest& nearest = worker.nearest[q];
            nearest.add(rows[first + i], distances[q], error);
            worker.bounds[q] = nearest.upper.last();
          }
        }
        tell_read(m, false);
      }
    });

    pool.parallel_for(n, [&](size_t q, size_t) {
      Nearest nearest(k);
      for (const Worker& worker : workers) {
        if (!worker.nearest.empty()) nearest.add(worker.nearest[q]);
      }
      nearest.forget();
      std::vector<uint32_t> numbers;
      std::vector<uint64_t> ids;
      for (const Candidate& row : nearest.rows) {
        numbers.push_back(row.node);
        ids.push_back(id_of(row.node));
      }
      std::vector<float> scores(numbers.size());
      const size_t at_once = pages_ == nullptr ? kRowsAtOnce : kScatteredAtOnce;
      for (size_t first = 0; first < numbers.size(); first += at_once) {
        const size_t m = std::min(at_once, numbers.size() - first);
        rows_.score(metric, queries.data() + (begin + q) * dim, numbers.data() + first, m, scores.data() + first);
        tell_read(m, true);
      }
      simd::TopK best(k, higher_is_nearer(metric) ? simd::Nearer::higher : simd::Nearer::lower);
      best.push_block(ids, scores);
      IndexSearchResult& result = results[begin + q];
      for (const simd::Scored& scored : best.take()) result.hits.push_back({scored.id, scored.score});
      result.plan = SearchPlan::product_scan;
      result.compared = rows.size() + numbers.size();
    });
  }
  return results;
}

std::vector<IndexSearchResult> IndexImpl::search_batch(std::span<const float> queries,
                                                       const IndexSearchOptions& options, size_t threads) const {
  const size_t dim = options_.dim;
  if (queries.size() % dim != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} numbers for queries, expected a multiple of dim {}", queries.size(), dim));
  }
  const size_t count = queries.size() / dim;
  for (size_t q = 0; q < count; ++q) {
    try {
      check_query(queries.subspan(q * dim, dim), options);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("query {}: {}", q, error.what()));
    }
  }
  base::ThreadPool& pool = base::ThreadPool::shared(threads);
  if (products_are_cheaper(count, options)) {
    // Rows that go meanwhile are not used again before this ends.
    const Readers::Lease reader = readers_.lease(vectors_);
    return scan_products(queries, std::min(options.k, size()), options.allowed, pool);
  }
  std::vector<IndexSearchResult> results(count);
  pool.parallel_for(count, [&](size_t q, size_t) { results[q] = search(queries.subspan(q * dim, dim), options); });
  return results;
}

bool IndexImpl::products_are_cheaper(size_t queries, const IndexSearchOptions& options) const {
  const size_t k = std::min(options.k, size());
  // Products tell nothing about l1, and counting bits is cheaper than multiplying them.
  if (options_.metric == Metric::l1 || options_.metric == Metric::hamming) return false;
  if (queries < kProductQueries || k == 0 || k > kProductsForK) return false;
  const size_t compared = std::min(size(), count_allowed(options.allowed));
  // What lies here and there is read as slowly for products as without.
  if (is_exact(options)) return compared * kProductPart >= size();
  const PlanAnswer plan = plan_for(k, options);
  return product_cost(compared, options_.dim) < plan.cost;
}

}  // namespace sextant::index
