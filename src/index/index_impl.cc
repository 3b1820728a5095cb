#include "index/index_impl.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/progress.h"
#include "base/random.h"
#include "sextant/error.h"
#include "simd/kernels.h"
#include "simd/top_k.h"

namespace sextant::index {
namespace {

constexpr size_t kDimMax = 65536;
// Rows that are compared between two looks at who is best.
constexpr size_t kScanRows = 256;
// Rows that are compared with the query itself before what is left is judged again.
constexpr size_t kRerankAtOnce = 8;
// Deviations of a code's estimate that a row may have been misjudged by.
constexpr float kErrorDeviations = 3;
constexpr size_t kRowsAtOnce = 64;
// Steps of a walk that take as long as comparing one row.
constexpr double kScanCost = 3;

void check(bool good, std::string_view what, auto found, std::string_view expected) {
  if (!good) throw Error(ErrorCode::invalid_argument, fmt::format("{} is {}, expected {}", what, found, expected));
}

IndexOptions checked(IndexOptions options) {
  check(options.dim >= 1 && options.dim <= kDimMax, "dim", options.dim, "1 to 65536");
  check(options.degree >= 4 && options.degree <= kDegreeMax, "degree", options.degree, "4 to 128");
  check(options.build_breadth >= 1 && options.build_breadth <= 10000, "build_breadth", options.build_breadth,
        "1 to 10000");
  check(options.capacity >= 1 && options.capacity < (size_t{1} << 31), "capacity", options.capacity,
        "1 to 2147483647");
  if (options.codes == CodeKind::automatic) {
    options.codes = options.metric == Metric::l1 ? CodeKind::none : CodeKind::sq4;
  }
  if (options.metric == Metric::l1 && options.codes != CodeKind::none) {
    throw Error(ErrorCode::invalid_argument,
                "codes are sq4 or sq8, expected none for metric l1: products of codes tell nothing about it");
  }
  if (options.kind == IndexKind::flat) options.codes = CodeKind::none;
  return options;
}

float as_distance(Metric metric, float score) {
  if (higher_is_nearer(metric)) return -score;
  return metric == Metric::l2 ? score * score : score;
}

simd::Nearer nearer(Metric metric) { return higher_is_nearer(metric) ? simd::Nearer::higher : simd::Nearer::lower; }

}  // namespace

IndexImpl::IndexImpl(const IndexOptions& options)
    : options_(checked(options)),
      rows_(options_.type, options_.dim, options_.capacity),
      owned_ids_(options_.capacity),
      owned_gone_((options_.capacity + 63) / 64),
      ids_(owned_ids_.data()),
      gone_(owned_gone_.data()) {
  vectors_.rows = &rows_;
}

Gone IndexImpl::gone() const { return {.words = any_gone_.load(std::memory_order_acquire) ? gone_ : nullptr}; }

std::shared_ptr<const Calibration> IndexImpl::calibration() const {
  std::lock_guard lock(calibration_mutex_);
  return calibration_;
}

void IndexImpl::check_vectors(std::span<const float> vectors, size_t first_number) const {
  const size_t bad = first_not_finite(vectors.data(), vectors.size());
  if (bad < vectors.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("vector {}: component {} is {}, expected a finite number",
                            first_number + bad / options_.dim, bad % options_.dim, vectors[bad]));
  }
}

void IndexImpl::note_id(uint64_t id, uint32_t row) {
  if (ids_are_rows_ && id == row) return;
  if (ids_are_rows_) {
    for (uint32_t other = 0; other < row_count_; ++other) {
      if (!gone().contains(other)) row_of_id_[other] = other;
    }
    ids_are_rows_ = false;
  }
  row_of_id_[id] = row;
}

void IndexImpl::forget_id(uint64_t id) {
  if (!ids_are_rows_) row_of_id_.erase(id);
}

