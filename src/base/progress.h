// base/progress.h: how long work tells how far it is, without knowing who listens.
//
// Library functions that take long accept a Progress*; nullptr means nobody listens. The command line draws a bar from
// it. Threads: report() may come from any thread, one at a time.
#pragma once

#include <cstdint>
#include <string_view>

namespace sextant::base {

class Progress {
 public:
  virtual ~Progress() = default;
  // A new stretch of work: what is done ("embedding"), in which unit ("texts"), and how many of it, 0 when unknown.
  virtual void begin(std::string_view what, std::string_view unit, uint64_t total) = 0;
  // So many units of the current stretch are done. Never moves backwards.
  virtual void report(uint64_t done) = 0;
  // A short remark beside the bar, e.g. "loss 2.31".
  virtual void remark(std::string_view text) = 0;
  virtual void end() = 0;
};

}  // namespace sextant::base
