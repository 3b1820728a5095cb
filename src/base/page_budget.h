// base/page_budget.h: reading a mapped file without ever having more than so many bytes of it in memory, about.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>

namespace sextant::base {

// Threads: all members from many.
class PageBudget {
 public:
  // give_up lets go of all pages (MappedFile::give_up_pages); who reads on gets them again.
  PageBudget(size_t bytes, std::function<void()> give_up);
  ~PageBudget();
  PageBudget(const PageBudget&) = delete;
  PageBudget& operator=(const PageBudget&) = delete;

  size_t bytes() const { return bytes_; }
  // Somebody has read so many bytes, which lay in so many places.
  void read(size_t bytes, size_t places = 1) {
    // With a byte comes what lies around it: 64 KiB, or a huge page where the system keeps the file on such.
    constexpr size_t kAround = size_t{256} << 10;
    constexpr size_t kLookAfter = size_t{1} << 20;
    const size_t more = bytes + places * kAround;
    if (read_.fetch_add(more, std::memory_order_relaxed) + more >= kLookAfter) look();
  }

 private:
  void look();
  // Bytes of files that this process has in memory.
  size_t mapped_bytes() const;

  size_t bytes_;
  std::function<void()> give_up_;
  int statistics_;     // /proc/self/statm
  size_t before_ = 0;  // other files' bytes
  std::atomic<size_t> read_ = 0;
  std::mutex looking_;
};

}  // namespace sextant::base
