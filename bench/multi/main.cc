// bench_multi [--tiny] [--rows N] [--dim D]: rows of several vectors, exactly and at targets of recall, one thread.
//
// Rows have 20 to 60 vectors, questions 16 to 32, all of the words of 40 topics. Contestants take turns, round by
// round; recall is against the exact search, milliseconds are processor time a question.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "index/testing_multi_vectors.h"
#include "sextant/multi_index.h"

namespace {

using namespace sextant;
using index::MultiRows;

constexpr size_t kQuestions = 60;

// Processor time of this thread: what other programs do on the machine then counts less.
double now_ms() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

struct Contestant {
  size_t k;
  double target_recall;  // 1: exact
  std::vector<double> ms = {};
  double recall = 0;
  MultiSearchResult last = {};
};

void run(const MultiIndex& index, const MultiRows& questions, const std::vector<std::vector<IndexHit>>& truth,
         Contestant& contestant) {
  size_t found = 0, wanted = 0;
  double ms = 0;
  for (size_t q = 0; q < kQuestions; ++q) {
    const double begin = now_ms();
    contestant.last = index.search(questions.row(q), {.k = contestant.k, .target_recall = contestant.target_recall});
    ms += now_ms() - begin;
    const size_t k = std::min(contestant.k, truth[q].size());
    wanted += k;
    for (const IndexHit& hit : contestant.last.hits) {
      for (size_t i = 0; i < k; ++i) found += truth[q][i].id == hit.id ? 1 : 0;
    }
  }
  contestant.ms.push_back(ms / kQuestions);
  contestant.recall = static_cast<double>(found) / static_cast<double>(wanted);
}

}  // namespace

int main(int argc, char** argv) {
  size_t rows = 3000, dim = 64, rounds = 5;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--tiny") {
      rows = 150;
      rounds = 1;
    } else if (flag == "--rows" && i + 1 < argc) {
      rows = std::strtoul(argv[++i], nullptr, 10);
    } else if (flag == "--dim" && i + 1 < argc) {
      dim = std::strtoul(argv[++i], nullptr, 10);
    } else {
      fmt::print(stderr, "usage: bench_multi [--tiny] [--rows N] [--dim D]\n");
      return 2;
    }
  }
  const MultiRows data = index::worded(rows, dim, 1, 20, 60);
  const MultiRows questions = index::worded(kQuestions, dim, 2, 16, 32);
  const auto index = MultiIndex::create({.dim = dim, .metric = Metric::cosine, .capacity = data.vectors.size() / dim});
  index->add(index::numbers(rows), data.counts, data.vectors);
  index->calibrate();
  std::vector<std::vector<IndexHit>> truth;
  for (size_t q = 0; q < kQuestions; ++q) {
    truth.push_back(index->search(questions.row(q), {.k = 100, .exact = true}).hits);
  }
  std::vector<Contestant> contestants;
  for (size_t k : {10, 100}) {
    for (double target : {0.8, 0.9, 0.95, 0.99, 1.0}) contestants.push_back({k, target});
  }
  for (size_t round = 0; round < rounds; ++round) {
    for (Contestant& contestant : contestants) run(*index, questions, truth, contestant);
  }
  fmt::print("{} rows, {} vectors of dim {}; ms a question: min median max\n", rows, index->vector_count(), dim);
  for (Contestant& contestant : contestants) {
    std::sort(contestant.ms.begin(), contestant.ms.end());
    fmt::print("k {:3}  target {:.2f}  recall {:.3f}  {:11} candidates {:4}  {:7.2f} {:7.2f} {:7.2f}\n", contestant.k,
               contestant.target_recall, contestant.recall, name(contestant.last.plan), contestant.last.candidates,
               contestant.ms.front(), contestant.ms[contestant.ms.size() / 2], contestant.ms.back());
    if (contestant.target_recall == 1 && contestant.recall != 1) return 1;
  }
}