std::optional<uint32_t> IndexImpl::find_row(uint64_t id) const {
  if (!ids_are_rows_) {
    auto found = row_of_id_.find(id);
    if (found == row_of_id_.end()) return std::nullopt;
    return found->second;
  }
  if (id >= row_count_ || gone().contains(static_cast<uint32_t>(id))) return std::nullopt;
  return static_cast<uint32_t>(id);
}

bool IndexImpl::contains(uint64_t id) const {
  std::lock_guard lock(writer_);
  return find_row(id).has_value();
}

void IndexImpl::reclaim() {
  std::erase_if(retired_, [&](const Retired& retired) {
    if (!readers_.all_later_than(retired.mark)) return false;
    free_rows_.push_back(retired.row);
    return true;
  });
}

uint32_t IndexImpl::row_for(uint64_t id) {
  uint32_t row;
  if (!free_rows_.empty()) {
    row = free_rows_.back();
    free_rows_.pop_back();
  } else {
    row = static_cast<uint32_t>(row_count_.load());
  }
  owned_ids_[row] = id;
  return row;
}

void IndexImpl::add(std::span<const uint64_t> ids, std::span<const float> vectors, size_t threads) {
  if (file_ != nullptr || ids_ == nullptr) {
    throw Error(ErrorCode::unsupported, "an index that is looked at where it lies cannot be changed");
  }
  if (vectors.size() != ids.size() * options_.dim) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{} numbers for {} vectors, expected {} of dim {}",
                                                         vectors.size(), ids.size(), ids.size() * options_.dim,
                                                         options_.dim));
  }
  check_vectors(vectors, 0);
  std::lock_guard lock(writer_);
  // Of equal ids in one call the last one counts.
  std::unordered_map<uint64_t, size_t> last;
  const bool ascending = std::is_sorted(ids.begin(), ids.end(), [](uint64_t a, uint64_t b) { return a <= b; });
  if (!ascending) {
    for (size_t i = 0; i < ids.size(); ++i) last[ids[i]] = i;
  }
  const size_t wanted = ascending ? ids.size() : last.size();
  reclaim();
  size_t present = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if ((ascending || last.at(ids[i]) == i) && find_row(ids[i])) ++present;
  }
  // What is replaced cannot make room at once: somebody may be looking at it.
  if (alive_ + wanted > options_.capacity || row_count_ + wanted > options_.capacity + free_rows_.size()) {
    throw Error(ErrorCode::exhausted,
                fmt::format("{} vectors cannot be added to {}: capacity is {}", wanted - present, alive_.load(),
                            options_.capacity));
  }
  std::vector<uint32_t> rows;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!ascending && last.at(ids[i]) != i) continue;
    remove_row(ids[i]);
    const uint32_t row = row_for(ids[i]);
    note_id(ids[i], row);
    store_row(row, vectors.data() + i * options_.dim);
    if (row >= row_count_) {
      row_count_.store(row + 1, std::memory_order_release);
    } else {
      __atomic_fetch_and(owned_gone_.data() + row / 64, ~(uint64_t{1} << (row % 64)), __ATOMIC_RELEASE);
    }
    alive_.fetch_add(1, std::memory_order_release);
    rows.push_back(row);
  }
  take_in(rows, base::ThreadPool::shared(threads), nullptr);
}

// Elements of another type are rounded to it; int8 and uint8 take whole numbers within their range alone.
void IndexImpl::store_row(uint32_t row, const float* vector) {
  const simd::Kernels& k = simd::kernels();
  std::vector<std::byte> narrow(rows_.row_bytes());
  switch (options_.type) {
    case ElementType::float32:
      return rows_.set(row, vector);
    case ElementType::float16:
      k.f32_to_f16(vector, options_.dim, reinterpret_cast<simd::Float16*>(narrow.data()));
      break;
    case ElementType::bfloat16:
      k.f32_to_bf16(vector, options_.dim, reinterpret_cast<simd::BFloat16*>(narrow.data()));
      break;
    case ElementType::int8:
    case ElementType::uint8:
      for (size_t i = 0; i < options_.dim; ++i) {
        narrow[i] = static_cast<std::byte>(static_cast<int>(std::lround(vector[i])));
      }
      break;
  }
  rows_.set(row, narrow.data());
}

