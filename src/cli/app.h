// cli/app.h: the sextant program: parses the command line, runs one command, turns errors into one line and a status.
//
// Data goes to stdout; progress, notes and errors go to stderr. Exit statuses are those of sextant/error.h.
#pragma once

namespace sextant::cli {

int run(int argc, char** argv);

}  // namespace sextant::cli
