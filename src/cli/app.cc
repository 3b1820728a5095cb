#include "cli/app.h"

#include <csignal>
#include <new>

#include "cli/command.h"
#include "cli/commands/all.h"
#include "sextant/version.h"

namespace sextant::cli {
namespace {

int fail(ErrorCode code, std::string_view message) {
  std::string line(message);
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  std::fflush(stdout);
  std::fprintf(stderr, "sextant: %s: %s\n", std::string(name(code)).c_str(), line.c_str());
  return exit_status(code);
}

// The deepest subcommand that was named, for "see ... --help".
std::string command_path(const CLI::App& app) {
  std::string path = "sextant";
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += ' ' + at->get_name();
  }
  return path;
}

}  // namespace

int run(int argc, char** argv) {
  // A reader that goes away (| head) ends the program as it ends other tools, without a message.
  std::signal(SIGPIPE, SIG_DFL);
  Context context;
  CLI::App app("Sextant turns text into vectors, finds what is near, trains and measures: one program, no network.",
               "sextant");
  app.set_version_flag("--version", fmt::format("sextant {}", kVersion), "Print the version");
  app.get_formatter()->column_width(34);
  app.require_subcommand(0, 1);
  add_all_commands(app, context);
  app.footer("'sextant COMMAND --help' tells more about a command.");
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) print(app.help());
    if (std::fflush(stdout) != 0) return fail(ErrorCode::unavailable, "stdout: cannot write");
    return 0;
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    return fail(ErrorCode::invalid_argument, fmt::format("{} (see '{} --help')", e.what(), command_path(app)));
  } catch (const Error& e) {
    return fail(e.code(), e.what());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::exhausted, "out of memory");
  } catch (const std::exception& e) {
    return fail(ErrorCode::internal, e.what());
  }
}

}  // namespace sextant::cli