void IndexImpl::add_view(std::span<const std::byte> bytes, size_t threads, base::Progress* progress) {
  std::lock_guard lock(writer_);
  rows_ = Rows(options_.type, options_.dim, bytes);
  ids_ = nullptr;
  const size_t count = rows_.capacity();
  if (count > options_.capacity) {
    throw Error(ErrorCode::exhausted, fmt::format("{} vectors, capacity is {}", count, options_.capacity));
  }
  std::vector<float> values(options_.dim);
  for (size_t row = 0; row < count; ++row) {
    rows_.read(row, values.data());
    check_vectors(values, row);
  }
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0u);
  row_count_.store(count, std::memory_order_release);
  alive_.store(count, std::memory_order_release);
  take_in(rows, base::ThreadPool::shared(threads), progress);
}

void IndexImpl::take_in(std::span<const uint32_t> rows, base::ThreadPool& pool, base::Progress* progress) {
  if (options_.kind == IndexKind::flat) return;
  std::vector<uint32_t> all;
  if (!graph_) {
    if (alive_ < kFirstRows) return;
    for (uint32_t row = 0; row < row_count_; ++row) {
      if (!gone().contains(row)) all.push_back(row);
    }
    make_space();
    rows = all;
  }
  encode(rows, pool);
  if (progress != nullptr) progress->begin("linking", "vectors", rows.size());
  graph_->insert(rows, vectors_, gone(), pool, progress);
  if (progress != nullptr) progress->end();
  graph_ready_.store(true, std::memory_order_release);
}

void IndexImpl::make_space() {
  // From rows here and there: files are often sorted by something.
  constexpr size_t kSample = 16384;
  const size_t dim = options_.dim;
  base::Random random(options_.seed);
  std::vector<float> sample;
  std::vector<float> row(dim);
  float longest = 0;
  const size_t count = std::min<size_t>(kSample, row_count_);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t number = static_cast<uint32_t>(count == row_count_ ? i : random.below(row_count_));
    if (gone().contains(number)) continue;
    rows_.read(number, row.data());
    sample.insert(sample.end(), row.begin(), row.end());
  }
  if (options_.metric == Metric::dot) {
    for (uint32_t number = 0; number < row_count_; ++number) {
      rows_.read(number, row.data());
      longest = std::max(longest, simd::kernels().dot_f32(row.data(), row.data(), dim));
    }
    longest = std::sqrt(longest);
  }
  space_.emplace(options_.metric, dim, centre_of(options_.metric, sample, dim), longest, options_.seed);
  vectors_.space = &*space_;
  if (options_.codes != CodeKind::none) {
    codes_.emplace(options_.codes, space_->padded_dim(), options_.capacity);
    owned_lengths_ = base::GrowingArray<float>(options_.capacity);
    vectors_.codes = &*codes_;
    vectors_.lengths = owned_lengths_.data();
  }
  graph_.emplace(Graph::Shape{options_.degree, options_.build_breadth, options_.seed}, options_.capacity);
}

void IndexImpl::encode(std::span<const uint32_t> rows, base::ThreadPool& pool) {
  if (!codes_) return;
  const size_t slices = (rows.size() + kRowsAtOnce - 1) / kRowsAtOnce;
  std::vector<double> errors(slices);
  pool.parallel_for(slices, [&](size_t slice, size_t) {
    std::vector<float> values(options_.dim), transformed(space_->padded_dim());
    for (size_t i = slice * kRowsAtOnce; i < std::min(rows.size(), (slice + 1) * kRowsAtOnce); ++i) {
      rows_.read(rows[i], values.data());
      owned_lengths_[rows[i]] = space_->transform_row(values.data(), transformed.data());
      errors[slice] += codes_->encode(rows[i], transformed.data());
    }
  });
  if (code_error_ == 0) {
    code_error_ = std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(rows.size());
  }
}

