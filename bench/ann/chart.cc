#include "chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace sextant::bench {
namespace {

constexpr double kWidth = 760, kHeight = 476;
constexpr double kLeft = 72, kRight = 20, kTop = 44, kBottom = 100;
constexpr double kRecallMin = 0.8, kRecallMax = 0.9995;  // what finds more stands on the right edge
constexpr std::array<double, 8> kRecallTicks = {0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999};

// Told apart with any kind of colour vision, and by their marks.
constexpr std::array<std::string_view, 6> kColours = {"#d55e00", "#0072b2", "#009e73", "#b3589a", "#8a7a00", "#56a3d9"};

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string mark(size_t which, double x, double y, std::string_view colour) {
  switch (which % 4) {
    case 0:
      return fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='4' fill='{}'/>\n", x, y, colour);
    case 1:
      return fmt::format("<rect x='{:.1f}' y='{:.1f}' width='7' height='7' fill='{}'/>\n", x - 3.5, y - 3.5, colour);
    case 2:
      return fmt::format("<path d='M{:.1f} {:.1f}l4.5 8h-9z' fill='{}'/>\n", x, y - 5, colour);
    default:
      return fmt::format("<path d='M{:.1f} {:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z' fill='{}'/>\n", x, y - 4.5, colour);
  }
}

// Those that no other point beats in both recall and rate, by recall.
std::vector<Point> frontier(std::span<const Point> points) {
  std::vector<Point> sorted(points.begin(), points.end());
  std::sort(sorted.begin(), sorted.end(), [](const Point& a, const Point& b) {
    return a.recall != b.recall ? a.recall > b.recall : a.queries_per_second > b.queries_per_second;
  });
  std::vector<Point> best;
  for (Point& point : sorted) {
    if (best.empty() || point.queries_per_second > best.back().queries_per_second) best.push_back(std::move(point));
  }
  std::reverse(best.begin(), best.end());
  return best;
}

class Axes {
 public:
  Axes(double rate_min, double rate_max) {
    low_ = std::log10(rate_min) - 0.05;
    high_ = std::log10(rate_max) + 0.05;
  }
  double x(double recall) const {
    const double most = -std::log10(1 - kRecallMax), least = -std::log10(1 - kRecallMin);
    const double at = -std::log10(1 - std::min(recall, kRecallMax));
    return kLeft + (at - least) / (most - least) * (kWidth - kLeft - kRight);
  }
  double y(double rate) const {
    return kHeight - kBottom - (std::log10(rate) - low_) / (high_ - low_) * (kHeight - kTop - kBottom);
  }
  // 1, 2 and 5 times the powers of ten that lie on the axis.
  std::vector<double> rate_ticks() const {
    std::vector<double> ticks;
    for (double power = std::floor(low_); power <= high_; ++power) {
      for (double times : {1.0, 2.0, 5.0}) {
        const double rate = times * std::pow(10.0, power);
        if (std::log10(rate) >= low_ && std::log10(rate) <= high_) ticks.push_back(rate);
      }
    }
    return ticks;
  }

