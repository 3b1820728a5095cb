// eval/lbfgs.h: minimum of a smooth function, by limited-memory BFGS (Nocedal & Wright, Numerical Optimization, 2nd
// edition, algorithms 7.4 and 7.5) with a line search for the strong Wolfe conditions (3.5 and 3.6).
//
// Deterministic: one thread, a fixed order of every sum.   Memory: 2 * history + 4 vectors of the problem's size.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace sextant::eval {

// The value at x; writes the gradient there. Both must be finite at the start.
using Objective = std::function<double(std::span<const double> x, std::span<double> gradient)>;

struct LbfgsOptions {
  size_t history = 10;
  size_t iteration_count_max = 100;
  double gradient_max = 1e-4;               // done when no component of the gradient is larger
  double relative_decrease_min = 1.43e-14;  // done when an iteration gains less: 64 times the rounding of a double
};

struct LbfgsResult {
  double value = 0;
  double gradient_max = 0;  // largest component, absolute
  size_t iteration_count = 0;
  bool converged = false;  // by either test above, not by running out of iterations or of line search
};

// Starts at x and leaves the minimum there. Throws invalid_argument when the start is not finite.
LbfgsResult minimize_lbfgs(const Objective& objective, std::span<double> x, const LbfgsOptions& options = {});

}  // namespace sextant::eval
