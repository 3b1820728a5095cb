#include "cli/app.h"

#include <csignal>
#include <new>
#include <string>

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

}  // namespace

int run(int argc, char** argv) {
  // A reader that goes away (| head) ends the program as it ends other tools, without a message.
  std::signal(SIGPIPE, SIG_DFL);
  Context context;
  CommandLine line("sextant",
                   "Sextant turns text into vectors, finds what is near, trains and measures: one program, no network.",
                   std::string(kVersion), "'sextant COMMAND --help' tells more about a command.");
  add_all_commands(line.root(), context);
  try {
    line.run(argc, argv);
    if (std::fflush(stdout) != 0) return fail(ErrorCode::unavailable, "stdout: cannot write");
    return 0;
  } catch (const Error& e) {
    return fail(e.code(), e.what());
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::exhausted, "out of memory");
  } catch (const std::exception& e) {
    return fail(ErrorCode::internal, e.what());
  }
}

}  // namespace sextant::cli
