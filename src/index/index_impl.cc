#include "index/index_impl.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/progress.h"
#include "base/random.h"
#include "index/landmarks.h"
#include "index/storable.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::index {
namespace {

constexpr size_t kRowsAtOnce = 64;
// From so many on, the rows of a new graph find their neighbours by products of all in groups.
constexpr size_t kBulkRows = 4096;
// Landmarks are chosen anew when one in so many rows came since.
constexpr size_t kLandmarksLast = 4;

void check(bool good, std::string_view what, auto found, std::string_view expected) {
  if (!good) throw Error(ErrorCode::invalid_argument, fmt::format("{} is {}, expected {}", what, found, expected));
}

IndexOptions checked(IndexOptions options) {
  check(options.dim >= 1 && options.dim <= kDimMax, "dim", options.dim, "1 to 65536");
  check(options.degree >= 4 && options.degree <= kDegreeMax, "degree", options.degree, "4 to 128");
  check(options.build_breadth >= 1 && options.build_breadth <= 10000, "build_breadth", options.build_breadth,
        "1 to 10000");
  check(options.capacity >= 1 && options.capacity < (size_t{1} << 31), "capacity", options.capacity, "1 to 2147483647");
  if ((options.metric == Metric::hamming) != (options.type == ElementType::bit)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("metric is {} and type is {}, expected type bit with metric hamming, and with no other",
                            name(options.metric), name(options.type)));
  }
  if (options.codes == CodeKind::automatic) {
    const bool without =
        options.kind == IndexKind::flat || options.metric == Metric::l1 || options.metric == Metric::hamming;
    options.codes = without ? CodeKind::none : CodeKind::sq4;
  }
  if (options.metric == Metric::hamming && options.codes != CodeKind::none) {
    throw Error(ErrorCode::invalid_argument,
                "codes are sq4 or sq8, expected none for metric hamming: vectors of bits are codes already");
  }
  if (options.metric == Metric::l1 && options.codes != CodeKind::none) {
    throw Error(ErrorCode::invalid_argument,
                "codes are sq1, sq4 or sq8, expected none for metric l1: products of codes tell nothing about it");
  }
  if (options.kind == IndexKind::flat && options.codes != CodeKind::none && options.codes != CodeKind::sq8) {
    throw Error(ErrorCode::invalid_argument,
                "codes are sq1 or sq4, expected sq8 or none for a flat index: it compares by them exactly");
  }
  return options;
}

}  // namespace

IndexImpl::IndexImpl(const IndexOptions& options)
    : options_(checked(options)),
      rows_(options_.type, options_.dim, options_.capacity),
      owned_ids_(options_.capacity),
      owned_gone_((options_.capacity + 63) / 64),
      ids_(owned_ids_.data()),
      gone_(owned_gone_.data()) {
  vectors_.rows = linking_.rows = &rows_;
  if (options_.kind == IndexKind::flat && options_.codes == CodeKind::sq8) {
    bounded_.emplace(options_.metric, options_.dim, options_.capacity);
  }
}

Gone IndexImpl::gone() const { return {.words = any_gone_.load(std::memory_order_acquire) ? gone_ : nullptr}; }

std::shared_ptr<const Calibration> IndexImpl::calibration() const {
  std::lock_guard lock(calibration_mutex_);
  return calibration_;
}

// Rows that are about to be published, with their ids.
void IndexImpl::note_ids(std::span<const uint32_t> rows) {
  if (ids_are_rows_) {
    if (std::all_of(rows.begin(), rows.end(), [&](uint32_t row) { return ids_[row] == row; })) return;
    for (uint32_t row = 0; row < row_count_; ++row) {
      if (!gone().contains(row)) row_of_id_[row] = row;
    }
    ids_are_rows_ = false;
  }
  for (uint32_t row : rows) row_of_id_[ids_[row]] = row;
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
  if (file_ != nullptr && ids_ != nullptr) {
    // A file has no table of ids: it is asked for them too seldom to be worth its opening.
    const Gone gone = this->gone();
    for (uint32_t row = 0; row < row_count_; ++row) {
      if (ids_[row] == id && !gone.contains(row)) return true;
    }
    return false;
  }
  std::lock_guard lock(writer_);
  return find_row(id).has_value();
}

