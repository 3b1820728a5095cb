// bench/child.h: a child process that answers one line of JSON to each line of JSON.
//
// A contestant runs in a process of its own, so that its SIMD tier, its memory and its start are its own. What a child
// writes to its standard error goes to the caller's. A child that dies, or answers {"error": TEXT}, is an Error.
// Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sextant::bench {

class Child {
 public:
  // NAME is for messages; ENVIRONMENT is added to the caller's.
  Child(std::string name, const std::vector<std::string>& command,
        const std::vector<std::pair<std::string, std::string>>& environment = {});
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();  // ends the process and waits for it

  nlohmann::json ask(const nlohmann::json& question);
  nlohmann::json listen();               // to a line that needs no question
  std::optional<nlohmann::json> hear();  // the same; none where the process has ended
  uint64_t peak_memory_bytes() const;    // resident, since its start
  double age_seconds() const;

 private:
  std::string name_;
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  std::chrono::steady_clock::time_point start_;
};

// The other side: answers each line of standard input until the input ends. What ANSWER throws becomes {"error": TEXT}.
void serve_lines(const std::function<nlohmann::json(const nlohmann::json&)>& answer);

}  // namespace sextant::bench