bool IndexImpl::remove(uint64_t id) {
  if (file_ != nullptr || ids_ == nullptr) {
    throw Error(ErrorCode::unsupported, "an index that is looked at where it lies cannot be changed");
  }
  std::lock_guard lock(writer_);
  reclaim();
  return remove_row(id);
}

bool IndexImpl::remove_row(uint64_t id) {
  const std::optional<uint32_t> row = find_row(id);
  if (!row) return false;
  __atomic_fetch_or(owned_gone_.data() + *row / 64, uint64_t{1} << (*row % 64), __ATOMIC_RELEASE);
  any_gone_.store(true, std::memory_order_release);
  alive_.fetch_sub(1, std::memory_order_release);
  if (graph_) graph_->remove(*row, vectors_, gone());
  forget_id(id);
  retired_.push_back({*row, readers_.mark()});
  return true;
}

void IndexImpl::check_query(std::span<const float> query, const SearchOptions& options) const {
  if (query.size() != options_.dim) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a query of {} components, the index has {}", query.size(), options_.dim));
  }
  const size_t bad = first_not_finite(query.data(), query.size());
  if (bad < query.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("component {} of the query is {}, expected a finite number", bad, query[bad]));
  }
  if (!(options.target_recall > 0 && options.target_recall <= 1)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("target_recall is {}, expected above 0 and at most 1", options.target_recall));
  }
}

SearchResult IndexImpl::search(std::span<const float> query, const SearchOptions& options) const {
  check_query(query, options);
  const size_t k = std::min(options.k, size());
  if (k == 0) return {};
  const bool exact = options.exact || (options.breadth == 0 && options.target_recall >= 1);
  if (exact || !has_graph()) return scan(query, k, options.allowed);
  const std::shared_ptr<const Calibration> measured = calibration();
  const size_t breadth =
      std::max(k, options.breadth > 0 ? options.breadth : measured->breadth_for(k, options.target_recall));
  if (options.allowed != nullptr) {
    // Comparing a row takes about as long as three steps of a walk, and a walk among few takes more of them.
    const double part = static_cast<double>(options.allowed->count()) / static_cast<double>(size());
    const double steps = static_cast<double>(breadth) * static_cast<double>(options_.degree) / std::max(part, 1e-9);
    if (static_cast<double>(options.allowed->count()) < steps / kScanCost) return scan(query, k, options.allowed);
  }
  std::optional<SearchResult> result = walk_for(query, k, breadth, options.allowed);
  // Whoever asks for k gets k where there are k, whatever stands in the way of a walk.
  if (!result) return scan(query, k, options.allowed);
  result->expected_recall = measured->recall_of(k, breadth);
  return *std::move(result);
}

SearchResult IndexImpl::scan(std::span<const float> query, size_t k, const AllowedIds* allowed) const {
  Readers::Lease reader = readers_.lease(vectors_);
  SearchResult result;
  simd::TopK best(k, nearer(options_.metric));
  const size_t count = row_count_.load(std::memory_order_acquire);
  const Gone gone = this->gone();
  std::vector<uint32_t>& rows = reader->rows;
  std::vector<float>& scores = reader->scores;
  std::vector<uint64_t> ids;
  auto compare = [&] {
    scores.resize(rows.size());
    rows_.score(options_.metric, query.data(), rows.data(), rows.size(), scores.data());
    ids.clear();
    for (uint32_t row : rows) ids.push_back(id_of(row));
    best.push_block(ids, scores);
    result.compared += rows.size();
    rows.clear();
  };
  rows.clear();
  auto take = [&](uint32_t row) {
    if (gone.contains(row)) return;
    rows.push_back(row);
    if (rows.size() == kScanRows) compare();
  };
  if (allowed != nullptr && ids_are_rows()) {
    for (size_t w = 0; w < allowed->words().size() && w * 64 < count; ++w) {
      for (uint64_t word = allowed->words()[w]; word != 0; word &= word - 1) {
        const size_t row = w * 64 + static_cast<size_t>(std::countr_zero(word));
        if (row < count) take(static_cast<uint32_t>(row));
      }
    }
  } else {
    for (uint32_t row = 0; row < count; ++row) {
      if (allowed == nullptr || allowed->contains(id_of(row))) take(row);
    }
  }
  compare();
  for (const simd::Scored& scored : best.take()) result.hits.push_back({scored.id, scored.score});
  return result;
}

