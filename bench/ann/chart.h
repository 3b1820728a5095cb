// bench/ann/chart.h: recall against queries a second as an SVG, a line a contestant.
//
// Recall runs along the logarithm of what is missed, so that .90, .99 and .999 are as far from each other as they are
// in effort; queries a second along their own logarithm. Readable on light and on dark pages.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "curve.h"

namespace sextant::bench {

struct Line {
  std::string name;
  std::vector<Point> points;  // [settings]; several plans of one setting become one line of the best
};

std::string draw_chart(const std::string& title, std::span<const Line> lines);

}  // namespace sextant::bench
