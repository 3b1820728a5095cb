// bench/encode/contest.h: one shape, one case after another, all contestants in turns.
//
// A case is a set of texts, a batch size and a number of threads. Each contestant loads the model in a new process, so
// that memory and start are its own, and is asked for its vectors; then the contestants take turns, round after round,
// with a loop for the machine's peak among them. A rate is the median of its rounds; a ratio to a peer is the median of
// the ratios within a round, because a busy machine slows all of a round alike.
// Sextant gets texts, and pays for its tokenizer. The peer gets ids, sorted by length, cut into batches (as large as
// the case's or smaller) where the padding to a batch's longest costs least, and of its graph's forms the one that is
// fastest in a first try of the case.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "child.h"
#include "models.h"

namespace sextant::bench {

struct ContestOptions {
  std::vector<std::string> computes = {"float32"};
  std::vector<std::string> tiers;  // empty: the machine's best
  size_t rounds = 5;
  double seconds = 0.3;  // of a turn, at least
  bool with_peer = true;
  bool cpu_clock = false;              // processor time instead of the wall's
  std::filesystem::path packed_cache;  // of Sextant's contestants; empty: none
  std::filesystem::path program;
  std::filesystem::path work_folder;
  std::filesystem::path peer_sources;
};

struct Case {
  size_t length = 0;  // 0: mixed
  size_t batch = 1;
  size_t threads = 1;
  std::string length_name() const { return length == 0 ? "mixed" : std::to_string(length); }
};

struct Result {
  std::string contestant;
  std::string form;  // of a peer's graph
  double tokens_per_second = 0, tokens_per_second_min = 0, tokens_per_second_max = 0;
  std::string peak_name;
  std::optional<double> peak_share;                   // of peak_name's operations, with those that the model needs
  std::optional<double> ratio_to_f32, ratio_to_int8;  // to the peer's
  double cosine_min = 0;                              // to Sextant's float32 vectors, over the texts
  double milliseconds_per_batch = 0;
  uint64_t memory_bytes_max = 0;  // resident, of the process
  double load_seconds = 0;        // from the process's start to its first vector
};

struct CaseResult {
  std::vector<Result> rows;
  // Between vectors of different texts: what tells how hard the cosines of lower precisions are earned.
  double texts_cosine_median = 0, texts_cosine_max = 0;
};

class Contest {
 public:
  // Writes the model's folder and the peer's graphs where they are not there yet.
  Contest(const Shape& shape, ContestOptions options);
  ~Contest();

  // Throws internal where a text does not have the tokens it was written with, where float32 vectors of Sextant and of
  // the peer differ, or where those of most texts do not.
  CaseResult run(const Case& which);

  double model_megabytes() const;

 private:
  struct Contestant;
  void add_sextant();
  void add_peer();
  nlohmann::json load_question(const std::string& compute, size_t threads) const;
  std::unique_ptr<Child> start(const Contestant& contestant, const std::string& graph, size_t threads) const;

  const Shape& shape_;
  ContestOptions options_;
  std::filesystem::path folder_;
  std::vector<Contestant> contestants_;
  std::unique_ptr<Child> reference_;  // Sextant in float32; also measures the peaks
  std::vector<std::string> peaks_;    // that this machine has
};

}  // namespace sextant::bench
