#include "child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "base/json.h"
#include "sextant/error.h"

extern char** environ;

namespace sextant::bench {
namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

// Ends that no other child inherits.
std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Error(ErrorCode::exhausted, "no pipe for a child process");
  return ends;
}

}  // namespace

Child::Child(std::string name, const std::vector<std::string>& command,
             const std::vector<std::pair<std::string, std::string>>& environment)
    : name_(std::move(name)) {
  const std::array<int, 2> in = make_pipe(), out = make_pipe();
  std::vector<std::string> arguments = command;
  std::vector<std::string> variables;
  for (const auto& [key, value] : environment) variables.push_back(key + "=" + value);  // the first of a name counts
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  start_ = std::chrono::steady_clock::now();
  const int failed = posix_spawnp(&pid_, command[0].c_str(), &actions, nullptr, pointers(arguments).data(),
                                  pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
  if (failed != 0) {
    pid_ = -1;
    throw Error(ErrorCode::unavailable, fmt::format("{}: cannot start '{}'", name_, command[0]));
  }
}

Child::~Child() {
  // The end of its input is the end of its work.
  std::fclose(to_);
  std::fclose(from_);
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
}

nlohmann::json Child::ask(const nlohmann::json& question) {
  const std::string line = base::json_text(question) + "\n";
  std::fwrite(line.data(), 1, line.size(), to_);
  std::fflush(to_);
  return listen();
}

nlohmann::json Child::listen() {
  std::optional<nlohmann::json> answer = hear();
  if (!answer) throw Error(ErrorCode::unavailable, fmt::format("{}: its process has ended", name_));
  return std::move(*answer);
}

std::optional<nlohmann::json> Child::hear() {
  char* text = nullptr;
  size_t capacity = 0;
  const ssize_t length = getline(&text, &capacity, from_);
  const std::string line = length > 0 ? std::string(text, static_cast<size_t>(length)) : std::string();
  std::free(text);
  if (line.empty()) return std::nullopt;
  nlohmann::json answer;
  try {
    answer = base::parse_json(line);
  } catch (const nlohmann::json::parse_error&) {
    throw Error(ErrorCode::internal, fmt::format("{}: answered no JSON", name_));
  }
  if (answer.contains("error")) {
    throw Error(ErrorCode::internal, fmt::format("{}: {}", name_, answer["error"].get<std::string>()));
  }
  return answer;
}

uint64_t Child::peak_memory_bytes() const {
  std::ifstream status(fmt::format("/proc/{}/status", pid_));
  std::string key;
  uint64_t kibibytes = 0;
  while (status >> key) {
    if (key == "VmHWM:" && status >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

double Child::age_seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void serve_lines(const std::function<nlohmann::json(const nlohmann::json&)>& answer) {
  std::string line;
  while (std::getline(std::cin, line)) {
    nlohmann::json reply;
    try {
      reply = answer(base::parse_json(line));
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    std::cout << base::json_text(reply) << std::endl;
  }
}

}  // namespace sextant::bench
