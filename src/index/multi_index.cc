#include "sextant/multi_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "index/multi_index_impl.h"
#include "sextant/error.h"

namespace sextant {

std::unique_ptr<MultiIndex> MultiIndex::create(const IndexOptions& options) {
  return std::make_unique<index::MultiIndexImpl>(options);
}

std::unique_ptr<MultiIndex> MultiIndex::open(const std::filesystem::path& path, const OpenOptions& options) {
  return std::make_unique<index::MultiIndexImpl>(path, options);
}

void MultiIndex::add(uint64_t id, std::span<const float> vectors, size_t threads) {
  const size_t dim = options().dim;
  if (vectors.size() % dim != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} numbers for a row, expected a multiple of dim {}", vectors.size(), dim));
  }
  const size_t count = vectors.size() / dim;
  add(std::span(&id, 1), std::span(&count, 1), vectors, threads);
}

}  // namespace sextant

namespace sextant::index {
namespace {

constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

IndexOptions checked(const IndexOptions& options) {
  if (!higher_is_nearer(options.metric)) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("metric is {}, expected cosine or dot for rows of several vectors", name(options.metric)));
  }
  return options;
}

}  // namespace

MultiIndexImpl::MultiIndexImpl(const IndexOptions& options)
    : inner_(std::make_unique<IndexImpl>(checked(options))),
      owned_slots_(options.capacity),
      lives_(options.capacity),
      owned_next_(options.capacity),
      owned_slot_of_(options.capacity),
      slots_(owned_slots_.data()),
      next_(owned_next_.data()),
      slot_of_(owned_slot_of_.data()),
      calibration_(unmeasured()) {}

void MultiIndexImpl::refuse_where_mapped() const {
  if (inner_->file() == nullptr && !is_view_) return;
  throw Error(ErrorCode::unsupported, "an index that is looked at where it lies cannot be changed");
}

std::shared_ptr<const Calibration> MultiIndexImpl::calibration() const {
  std::lock_guard lock(calibration_mutex_);
  return calibration_;
}

bool MultiIndexImpl::contains(uint64_t id) const {
  if (inner_->file() != nullptr) {
    for (size_t slot = 0; slot < slot_count_; ++slot) {
      if (slots_[slot].id == id && slots_[slot].count > 0) return true;
    }
    return false;
  }
  std::lock_guard lock(writer_);
  if (is_view_) return id < slot_count_;
  return slot_of_id_.contains(id);
}

// NUMBERS: of all vectors' components.
void MultiIndexImpl::check_counts(std::span<const size_t> counts, size_t numbers) const {
  auto refuse = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, what); };
  const size_t dim = options().dim;
  size_t sum = 0;
  for (size_t row = 0; row < counts.size(); ++row) {
    if (counts[row] == 0 || counts[row] > kMultiVectorsMax) {
      refuse(fmt::format("row {}: {} vectors, expected 1 to {}", row, counts[row], kMultiVectorsMax));
    }
    sum += counts[row];
  }
  if (numbers != sum * dim) {
    refuse(fmt::format("{} numbers for {} vectors, expected {} of dim {}", numbers, sum, sum * dim, dim));
  }
}

void MultiIndexImpl::check_new(std::span<const uint64_t> ids, std::span<const size_t> counts,
                               std::span<const float> vectors) const {
  const size_t dim = options().dim;
  if (ids.size() != counts.size()) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{} ids, {} counts of vectors", ids.size(), counts.size()));
  }
  const size_t given = vectors.size() / dim;
  check_counts(counts, vectors.size());
  size_t first = 0;
  for (size_t row = 0; row < counts.size() && first < given; first += counts[row++]) {
    try {
      inner_->check_new(vectors.subspan(first * dim, counts[row] * dim));
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("row {}: {}", row, error.what()));
    }
  }
}

void MultiIndexImpl::reclaim() {
  std::erase_if(retired_, [&](const Retired& retired) {
    if (!inner_->readers().all_later_than(retired.mark)) return false;
    free_slots_.push_back(retired.slot);
    return true;
  });
}

// Slots that nobody looks at. They are taken once slot_count_ and free_slots_ say so.
std::vector<uint32_t> MultiIndexImpl::take_slots(size_t count) {
  reclaim();
  const size_t room = lives_.capacity() - slot_count_ + free_slots_.size();
  if (count > room) {
    throw Error(ErrorCode::exhausted, fmt::format("{} rows cannot be added to {}: there is room for {}, capacity is {}",
                                                  count, size(), room, lives_.capacity()));
  }
  std::vector<uint32_t> taken;
  const size_t used_again = std::min(count, free_slots_.size());
  taken.assign(free_slots_.end() - static_cast<ptrdiff_t>(used_again), free_slots_.end());
  for (size_t slot = slot_count_; taken.size() < count; ++slot) taken.push_back(static_cast<uint32_t>(slot));
  return taken;
}