void IndexImpl::reclaim() {
  std::erase_if(retired_, [&](const Retired& retired) {
    if (!readers_.all_later_than(retired.mark)) return false;
    free_rows_.push_back(retired.row);
    return true;
  });
  std::erase_if(retired_landmarks_, [&](const auto& retired) { return readers_.all_later_than(retired.second); });
}

void IndexImpl::add(std::span<const uint64_t> ids, std::span<const float> vectors, size_t threads) {
  if (file_ != nullptr || ids_ == nullptr) {
    throw Error(ErrorCode::unsupported, "an index that is looked at where it lies cannot be changed");
  }
  if (vectors.size() != ids.size() * options_.dim) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} numbers for {} vectors, expected {} of dim {}", vectors.size(), ids.size(),
                            ids.size() * options_.dim, options_.dim));
  }
  check_new(vectors);
  std::lock_guard lock(writer_);
  // Of equal ids in one call the last one counts.
  std::unordered_map<uint64_t, size_t> last;
  const bool ascending = std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end();
  if (!ascending) {
    for (size_t i = 0; i < ids.size(); ++i) last[ids[i]] = i;
  }
  check_room(ascending ? ids.size() : last.size());
  std::vector<uint32_t> rows;
  size_t end = row_count_;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!ascending && last.at(ids[i]) != i) continue;
    remove_row(ids[i]);
    const uint32_t row = take_row(end);
    owned_ids_[row] = ids[i];
    store_row(row, vectors.data() + i * options_.dim);
    rows.push_back(row);
  }
  note_ids(rows);
  base::ThreadPool& pool = base::ThreadPool::shared(threads);
  // Whoever meets a row must find its code.
  if (graph_ || bounded_) encode(rows, pool);
  publish(rows, end);
  link(rows, pool, nullptr);
}

void IndexImpl::check_new(std::span<const float> vectors) const {
  check_storable(options_.type, options_.dim, vectors);
}

void IndexImpl::check_room(size_t wanted) {
  reclaim();
  // What is replaced cannot make room at once: somebody may be looking at it.
  const size_t room = options_.capacity - row_count_ + free_rows_.size();
  if (wanted > room) {
    throw Error(ErrorCode::exhausted,
                fmt::format("{} vectors cannot be added to {}: there is room for {}, capacity is {}", wanted,
                            alive_.load(), room, options_.capacity));
  }
}

// END: of the rows that were ever used.
uint32_t IndexImpl::take_row(size_t& end) {
  if (free_rows_.empty()) return static_cast<uint32_t>(end++);
  const uint32_t row = free_rows_.back();
  free_rows_.pop_back();
  return row;
}

std::vector<uint32_t> IndexImpl::append(std::span<const float> vectors, size_t threads,
                                        const std::function<void(std::span<const uint32_t>)>& before_found) {
  std::lock_guard lock(writer_);
  const size_t count = vectors.size() / options_.dim;
  check_room(count);
  std::vector<uint32_t> rows;
  size_t end = row_count_;
  for (size_t i = 0; i < count; ++i) rows.push_back(take_row(end));
  // Those that lie together are compared faster.
  std::sort(rows.begin(), rows.end());
  for (size_t i = 0; i < count; ++i) {
    owned_ids_[rows[i]] = rows[i];
    store_row(rows[i], vectors.data() + i * options_.dim);
  }
  before_found(rows);
  note_ids(rows);
  base::ThreadPool& pool = base::ThreadPool::shared(threads);
  if (graph_ || bounded_) encode(rows, pool);
  publish(rows, end);
  link(rows, pool, nullptr);
  return rows;
}

