// store/write_pace.h: how fast rows come in at the moment.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>

namespace sextant::store {

// A mean over the past in which what lies kWindow back counts for 1/e. Threads: one at a time.
class WritePace {
 public:
  using Clock = std::chrono::steady_clock;
  // Bursts count for as long as a small segment takes to be made; what ended seconds ago is over.
  static constexpr std::chrono::duration<double> kWindow = std::chrono::milliseconds(250);

  void add(uint64_t rows, Clock::time_point now = Clock::now()) {
    per_second_ = rows_per_second(now) + static_cast<double>(rows) / kWindow.count();
    last_ = now;
  }
  double rows_per_second(Clock::time_point now = Clock::now()) const {
    return per_second_ * std::exp(-std::chrono::duration<double>(now - last_) / kWindow);
  }

 private:
  double per_second_ = 0;
  Clock::time_point last_ = {};
};

}  // namespace sextant::store
