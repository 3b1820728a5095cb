// tests/program.h: runs the sextant program as a user does, and catches what it prints.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/files.h"

namespace sextant::tests {

struct Outcome {
  int status;  // exit status; 128 + signal when killed
  std::string out;
  std::string err;
};

inline std::string sextant_program() { return SEXTANT_BINARY_DIR "/sextant"; }

// Where a child reads from and writes to; an empty path leaves it what this process has.
struct Streams {
  std::string in, out, err;
};

// A child that runs COMMAND, whose first part is the program's path; VARIABLES ("NAME=value") go before those of this
// process. Spawned rather than forked: after a fork, a lock of the allocator that another thread held is held forever.
inline pid_t start_program(const std::vector<std::string>& command, const Streams& streams = {},
                           const std::vector<std::string>& variables = {}) {
  auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
    return out;
  };
  std::vector<char*> arguments = pointers(command), environment = pointers(variables);
  arguments.push_back(nullptr);
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  environment.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  auto redirect = [&](int descriptor, const std::string& path, int flags) {
    if (!path.empty()) ::posix_spawn_file_actions_addopen(&files, descriptor, path.c_str(), flags, 0600);
  };
  redirect(STDIN_FILENO, streams.in, O_RDONLY);
  redirect(STDOUT_FILENO, streams.out, O_WRONLY | O_CREAT);
  redirect(STDERR_FILENO, streams.err, O_WRONLY | O_CREAT);
  pid_t child = -1;
  const int error = ::posix_spawn(&child, command.at(0).c_str(), &files, nullptr, arguments.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) throw std::runtime_error("cannot run " + command[0] + ": error " + std::to_string(error));
  return child;
}

// Runs build/.../sextant with the arguments, and INPUT on its stdin.
inline Outcome run_sextant(const std::vector<std::string>& arguments, const std::string& input = "") {
  base::TemporaryFolder folder;
  const Streams streams = {folder.path() / "in", folder.path() / "out", folder.path() / "err"};
  std::ofstream(streams.in, std::ios::binary) << input;
  std::vector<std::string> command = {sextant_program()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const pid_t child = start_program(command, streams);
  int status = 0;
  ::waitpid(child, &status, 0);
  auto slurp = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(streams.out), slurp(streams.err)};
}

}  // namespace sextant::tests
