#include "cli/command.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/utf8.h"
#include "cli/progress_bar.h"

namespace sextant::cli {

std::unique_ptr<base::Progress> Context::progress() const {
  if (quiet || !::isatty(STDERR_FILENO)) return nullptr;
  return std::make_unique<ProgressBar>();
}

void Context::write_note(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    throw Error(ErrorCode::unavailable, fmt::format("stdout: cannot write: {}", std::strerror(errno)));
  }
}

void add_common_options(CLI::App& command, Context& context, Common which) {
  auto has = [&](Common one) { return (static_cast<unsigned>(which) & static_cast<unsigned>(one)) != 0; };
  if (has(Common::json)) command.add_flag("--json", context.json, "Print JSON for programs to read");
  if (has(Common::threads)) {
    command.add_option("--threads", context.thread_count, "Threads to use; 0: all processors")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
  }
  command.add_flag("--quiet,-q", context.quiet, "No progress and no notes on stderr");
}

void add_model_option(CLI::App& command, std::string& model) {
  model = "builtin";
  command.add_option("--model,-m", model, "Model folder, or builtin: the English model inside this program")
      ->capture_default_str();
}

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

}  // namespace sextant::cli
