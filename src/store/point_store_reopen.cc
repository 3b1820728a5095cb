// After a disk that failed: the truth is opened again, which alone tells what the disk has.
#include <fmt/format.h>

#include <chrono>

#include "base/files.h"
#include "sextant/error.h"
#include "store/point_store.h"

namespace sextant::store {

// REQUIRES: write_mutex_ is held.
bool PointStore::must_reopen() const { return failed_ || view()->truth->is_broken(); }

// Opens the truth again where that failed and there is nothing to read any more.
void PointStore::heal() {
  {
    std::lock_guard lock(view_mutex_);
    if (view_ != nullptr || no_view_.empty()) return;
  }
  std::lock_guard lock(write_mutex_);
  if (failed_) reopen_after_failure();
}

// A write that failed leaves the truth as the disk has it, which only opening it again tells. Reads go on with what
// they know until the disk takes bytes again. REQUIRES: write_mutex_ is held. Whoever waits for that looks at no view:
// the truth is closed when nobody does.
void PointStore::reopen_after_failure() {
  constexpr size_t kProbeBytes = size_t{1} << 20;
  constexpr auto kReadersMax = std::chrono::seconds(10);
  failed_ = true;
  // Whether it takes some is tried beside the truth.
  base::write_file_atomically(folder_ / "probe", std::string(kProbeBytes, 'x'));
  base::remove_all(folder_ / "probe");
  auto set_stop = [&](bool stop) {
    std::lock_guard lock(keep_mutex_);
    stop_builds_ = stop || stopping_;
    if (stop_builds_) give_way_ = no_room_ = stop_tidying_ = true;
  };
  set_stop(true);
  // Reads that have begun end, and so does a build; others wait for the next view.
  std::weak_ptr<Truth> last;
  auto back = std::make_shared<View>();
  {
    std::lock_guard lock(view_mutex_);
    if (view_ != nullptr) *back = *view_;
    view_.reset();
    no_view_.clear();
  }
  back->moment.reset();
  last = std::exchange(back->truth, nullptr);
  const auto until = std::chrono::steady_clock::now() + kReadersMax;
  while (truth_open_ && *truth_open_) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (std::chrono::steady_clock::now() < until) continue;
    back->truth = last.lock();
    if (back->truth == nullptr) continue;  // it is being closed
    publish(std::move(back));
    set_stop(false);
    throw Error(ErrorCode::unavailable,
                fmt::format("{}: a write failed, and a read that began before it has not ended yet", folder_.string()));
  }
  try {
    recover();
  } catch (const std::exception& failure) {
    set_stop(false);
    std::lock_guard lock(view_mutex_);
    no_view_ = failure.what();
    view_changed_.notify_all();
    throw;
  }
  set_stop(false);
  wake();
}

}  // namespace sextant::store