// From here on searches that compare all rows find these.
void IndexImpl::publish(std::span<const uint32_t> rows, size_t end) {
  for (uint32_t row : rows) {
    if (row < row_count_) {
      __atomic_fetch_and(owned_gone_.data() + row / 64, ~(uint64_t{1} << (row % 64)), __ATOMIC_RELEASE);
    }
  }
  row_count_.store(end, std::memory_order_release);
  alive_.fetch_add(rows.size(), std::memory_order_release);
}

// Elements of another type are rounded to it; they passed check_storable.
void IndexImpl::store_row(uint32_t row, const float* vector) {
  if (options_.type == ElementType::float32) return rows_.set(row, vector);
  std::vector<std::byte> elements(rows_.row_bytes());
  narrow(options_.type, vector, options_.dim, elements.data());
  rows_.set(row, elements.data());
}

void IndexImpl::add_view(std::span<const std::byte> bytes, size_t threads, base::Progress* progress,
                         base::PageBudget* pages) {
  std::lock_guard lock(writer_);
  pages_ = pages;
  rows_ = pages == nullptr ? Rows(options_.type, options_.dim, bytes)
                           : Rows::of_file(options_.type, options_.dim, bytes, base::ScatteredReads::always_far());
  ids_ = nullptr;
  const size_t count = rows_.capacity();
  if (count > options_.capacity) {
    throw Error(ErrorCode::exhausted, fmt::format("{} vectors, capacity is {}", count, options_.capacity));
  }
  std::vector<uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0u);
  std::vector<float> values(options_.dim);
  const size_t bits_used = options_.dim % 8;
  for (size_t row = 0; row < count; ++row) {
    if (row % kRowsAtOnce == 0) read_soon(rows, row);
    if (options_.type == ElementType::bit) {
      if (bits_used != 0 && std::to_integer<int>(rows_.at(row)[rows_.row_bytes() - 1]) >> bits_used != 0) {
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("vector {}: a bit behind its {} components is not 0", row, options_.dim));
      }
    } else {
      rows_.read(row, values.data());
      check_finite(options_.dim, values, row);
      check_lengths(options_.dim, values, row);
    }
    if (row % kRowsAtOnce == 0) tell_read(kRowsAtOnce, false);
  }
  base::ThreadPool& pool = base::ThreadPool::shared(threads);
  if (bounded_) encode(rows, pool);
  row_count_.store(count, std::memory_order_release);
  alive_.store(count, std::memory_order_release);
  link(rows, pool, progress);
}

size_t IndexImpl::memory_for(size_t rows, bool as_view) const {
  size_t row = as_view ? 0 : rows_.row_bytes() + sizeof(uint64_t);
  const size_t padded = (options_.dim + 63) / 64 * 64;
  auto codes = [&](CodeKind kind) { return Codes::row_bytes(kind, padded) + sizeof(CodeFactors); };
  if (bounded_) {
    row += BoundedRows::row_bytes(options_.dim);
  } else if (options_.codes != CodeKind::none) {
    row += codes(options_.codes);
  }
  if (options_.codes == CodeKind::sq1) row += codes(CodeKind::sq4);
  if (options_.kind == IndexKind::graph) {
    // Links of all layers, and of a batch.
    row += options_.degree * sizeof(uint32_t) * (kLayerRatio + 1) / kLayerRatio;
    // And those that are found first, with who links to whom.
    if (bulk_) row += NearRows::bytes(1) + 2 * options_.degree * sizeof(uint32_t);
  }
  constexpr size_t kRest = size_t{40} << 20;
  // Before they are told of.
  constexpr size_t kPagesBeingRead = size_t{4} << 20;
  return rows * row + kRest + (as_view ? std::min(rows * rows_.row_bytes(), kPagesLeast + kPagesBeingRead) : 0);
}

