// bench/ann/contestant.h: who takes part: Sextant through its commands, the peers as programs of their own.
//
// Each is a child process (or one a command), so that memory, threads and instructions are its own; the clock that
// counts is the contestant's, around the searches alone.
// Threads: one.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "curve.h"
#include "data.h"

namespace sextant::bench {

struct BuildResult {
  double seconds = 0;
  uint64_t bytes = 0;             // beside the float rows
  uint64_t memory_bytes_max = 0;  // resident, of the process; 0 where it is not known
};

struct SearchTask {
  std::filesystem::path truth;
  size_t k = 10;
  size_t threads = 1;
  size_t batch = 1;  // queries that are handed over at once
  size_t step = 1;   // rows that are allowed: those whose number it divides
};

struct ChurnResult {
  double delete_seconds = 0, insert_seconds = 0;
  size_t rows = 0;
};

class Contestant {
 public:
  virtual ~Contestant() = default;
  virtual const std::string& name() const = 0;
  virtual BuildResult build(const DataSet& data, size_t threads) = 0;
  // Points for each setting worth showing; empty where this contestant has no answer to such a task.
  virtual std::vector<Point> sweep(const SearchTask& task) = 0;
  // Deletes that part of the rows and inserts them again. Throws unsupported where it cannot.
  virtual ChurnResult churn(double fraction, size_t threads) = 0;
};

// hnswlib, faiss-hnsw, faiss-hnsw-sq8, faiss-flat, blas, and this project's index as a library: library, library-sq8,
// library-sq1, library-floats: programs in PROGRAMS. Throws not_found where the program was
// not built, invalid_argument for another name.
std::unique_ptr<Contestant> make_peer(const std::string& name, const std::filesystem::path& programs);

// PROGRAM is `sextant`; EXTRA are more arguments of `sextant ann build`, separated by spaces. Indexes go to
// WORK_FOLDER.
std::unique_ptr<Contestant> make_sextant(const std::string& name, const std::filesystem::path& program,
                                         const std::string& extra, const std::filesystem::path& work_folder);

}  // namespace sextant::bench
