// cli/progress_bar.h: a one-line bar on a terminal: what, how far, how fast, how long still.
#pragma once

#include <chrono>
#include <string>

#include "base/progress.h"

namespace sextant::cli {

class ProgressBar : public base::Progress {
 public:
  ~ProgressBar() override;
  void begin(std::string_view what, std::string_view unit, uint64_t total) override;
  void report(uint64_t done) override;
  void remark(std::string_view text) override;
  void end() override;

 private:
  using Clock = std::chrono::steady_clock;
  void draw();

  std::string what_, unit_, remark_;
  uint64_t total_ = 0;
  uint64_t done_ = 0;
  bool active_ = false;
  Clock::time_point started_, drawn_;
};

// The bar's line for a moment; split out so that a test can read it.
std::string progress_line(std::string_view what, std::string_view unit, std::string_view remark, uint64_t done,
                          uint64_t total, double elapsed_s, size_t width);

}  // namespace sextant::cli
