// Points whose time has come: they go before anybody looks, and where they cannot go, nobody sees them.
#include <algorithm>

#include "sextant/error.h"
#include "store/point_store.h"

namespace sextant::store {

void PointStore::note_expiry(uint64_t expires_ms) const {
  uint64_t known = next_expiry_ms_.load(std::memory_order_relaxed);
  while (expires_ms < known && !next_expiry_ms_.compare_exchange_weak(known, expires_ms)) {
  }
}

ViewPointer PointStore::without_expired(ViewPointer view, uint64_t now_ms) const {
  if (next_expiry_ms_.load(std::memory_order_relaxed) > now_ms) return view;
  const auto expired = view->truth->expiring(now_ms, SIZE_MAX, view->moment.get());
  if (expired.empty()) return view;
  std::vector<PointId> ids;
  for (const auto& [expires_ms, id] : expired) ids.push_back(id);
  auto next = std::make_shared<View>(*view);
  next->expired_by_ms = now_ms;
  for (const auto& record : view->truth->find(ids, view->moment.get())) {
    if (!record || next->has(*record)) continue;
    next->kill(record->row);
    --next->state.points;
  }
  return next;
}

ViewPointer PointStore::read_view() const {
  constexpr size_t kAtOnce = 1000;
  const uint64_t now_ms = this->now_ms();
  if (next_expiry_ms_.load(std::memory_order_relaxed) > now_ms) return view();
  if (options_.read_only) return without_expired(view(), now_ms);
  std::lock_guard lock(expiry_mutex_);
  while (next_expiry_ms_.load(std::memory_order_relaxed) <= now_ms) {
    DeletePoints gone;
    gone.expired_by_ms = now_ms;
    for (const auto& [expires_ms, id] : view()->truth->expiring(now_ms, kAtOnce, nullptr)) gone.ids.push_back(id);
    try {
      // A read of what has a time of expiry writes: nothing that has expired takes space for long.
      if (!gone.ids.empty()) const_cast<PointStore*>(this)->write(std::move(gone));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::exhausted && error.code() != ErrorCode::unavailable) throw;
      // The disk takes nothing.
      return without_expired(view(), now_ms);
    }
    // No write can bring an earlier one meanwhile.
    std::lock_guard write_lock(write_mutex_);
    if (failed_) return without_expired(view(), now_ms);
    const auto next = view()->truth->expiring(UINT64_MAX, 1, nullptr);
    next_expiry_ms_ = next.empty() ? UINT64_MAX : next.front().first;
  }
  return view();
}

}  // namespace sextant::store