std::optional<SearchResult> IndexImpl::walk_for(std::span<const float> query, size_t k, size_t breadth,
                                                const AllowedIds* allowed, uint32_t except) const {
  Readers::Lease reader = readers_.lease(vectors_);
  SearchResult result;
  result.plan = allowed == nullptr ? SearchPlan::graph : SearchPlan::filtered_graph;
  result.exact = false;
  result.breadth = breadth;
  reader->scorer.set_query(query.data());
  std::vector<Candidate>& found = reader->found;
  Gone gone = this->gone();
  gone.except = except;
  size_t wanted = k;
  if (allowed == nullptr) {
    graph_->search(reader->scorer, breadth, gone, reader->memory, found, result.compared);
  } else {
    std::vector<uint64_t> rows_allowed;
    Allowed rows{allowed->words().data(), allowed->words().size() * 64};
    if (!ids_are_rows()) {
      const size_t count = row_count_.load(std::memory_order_acquire);
      rows_allowed.resize((count + 63) / 64);
      for (size_t row = 0; row < count; ++row) {
        if (allowed->contains(ids_[row])) rows_allowed[row / 64] |= uint64_t{1} << (row % 64);
      }
      rows = {rows_allowed.data(), count};
    }
    graph_->descend(reader->scorer, gone, reader->memory, found, result.compared);
    walk_allowed(graph_->layer(0), reader->scorer, breadth, graph_->layer(0).size(), gone, rows, reader->memory, found,
                 result.compared);
    wanted = std::min(k, allowed->count());
  }
  std::erase_if(found, [&](const Candidate& c) {
    return gone.contains(c.node) || (allowed != nullptr && !allowed->contains(id_of(c.node)));
  });
  if (found.size() < wanted) return std::nullopt;
  rerank(query.data(), k, *reader, result);
  return result;
}

void IndexImpl::rerank(const float* query, size_t k, Reader& reader, SearchResult& result) const {
  const std::vector<Candidate>& found = reader.found;
  const Metric metric = options_.metric;
  simd::TopK best(k, nearer(metric));
  // An estimate is off by a normal variable whose deviation is |q| |x| sqrt(error / dim), and misses what all rows have
  // in common with the query.
  float common = 0;
  float deviation = 0;
  if (codes_) {
    deviation = kErrorDeviations * std::sqrt(reader.scorer.squared_length() *
                                             static_cast<float>(code_error_ / static_cast<double>(space_->padded_dim())));
    if (metric == Metric::cosine) {
      const float length = std::sqrt(simd::kernels().dot_f32(query, query, options_.dim));
      if (length > 0) {
        common = -simd::kernels().dot_f32(query, space_->centre().data(), options_.dim) / length;
      }
    }
    if (metric == Metric::l2) deviation *= 2;
  }
  std::vector<float> kept;  // the k smallest distances, largest first: a heap
  uint32_t rows[kRerankAtOnce];
  uint64_t ids[kRerankAtOnce];
  float scores[kRerankAtOnce];
  for (size_t begin = 0; begin < found.size();) {
    size_t n = 0;
    size_t i = begin;
    bool hopeless = true;
    for (; i < found.size() && n < kRerankAtOnce; ++i) {
      if (kept.size() == k && codes_) {
        const float error = deviation * std::sqrt(vectors_.lengths[found[i].node]);
        if (found[i].distance + common - error > kept.front()) continue;
      }
      hopeless = false;
      rows[n++] = found[i].node;
    }
    begin = i;
    if (hopeless) break;
    rows_.score(metric, query, rows, n, scores);
    for (size_t j = 0; j < n; ++j) {
      ids[j] = id_of(rows[j]);
      const float distance = as_distance(metric, scores[j]);
      if (kept.size() < k) {
        kept.push_back(distance);
        std::push_heap(kept.begin(), kept.end());
      } else if (distance < kept.front()) {
        std::pop_heap(kept.begin(), kept.end());
        kept.back() = distance;
        std::push_heap(kept.begin(), kept.end());
      }
    }
    best.push_block({ids, n}, {scores, n});
    result.compared += n;
  }
  for (const simd::Scored& scored : best.take()) result.hits.push_back({scored.id, scored.score});
}

