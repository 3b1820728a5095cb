#include "tensor/matrix.h"

#include "base/memory.h"

namespace sextant::tensor {
namespace {

constexpr size_t kGranule = 1024;  // floats; sizes are rounded up, so that nearly equal ones share blocks

}  // namespace

Buffers::Block Buffers::take(size_t count, const std::shared_ptr<Buffers>& owner) {
  const size_t capacity = (std::max<size_t>(1, count) + kGranule - 1) / kGranule * kGranule;
  if (owner) {
    std::lock_guard lock(owner->mutex_);
    // The smallest that is large enough, and not so large that much of it would lie idle.
    auto best = owner->kept_.end();
    for (auto at = owner->kept_.begin(); at != owner->kept_.end(); ++at) {
      if (at->capacity < capacity || at->capacity > 2 * capacity) continue;
      if (best == owner->kept_.end() || at->capacity < best->capacity) best = at;
    }
    if (best != owner->kept_.end()) {
      const Kept kept = *best;
      owner->kept_.erase(best);
      owner->kept_bytes_ -= kept.capacity * sizeof(float);
      return {kept.block, {owner, kept.capacity}};
    }
  }
  const size_t wanted = owner ? capacity : std::max<size_t>(1, count);
  auto* block = static_cast<float*>(base::allocate_block(wanted * sizeof(float)));
  return {block, {owner, wanted}};
}

void Buffers::Free::operator()(float* block) const {
  if (owner) {
    owner->give_back(block, capacity);
  } else {
    base::free_block(block, capacity * sizeof(float));
  }
}

void Buffers::give_back(float* block, size_t capacity) {
  {
    std::lock_guard lock(mutex_);
    if (kept_bytes_ + capacity * sizeof(float) <= kept_bytes_max_) {
      kept_.push_back({block, capacity});
      kept_bytes_ += capacity * sizeof(float);
      return;
    }
  }
  base::free_block(block, capacity * sizeof(float));
}

size_t Buffers::kept_bytes() const {
  std::lock_guard lock(mutex_);
  return kept_bytes_;
}

Buffers::~Buffers() {
  for (const Kept& kept : kept_) base::free_block(kept.block, kept.capacity * sizeof(float));
}

}  // namespace sextant::tensor