// Rows whose codes are there become part of the graph; where there is none yet and there are enough rows, all do.
void IndexImpl::link(std::span<const uint32_t> rows, base::ThreadPool& pool, base::Progress* progress) {
  if (options_.kind == IndexKind::flat) return;
  // Parts, so that memory of the rows can be given up between them.
  const size_t part = pages_ != nullptr ? pages_->bytes() / 2 / rows_.row_bytes() + 1 : SIZE_MAX;
  std::vector<uint32_t> all;
  const bool is_new = !graph_;
  if (is_new) {
    if (alive_ < kFirstRows) return;
    for (uint32_t row = 0; row < row_count_; ++row) {
      if (!gone().contains(row)) all.push_back(row);
    }
    rows = all;
    make_space();
    encode(rows, pool);
  }
  // Where many rows are new there may be clusters without any.
  rows_since_landmarks_ += rows.size();
  if (options_.metric != Metric::l1 && rows_since_landmarks_ >= landmark_rows_ / kLandmarksLast) {
    if (all.empty()) {
      for (uint32_t row = 0; row < row_count_; ++row) {
        if (!gone().contains(row)) all.push_back(row);
      }
    }
    std::vector<uint32_t> chosen =
        choose_landmarks(all, vectors_, Landmarks::count_for(all.size()), options_.seed, pool, pages_);
    set_landmarks(std::make_unique<const Landmarks>(std::move(chosen), vectors_));
    landmark_rows_ = all.size();
    rows_since_landmarks_ = 0;
  }
  if (is_new && bulk_ && all.size() >= kBulkRows && options_.metric != Metric::l1) {
    const NearRows near(rows, vectors_, options_.seed, pool, progress);
    tell_read(rows.size(), false);
    if (progress != nullptr) progress->begin("linking", "vectors", rows.size());
    graph_->insert(rows, near, linking_, pool, progress, !hasty_);
    if (progress != nullptr) progress->end();
    graph_ready_.store(true, std::memory_order_release);
    return;
  }
  if (progress != nullptr) progress->begin("linking", "vectors", rows.size());
  for (size_t first = 0; first < rows.size(); first += std::min(part, rows.size() - first)) {
    const auto some = rows.subspan(first, std::min(part, rows.size() - first));
    graph_->insert(some, linking_, gone(), pool, progress, first);
    tell_read(some.size(), false);
  }
  if (progress != nullptr) progress->end();
  graph_ready_.store(true, std::memory_order_release);
}

void IndexImpl::set_landmarks(std::unique_ptr<const Landmarks> landmarks) {
  for (Vectors* vectors : {&vectors_, &linking_}) vectors->landmarks.store(landmarks.get(), std::memory_order_release);
  if (landmarks_ != nullptr) retired_landmarks_.push_back({std::move(landmarks_), readers_.mark()});
  landmarks_ = std::move(landmarks);
}

void IndexImpl::make_space() {
  // From rows here and there: files are often sorted by something.
  constexpr size_t kSample = 16384;
  const size_t dim = options_.dim;
  base::Random random(options_.seed);
  Centre centre(options_.metric, dim);
  std::vector<float> row(dim);
  float longest = 0;
  const size_t count = std::min<size_t>(kSample, row_count_);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t number = static_cast<uint32_t>(count == row_count_ ? i : random.below(row_count_));
    if (gone().contains(number)) continue;
    rows_.read(number, row.data());
    centre.add(row.data());
    tell_read(1, true);
  }
  if (options_.metric == Metric::dot) {
    for (uint32_t number = 0; number < row_count_; ++number) {
      rows_.read(number, row.data());
      longest = std::max(longest, simd::kernels().dot_f32(row.data(), row.data(), dim));
      if (number % kRowsAtOnce == 0) tell_read(kRowsAtOnce, false);
    }
    longest = std::sqrt(longest);
  }
  space_.emplace(options_.metric, dim, centre.mean(), longest, options_.seed);
  vectors_.space = linking_.space = &*space_;
  if (options_.codes != CodeKind::none) {
    codes_.emplace(options_.codes, space_->padded_dim(), options_.capacity);
    vectors_.codes = &*codes_;
    if (options_.codes == CodeKind::sq1) linking_codes_.emplace(CodeKind::sq4, space_->padded_dim(), options_.capacity);
    linking_.codes = linking_codes_ ? &*linking_codes_ : &*codes_;
  }
  graph_.emplace(Graph::Shape{options_.degree, options_.build_breadth, options_.seed}, options_.capacity);
}