void MultiIndexImpl::add(std::span<const uint64_t> ids, std::span<const size_t> counts, std::span<const float> vectors,
                         size_t threads) {
  refuse_where_mapped();
  check_new(ids, counts, vectors);
  const size_t dim = options().dim;
  // Of equal ids in one call the last one counts.
  std::unordered_map<uint64_t, size_t> last;
  for (size_t i = 0; i < ids.size(); ++i) last[ids[i]] = i;
  std::vector<uint64_t> kept_ids;
  std::vector<size_t> kept_counts;
  std::vector<float> kept_vectors;
  if (last.size() < ids.size()) {
    size_t first = 0;
    for (size_t i = 0; i < ids.size(); first += counts[i++] * dim) {
      if (last.at(ids[i]) != i) continue;
      kept_ids.push_back(ids[i]);
      kept_counts.push_back(counts[i]);
      const std::span<const float> row = vectors.subspan(first, counts[i] * dim);
      kept_vectors.insert(kept_vectors.end(), row.begin(), row.end());
    }
    ids = kept_ids;
    counts = kept_counts;
    vectors = kept_vectors;
  }
  if (ids.empty()) return;

  std::lock_guard lock(writer_);
  const std::vector<uint32_t> taken = take_slots(ids.size());
  // The new rows are in place before the old ones go: a search finds the one or the other.
  inner_->append(vectors, threads, [&](std::span<const uint32_t> places) {
    size_t first = 0;
    for (size_t i = 0; i < ids.size(); first += counts[i++]) {
      // Its last life ended; readers look at died first.
      __atomic_store_n(&lives_[taken[i]].born, kNever, __ATOMIC_RELEASE);
      owned_slots_[taken[i]] = {ids[i], places[first], static_cast<uint32_t>(counts[i])};
      for (size_t j = first; j < first + counts[i]; ++j) {
        owned_slot_of_[places[j]] = taken[i];
        owned_next_[places[j]] = j + 1 < first + counts[i] ? places[j + 1] : kNoNode;
      }
    }
  });
  const uint64_t version = version_ + 1;
  size_t used_again = 0;
  std::vector<uint32_t> replaced;
  for (size_t i = 0; i < ids.size(); ++i) {
    Life& life = lives_[taken[i]];
    __atomic_store_n(&life.died, kNever, __ATOMIC_RELEASE);
    __atomic_store_n(&life.born, version, __ATOMIC_RELEASE);
    if (taken[i] < slot_count_) ++used_again;
    const auto [entry, is_new] = slot_of_id_.try_emplace(ids[i], taken[i]);
    if (is_new) continue;
    replaced.push_back(entry->second);
    __atomic_store_n(&lives_[entry->second].died, version, __ATOMIC_RELEASE);
    entry->second = taken[i];
  }
  free_slots_.resize(free_slots_.size() - used_again);
  slot_count_.store(slot_count_ + ids.size() - used_again, std::memory_order_release);
  alive_.fetch_add(ids.size() - replaced.size(), std::memory_order_release);
  version_.store(version);
  for (uint32_t slot : replaced) remove_vectors(slot);
}

void MultiIndexImpl::add_view(std::span<const size_t> counts, std::span<const std::byte> vectors, size_t threads,
                              base::Progress* progress) {
  std::lock_guard lock(writer_);
  check_counts(counts, vectors.size() / row_bytes(options().type, options().dim) * options().dim);
  inner_->add_view(vectors, threads, progress);
  is_view_ = true;
  const uint64_t version = version_ + 1;
  uint32_t place = 0;
  for (size_t row = 0; row < counts.size(); ++row) {
    const auto slot = static_cast<uint32_t>(row);
    const auto count = static_cast<uint32_t>(counts[row]);
    owned_slots_[slot] = {row, place, count};
    for (const uint32_t end = place + count; place < end; ++place) {
      owned_slot_of_[place] = slot;
      owned_next_[place] = place + 1 < end ? place + 1 : kNoNode;
    }
    lives_[slot] = {.born = version, .died = kNever};
  }
  slot_count_.store(counts.size(), std::memory_order_release);
  alive_.store(counts.size(), std::memory_order_release);
  version_.store(version);
}

// Of a slot that died.
void MultiIndexImpl::remove_vectors(uint32_t slot) {
  std::vector<uint32_t> places;
  places_of(slot, places);
  for (uint32_t place : places) inner_->remove(place);
  retired_.push_back({slot, inner_->readers().mark()});
}

bool MultiIndexImpl::remove(uint64_t id) {
  refuse_where_mapped();
  std::lock_guard lock(writer_);
  const auto found = slot_of_id_.find(id);
  if (found == slot_of_id_.end()) return false;
  const uint32_t slot = found->second;
  slot_of_id_.erase(found);
  const uint64_t version = version_ + 1;
  __atomic_store_n(&lives_[slot].died, version, __ATOMIC_RELEASE);
  alive_.fetch_sub(1, std::memory_order_release);
  version_.store(version);
  reclaim();
  remove_vectors(slot);
  return true;
}

}  // namespace sextant::index
