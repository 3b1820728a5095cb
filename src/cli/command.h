// cli/command.h: what a command is made of.
//
// Each command lives in commands/NAME.cc, which defines add_NAME(app, context): it adds a subcommand with its options
// and a callback that does the work. Options live in a struct that the callback owns (a shared_ptr, because callbacks
// are copied). commands/all.h lists the commands in the order of the help page.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "base/progress.h"
#include "cli/command_line.h"
#include "cli/terminal.h"
#include "sextant/embed.h"
#include "sextant/error.h"
#include "sextant/rerank.h"

namespace sextant::cli {

// What every command may be told, and where it writes.
struct Context {
  bool quiet = false;       // no progress, no notes
  bool json = false;        // machine-readable output
  size_t thread_count = 0;  // 0: all processors
  std::string compute = "float32";
  std::string packed_cache;  // a folder; empty: none

  // A remark for people, one line on stderr; dropped when quiet.
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) const {
    if (!quiet) write_note(fmt::format(format, std::forward<Args>(args)...));
  }
  // A bar on stderr when that is a terminal; nothing when it is piped or quiet.
  std::unique_ptr<base::Progress> progress() const;

 private:
  static void write_note(const std::string& line);
};

// Data for stdout. Throws unavailable when it cannot be written (a full disk; a closed pipe ends the program quietly).
void print(std::string_view text);

// "512M": a number of bytes. Throws invalid_argument naming the option.
size_t parse_bytes(const std::string& text, std::string_view option);

// --quiet, and where asked --json and --threads.
enum class Common : unsigned { quiet = 0, json = 1, threads = 2 };
constexpr Common operator|(Common a, Common b) {
  return static_cast<Common>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
void add_common_options(Command command, Context& context, Common which);

// --model, and --compute with --packed-cache, with their defaults and help texts; `model` is filled in when the command
// line is parsed.
void add_model_option(Command command, std::string& model, Context& context);
void add_compute_option(Command command, Context& context);
// The model of that name as --compute says; a precision that misses its bar or has no effect is noted.
std::unique_ptr<Embedder> load_model(const std::string& name, const Context& context);
std::unique_ptr<Reranker> load_reranker(const std::string& name, const Context& context);

}  // namespace sextant::cli
