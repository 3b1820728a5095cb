#include "base/page_budget.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace sextant::base {

PageBudget::PageBudget(size_t bytes, std::function<void()> give_up)
    : bytes_(bytes), give_up_(std::move(give_up)), statistics_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
  before_ = mapped_bytes();
}

PageBudget::~PageBudget() {
  if (statistics_ >= 0) ::close(statistics_);
}

size_t PageBudget::mapped_bytes() const {
  char text[128] = {};
  size_t pages = 0;
  if (statistics_ < 0 || ::pread(statistics_, text, sizeof(text) - 1, 0) <= 0) return SIZE_MAX;
  if (std::sscanf(text, "%*u %*u %zu", &pages) != 1) return SIZE_MAX;
  return pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

void PageBudget::look() {
  // Nobody reads on while pages are let go of.
  std::lock_guard lock(looking_);
  if (read_.exchange(0, std::memory_order_relaxed) == 0) return;
  const size_t now = mapped_bytes();
  // Where nothing can be known they go each time.
  if (now == SIZE_MAX || before_ == SIZE_MAX || now > before_ + bytes_) give_up_();
}

}  // namespace sextant::base
