// bench/ann/peer.h: what the peers' programs share: files in, a clock around the searches, lines of JSON out.
//
// A peer is a program of its own, so that it may be compiled for this machine, and so that what its libraries do with
// threads, memory or instructions touches nobody else. Each line of its input is a question, each line of its output
// the answer:
//   {"do": "build", "base": FILE, "metric": "dot" | "l2", "threads": N, ...}   -> {"build_s", "bytes", "rows", "dim"}
//        bytes: of the index beside the float rows
//   {"do": "search", "queries": FILE, "truth": FILE, "k": K, "threads": N, "settings": [N, ...], "step": S}
//        -> {"points": [{"setting", "recall", "qps", "cpu_qps", "p50_us", "p99_us", "plan"}, ...]}
//        cpu_qps: a second of processor time in place of one on the wall, times the threads: for a machine that is
//        shared step: only rows whose number it divides are allowed; 1, or none: all are
//   {"do": "churn", "fraction": F, "threads": N}    -> {"delete_s", "insert_s", "rows"}
//        deletes that part of the rows, chosen by number, and inserts the same rows again
// Questions that a peer cannot answer get {"error": TEXT}.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "child.h"
#include "io/truth_file.h"
#include "io/vector_file.h"

namespace sextant::bench {

struct Matrix {
  std::vector<float> values;  // [rows, dim]
  size_t rows = 0, dim = 0;
  const float* row(size_t i) const { return values.data() + i * dim; }
};

inline Matrix read_matrix(const std::string& path) {
  io::VectorFile file = io::VectorFile::open(path);
  Matrix matrix{std::vector<float>(file.rows() * file.dim()), file.rows(), file.dim()};
  file.read(0, matrix.rows, matrix.values);
  return matrix;
}

inline double process_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Calls body(item, thread) for each item of [0, count), on so many threads, in stretches of some items.
template <class Body>
void spread(size_t count, size_t thread_count, Body body) {
  std::atomic<size_t> next = 0;
  const size_t stretch = std::clamp<size_t>(count / (thread_count * 64), 1, 256);
  auto work = [&](size_t thread) {
    for (size_t begin = next.fetch_add(stretch); begin < count; begin = next.fetch_add(stretch)) {
      for (size_t i = begin; i < std::min(count, begin + stretch); ++i) body(i, thread);
    }
  };
  std::vector<std::thread> threads;
  for (size_t t = 1; t < thread_count; ++t) threads.emplace_back(work, t);
  work(0);
  for (std::thread& thread : threads) thread.join();
}

class Questions {
 public:
  explicit Questions(const nlohmann::json& question)
      : queries_(read_matrix(question.at("queries"))),
        truth_(io::TruthFile::open(question.at("truth").get<std::string>())),
        k_(question.at("k")),
        threads_(question.value("threads", 1)) {
    if (truth_.queries() != queries_.rows || truth_.k() < k_) throw std::runtime_error("truth and queries differ");
  }

  const Matrix& queries() const { return queries_; }
  size_t k() const { return k_; }
  size_t threads() const { return threads_; }

  // search(query, ids [k]) for one query after another, the first count_max of them. The clock covers the searches
  // alone.
  template <class Search>
  nlohmann::json measure(const std::string& setting, const std::string& plan, Search search,
                         size_t count_max = std::numeric_limits<size_t>::max()) const {
    const size_t count = std::min(queries_.rows, count_max);
    std::vector<uint32_t> ids(count * k_, io::TruthFile::kNoId);
    std::vector<double> times(count);
    const double begin = seconds(), begin_cpu = process_seconds();
    spread(count, threads_, [&](size_t q, size_t) {
      const double start = seconds();
      search(queries_.row(q), ids.data() + q * k_);
      times[q] = seconds() - start;
    });
    const double total = seconds() - begin, total_cpu = process_seconds() - begin_cpu;
    std::sort(times.begin(), times.end());
    return {{"setting", setting},
            {"recall", recall(ids)},
            {"qps", static_cast<double>(count) / total},
            {"cpu_qps", static_cast<double>(count * threads_) / total_cpu},
            {"p50_us", times[times.size() / 2] * 1e6},
            {"p99_us", times[times.size() * 99 / 100] * 1e6},
            {"plan", plan}};
  }

  // search(ids [queries, k]); all queries at once.
  template <class Search>
  nlohmann::json measure_batch(const std::string& setting, const std::string& plan, Search search) const {
    std::vector<uint32_t> ids(queries_.rows * k_, io::TruthFile::kNoId);
    const double begin = seconds(), begin_cpu = process_seconds();
    search(ids.data());
    const double total = seconds() - begin, total_cpu = process_seconds() - begin_cpu;
    return {{"setting", setting},
            {"recall", recall(ids)},
            {"qps", static_cast<double>(queries_.rows) / total},
            {"cpu_qps", static_cast<double>(queries_.rows * threads_) / total_cpu},
            {"plan", plan}};
  }

 private:
  // Of the ids that an exact search finds; fewer than k where there are fewer.
  double recall(const std::vector<uint32_t>& ids) const {
    size_t found = 0, wanted = 0;
    for (size_t q = 0; q < ids.size() / k_; ++q) {
      const std::span<const uint32_t> mine = std::span(ids).subspan(q * k_, k_);
      for (uint32_t id : truth_.ids(q).first(k_)) {
        if (id == io::TruthFile::kNoId) continue;
        ++wanted;
        found += std::find(mine.begin(), mine.end(), id) != mine.end();
      }
    }
    return wanted == 0 ? 1 : static_cast<double>(found) / static_cast<double>(wanted);
  }

  Matrix queries_;
  io::TruthFile truth_;
  size_t k_;
  size_t threads_;
};

// Whether churn deletes this row: a fixed choice, the same for every contestant.
inline bool is_churned(size_t row, double fraction) {
  return static_cast<double>(row * 2654435761u % 1000) < fraction * 1000;
}

}  // namespace sextant::bench