 private:
  double low_, high_;
};

std::string with_commas(double rate) {
  std::string digits = fmt::format("{:.0f}", rate);
  for (auto at = static_cast<ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

constexpr std::string_view kStyle = R"(<style>
.page { fill: #ffffff } .ink { fill: #24292f } .soft { fill: #57606a } .grid { stroke: #d8dee4 } .axis { stroke: #57606a }
text { font: 13px system-ui, 'DejaVu Sans', sans-serif } .title { font-size: 15px; font-weight: 600 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } .ink { fill: #e6edf3 } .soft { fill: #9da7b1 } .grid { stroke: #30363d } .axis { stroke: #9da7b1 }
}
</style>
)";

}  // namespace

std::string draw_chart(const std::string& title, std::span<const Line> lines) {
  std::vector<std::vector<Point>> shown;
  double rate_min = std::numeric_limits<double>::max(), rate_max = 0;
  for (const Line& line : lines) {
    std::vector<Point> points = frontier(line.points);
    std::erase_if(points, [](const Point& point) { return point.recall < kRecallMin; });
    // Of those on the right edge the first is the fastest; the others would stand below it.
    const auto edge = std::find_if(points.begin(), points.end(), [](const Point& p) { return p.recall >= kRecallMax; });
    if (edge != points.end()) points.erase(edge + 1, points.end());
    for (const Point& point : points) {
      rate_min = std::min(rate_min, point.queries_per_second);
      rate_max = std::max(rate_max, point.queries_per_second);
    }
    shown.push_back(std::move(points));
  }
  if (rate_max == 0) rate_min = rate_max = 1;
  const Axes axes(rate_min, rate_max);
  std::string svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {0} {1}' width='{0}' height='{1}' role='img'>\n"
      "<title>{2}</title>\n{3}<rect class='page' width='{0}' height='{1}' rx='6'/>\n"
      "<text class='ink title' x='{4}' y='26'>{2}</text>\n",
      kWidth, kHeight, escaped(title), kStyle, kLeft);
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  for (double recall : kRecallTicks) {
    const double x = axes.x(recall);
    svg += fmt::format("<line class='grid' x1='{0:.1f}' x2='{0:.1f}' y1='{1}' y2='{2}'/>\n", x, kTop, bottom);
    svg += fmt::format("<text class='soft' x='{:.1f}' y='{}' text-anchor='middle'>{}</text>\n", x, bottom + 18, recall);
  }
  for (double rate : axes.rate_ticks()) {
    const double y = axes.y(rate);
    svg += fmt::format("<line class='grid' x1='{1}' x2='{2}' y1='{0:.1f}' y2='{0:.1f}'/>\n", y, kLeft, right);
    svg += fmt::format("<text class='soft' x='{}' y='{:.1f}' text-anchor='end'>{}</text>\n", kLeft - 7, y + 4.5,
                       with_commas(rate));
  }
  svg += fmt::format("<path class='axis' fill='none' d='M{} {}V{}H{}'/>\n", kLeft, kTop, bottom, right);
  svg += fmt::format("<text class='ink' x='{}' y='{}' text-anchor='middle'>recall@10</text>\n", (kLeft + right) / 2,
                     bottom + 38);
  svg += fmt::format(
      "<text class='ink' transform='translate(16 {}) rotate(-90)' text-anchor='middle'>queries a second"
      "</text>\n",
      (kTop + bottom) / 2);
  double legend_x = kLeft, legend_y = kHeight - 40;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view colour = kColours[i % kColours.size()];
    std::string path;
    for (const Point& point : shown[i]) {
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', axes.x(point.recall),
                          axes.y(point.queries_per_second));
    }
    if (!path.empty()) {
      svg += fmt::format("<path d='{}' fill='none' stroke='{}' stroke-width='{}'/>\n", path, colour, i == 0 ? 3 : 2);
    }
    for (const Point& point : shown[i]) svg += mark(i, axes.x(point.recall), axes.y(point.queries_per_second), colour);
    const double legend_width = 31 + 8.2 * static_cast<double>(lines[i].name.size()) + 22;
    if (legend_x + legend_width > kWidth && legend_x > kLeft) {
      legend_x = kLeft;
      legend_y += 22;
    }
    svg += fmt::format("<path d='M{} {}h24' stroke='{}' stroke-width='{}'/>\n", legend_x, legend_y, colour,
                       i == 0 ? 3 : 2);
    svg += mark(i, legend_x + 12, legend_y, colour);
    svg += fmt::format("<text class='ink' x='{}' y='{}'>{}</text>\n", legend_x + 31, legend_y + 4.5,
                       escaped(lines[i].name));
    legend_x += legend_width;
  }
  return svg + "</svg>\n";
}

}  // namespace sextant::bench