void IndexImpl::read_soon(std::span<const uint32_t> rows, size_t first) const {
  if (rows_.are_far()) rows_.read_soon(rows.subspan(first, std::min(kRowsAtOnce, rows.size() - first)));
}

void IndexImpl::encode(std::span<const uint32_t> rows, base::ThreadPool& pool) {
  const size_t slices = (rows.size() + kRowsAtOnce - 1) / kRowsAtOnce;
  if (bounded_) {
    pool.parallel_for(slices, [&](size_t slice, size_t) {
      read_soon(rows, slice * kRowsAtOnce);
      std::vector<float> values(options_.dim);
      for (size_t i = slice * kRowsAtOnce; i < std::min(rows.size(), (slice + 1) * kRowsAtOnce); ++i) {
        rows_.read(rows[i], values.data());
        bounded_->set(rows[i], values.data());
      }
      tell_read(kRowsAtOnce, false);
    });
  }
  if (!codes_) return;
  std::vector<double> errors(slices);
  pool.parallel_for(slices, [&](size_t slice, size_t) {
    read_soon(rows, slice * kRowsAtOnce);
    std::vector<float> values(options_.dim), transformed(space_->padded_dim());
    for (size_t i = slice * kRowsAtOnce; i < std::min(rows.size(), (slice + 1) * kRowsAtOnce); ++i) {
      rows_.read(rows[i], values.data());
      const float length = space_->transform_row(values.data(), transformed.data());
      errors[slice] += codes_->encode(rows[i], transformed.data(), length);
      if (linking_codes_) linking_codes_->encode(rows[i], transformed.data(), length);
    }
    tell_read(kRowsAtOnce, false);
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

// Where a landmark stood, the nearest that its row is linked to takes its place.
void IndexImpl::replace_landmark(uint32_t row) {
  if (landmarks_ == nullptr || !landmarks_->has(row)) return;
  std::vector<uint32_t> rows(landmarks_->rows().begin(), landmarks_->rows().end());
  std::erase(rows, row);
  const Gone gone = this->gone();
  Scorer scorer(linking_);
  scorer.set_row(row);
  Candidate best{0, kNoNode};
  graph_->layer(0).for_links(row, row_count_, [&](uint32_t link) {
    if (gone.contains(link) || landmarks_->has(link)) return;
    const float distance = scorer.distance(link);
    if (best.node == kNoNode || distance < best.distance) best = {distance, link};
  });
  if (best.node != kNoNode) rows.insert(std::upper_bound(rows.begin(), rows.end(), best.node), best.node);
  set_landmarks(std::make_unique<const Landmarks>(std::move(rows), vectors_));
}

bool IndexImpl::remove_row(uint64_t id) {
  const std::optional<uint32_t> row = find_row(id);
  if (!row) return false;
  __atomic_fetch_or(owned_gone_.data() + *row / 64, uint64_t{1} << (*row % 64), __ATOMIC_RELEASE);
  any_gone_.store(true, std::memory_order_release);
  alive_.fetch_sub(1, std::memory_order_release);
  if (graph_) {
    replace_landmark(*row);
    graph_->remove(*row, linking_, gone());
  }
  forget_id(id);
  retired_.push_back({*row, readers_.mark()});
  return true;
}

}  // namespace sextant::index
