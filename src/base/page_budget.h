// base/page_budget.h: reading a mapped file without ever having more than so many bytes of it in memory, about.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>

namespace sextant::base {

// Threads: all members from many.
class PageBudget {
 public:
  // give_up lets go of all pages (MappedFile::give_up_pages); who reads on gets them again.
  PageBudget(size_t bytes, std::function<void()> give_up) : bytes_(bytes), give_up_(std::move(give_up)) {}

  size_t bytes() const { return bytes_; }
  // Somebody has read so many bytes, which lay in so many places.
  void read(size_t bytes, size_t places = 1) {
    // The system maps what lies around a byte together with it.
    constexpr size_t kAround = size_t{64} << 10;
    const size_t more = bytes + places * kAround;
    if (read_.fetch_add(more) + more < bytes_) return;
    // Nobody reads on while pages are let go of.
    std::lock_guard lock(giving_up_);
    if (read_ < bytes_) return;
    give_up_();
    read_ = 0;
  }

 private:
  size_t bytes_;
  std::function<void()> give_up_;
  std::atomic<size_t> read_ = 0;
  std::mutex giving_up_;
};

}  // namespace sextant::base
