#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"

namespace sextant::cli {

bool stdout_is_terminal() {
  static const bool terminal = ::isatty(STDOUT_FILENO) && std::getenv("NO_COLOR") == nullptr;
  return terminal;
}

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bold(std::string_view text) {
  return stdout_is_terminal() ? fmt::format("\033[1m{}\033[0m", text) : std::string(text);
}

std::string faint(std::string_view text) {
  return stdout_is_terminal() ? fmt::format("\033[2m{}\033[0m", text) : std::string(text);
}

std::string wrap(std::string_view text, size_t width, size_t indent) {
  std::string out;
  size_t columns = 0;
  size_t position = 0;
  while (position < text.size()) {
    size_t begin = text.find_first_not_of(" \t\r\n", position);
    if (begin == std::string_view::npos) break;
    size_t end = std::min(text.find_first_of(" \t\r\n", begin), text.size());
    std::string_view word = text.substr(begin, end - begin);
    size_t word_columns = base::count_code_points(word);
    if (columns > 0 && columns + 1 + word_columns > width) {
      out += '\n';
      columns = 0;
    }
    if (columns == 0) {
      out.append(indent, ' ');
      columns = indent;
    } else {
      out += ' ';
      ++columns;
    }
    out += word;
    columns += word_columns;
    position = end;
  }
  if (!out.empty()) out += '\n';
  return out;
}

size_t text_width() { return std::clamp<size_t>(terminal_width(), 40, 100); }

std::string bytes_text(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return bytes < 1000000      ? fmt::format("{:.1f} kB", value / 1e3)
         : bytes < 1000000000 ? fmt::format("{:.1f} MB", value / 1e6)
                              : fmt::format("{:.2f} GB", value / 1e9);
}

}  // namespace sextant::cli