void IndexImpl::calibrate(size_t count, size_t threads) {
  if (!has_graph()) return;
  std::lock_guard lock(writer_);
  base::ThreadPool& pool = base::ThreadPool::shared(threads);
  const size_t rows = row_count_;
  std::vector<uint32_t> sample;
  base::Random random(options_.seed + 1);
  for (size_t tries = 0; tries < 4 * count && sample.size() < count; ++tries) {
    const auto row = static_cast<uint32_t>(random.below(rows));
    if (!gone().contains(row)) sample.push_back(row);
  }
  if (sample.empty()) return;
  static constexpr size_t kKs[] = {1, 10, 100};
  static constexpr size_t kBreadths[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640};
  constexpr size_t kMost = 100;
  // Each row of the sample is a query that must find its neighbours without treading on itself: whoever asks will not
  // be in the index.
  struct Count {
    size_t found = 0, wanted = 0;
  };
  std::vector<std::vector<Count>> counts(sample.size(), std::vector<Count>(std::size(kKs) * std::size(kBreadths)));
  pool.parallel_for(sample.size(), [&](size_t s, size_t) {
    std::vector<float> query(options_.dim);
    rows_.read(sample[s], query.data());
    const SearchResult truth = scan(query, std::min(size(), kMost + 1), nullptr);
    std::vector<uint64_t> nearest;
    for (const Hit& hit : truth.hits) {
      if (hit.id != id_of(sample[s])) nearest.push_back(hit.id);
    }
    for (size_t b = 0; b < std::size(kBreadths); ++b) {
      for (size_t i = 0; i < std::size(kKs); ++i) {
        const size_t k = std::min(kKs[i], nearest.size());
        if (kBreadths[b] < kKs[i]) continue;
        const auto result = walk_for(query, k, kBreadths[b], nullptr, sample[s]);
        Count& entry = counts[s][b * std::size(kKs) + i];
        entry.wanted = k;
        if (!result) continue;
        for (const Hit& hit : result->hits) {
          entry.found += std::find(nearest.begin(), nearest.begin() + static_cast<ptrdiff_t>(k), hit.id) !=
                         nearest.begin() + static_cast<ptrdiff_t>(k);
        }
      }
    }
  });
  std::vector<Calibration::Point> points;
  for (size_t i = 0; i < std::size(kKs); ++i) {
    for (size_t b = 0; b < std::size(kBreadths); ++b) {
      if (kBreadths[b] < kKs[i]) continue;
      size_t found = 0, wanted = 0;
      for (const auto& row : counts) {
        found += row[b * std::size(kKs) + i].found;
        wanted += row[b * std::size(kKs) + i].wanted;
      }
      if (wanted == 0) continue;
      points.push_back({static_cast<uint32_t>(kKs[i]), static_cast<uint32_t>(kBreadths[b]),
                        static_cast<double>(found) / static_cast<double>(wanted)});
    }
  }
  auto made = std::make_shared<const Calibration>(std::move(points), size());
  std::lock_guard calibration_lock(calibration_mutex_);
  calibration_ = std::move(made);
}

}  // namespace sextant::index
