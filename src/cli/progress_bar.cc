#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/utf8.h"

namespace sextant::cli {
namespace {

constexpr auto kRedrawEvery = std::chrono::milliseconds(100);

std::string short_count(double value) {
  if (value >= 1e9) return fmt::format("{:.2f}G", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.2f}M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:.1f}k", value / 1e3);
  return value >= 100 || value == 0 ? fmt::format("{:.0f}", value) : fmt::format("{:.1f}", value);
}

std::string short_time(double seconds) {
  auto s = static_cast<uint64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

size_t stderr_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string progress_line(std::string_view what, std::string_view unit, std::string_view remark, uint64_t done,
                          uint64_t total, double elapsed_s, size_t width) {
  const double rate = elapsed_s > 0 ? static_cast<double>(done) / elapsed_s : 0;
  std::string tail;
  if (total > 0) {
    double left_s = rate > 0 ? static_cast<double>(total - std::min(done, total)) / rate : 0;
    tail = fmt::format(" {:3.0f}%  {}/{} {}  {}/s  {} left",
                       100.0 * static_cast<double>(done) / static_cast<double>(total),
                       short_count(static_cast<double>(done)), short_count(static_cast<double>(total)), unit,
                       short_count(rate), rate > 0 ? short_time(left_s) : "?");
  } else {
    tail = fmt::format("  {} {}  {}/s  {}", short_count(static_cast<double>(done)), unit, short_count(rate),
                       short_time(elapsed_s));
  }
  if (!remark.empty()) tail += fmt::format("  {}", remark);
  std::string line(what);
  if (total > 0) {
    size_t used = base::count_code_points(line) + base::count_code_points(tail) + 1;
    size_t room = width > used + 1 ? std::min<size_t>(30, width - used - 1) : 0;
    if (room >= 5) {
      size_t filled = static_cast<size_t>(static_cast<double>(room) * static_cast<double>(std::min(done, total)) /
                                          static_cast<double>(total));
      line += ' ';
      for (size_t i = 0; i < room; ++i) line += i < filled ? "━" : "╌";
    }
  }
  line += tail;
  // Never wrap: a wrapped line could not be overwritten.
  std::string cut;
  size_t position = 0;
  for (size_t columns = 0; position < line.size() && columns + 1 < width; ++columns) {
    size_t begin = position;
    base::decode_utf8(line, position);
    cut.append(line, begin, position - begin);
  }
  return cut;
}

ProgressBar::~ProgressBar() { end(); }

void ProgressBar::begin(std::string_view what, std::string_view unit, uint64_t total) {
  end();
  what_ = what;
  unit_ = unit;
  remark_.clear();
  total_ = total;
  done_ = 0;
  active_ = true;
  started_ = Clock::now();
  draw();
}

void ProgressBar::report(uint64_t done) {
  done_ = std::max(done, done_);
  if (Clock::now() - drawn_ >= kRedrawEvery) draw();
}

void ProgressBar::remark(std::string_view text) { remark_ = text; }

void ProgressBar::end() {
  if (!active_) return;
  draw();
  std::fputc('\n', stderr);
  active_ = false;
}

void ProgressBar::draw() {
  drawn_ = Clock::now();
  double elapsed_s = std::chrono::duration<double>(drawn_ - started_).count();
  std::string line = progress_line(what_, unit_, remark_, done_, total_, elapsed_s, stderr_width());
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

}  // namespace sextant::cli
