// bench_search [--tiny] [--rows-max N] [--dim D] [--model M]: exact search, rows from a thousand to a million, one
// thread; then whole questions (tokenise, embed, search) to the sample library.
//
// Contestants take turns, round by round; the median of the rounds counts, min and max stand beside it. Queries differ
// from one another, so nothing is answered from a cache of answers. Recall of int8 is against f32.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/random.h"
#include "index/flat.h"
#include "io/jsonl.h"
#include "sextant/library.h"
#include "simd/kernels.h"

namespace {

using namespace std::string_view_literals;
using sextant::Metric;
using sextant::index::FlatIndex;

struct Settings {
  size_t rows_max = 1000000;
  size_t dim = 256;
  size_t query_count = 64;
  int rounds = 5;
  double round_seconds = 0.2;
  std::string model = "builtin";
};

// Processor time of this thread: what other programs do on the machine then counts less.
double now_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Contestant {
  std::string name;
  size_t queries_per_call;
  std::function<void(size_t call)> run;
  std::string note = {};
  std::vector<double> rates = {};
};

void measure(const Settings& settings, std::vector<Contestant>& contestants) {
  for (int round = -1; round < settings.rounds; ++round) {  // the first warms up
    for (Contestant& contestant : contestants) {
      size_t calls = 0;
      const double begin = now_seconds();
      double end = begin;
      do {
        contestant.run(calls++);
        end = now_seconds();
      } while (end - begin < settings.round_seconds);
      if (round >= 0) {
        contestant.rates.push_back(static_cast<double>(calls * contestant.queries_per_call) / (end - begin));
      }
    }
  }
  for (Contestant& contestant : contestants) std::sort(contestant.rates.begin(), contestant.rates.end());
}

void print(const std::string& what, const Contestant& contestant) {
  const std::vector<double>& rates = contestant.rates;
  fmt::print("{:<16} {:<28} {:>12.0f} queries/s   (min {:.0f}, max {:.0f}){}\n", what, contestant.name,
             rates[rates.size() / 2], rates.front(), rates.back(), contestant.note);
}

std::vector<float> unit_rows(size_t count, size_t dim, uint64_t seed) {
  sextant::base::Random random(seed);
  std::vector<float> rows(count * dim);
  for (float& value : rows) value = static_cast<float>(random.uniform() + random.uniform() - 1);
  for (size_t i = 0; i < count; ++i) sextant::simd::kernels().normalize_f32(rows.data() + i * dim, dim);
  return rows;
}

void bench_flat(const Settings& settings) {
  constexpr size_t kHits = 10;
  const size_t dim = settings.dim;
  const std::vector<float> all = unit_rows(settings.rows_max, dim, 1);
  const std::vector<float> queries = unit_rows(settings.query_count, dim, 2);
  std::vector<int8_t> codes(all.size());
  std::vector<float> scales(settings.rows_max);
  sextant::index::quantize_rows(all, dim, codes, scales);
  fmt::print("exact search, {} dimensions, {} best, one thread, {} kernels\n", dim, kHits,
             sextant::simd::name(sextant::simd::kernels().tier));
  for (size_t rows = 1000; rows <= settings.rows_max; rows *= 10) {
    FlatIndex f32(std::span<const float>(all).first(rows * dim), dim, Metric::dot);
    FlatIndex cosine(std::span<const float>(all).first(rows * dim), dim, Metric::cosine);
    FlatIndex i8(std::span<const int8_t>(codes).first(rows * dim), std::span<const float>(scales).first(rows), dim,
                 Metric::dot);
    auto query = [&](size_t call) {
      return std::span<const float>(queries).subspan(call % settings.query_count * dim, dim);
    };
    size_t found = 0;
    for (size_t q = 0; q < settings.query_count; ++q) {
      auto truth = f32.search(query(q), kHits);
      for (const auto& hit : i8.search(query(q), kHits)) {
        found += std::count_if(truth.begin(), truth.end(), [&](const auto& other) { return other.id == hit.id; });
      }
    }
    const double recall =
        static_cast<double>(found) / static_cast<double>(settings.query_count * std::min(kHits, rows));
    std::vector<Contestant> contestants;
    contestants.push_back({"f32 dot", 1, [&](size_t call) { f32.search(query(call), kHits); }});
    contestants.push_back({"f32 cosine", 1, [&](size_t call) { cosine.search(query(call), kHits); }});
    contestants.push_back({"int8 dot", 1, [&](size_t call) { i8.search(query(call), kHits); },
                           fmt::format("   recall@{} {:.3f}", kHits, recall)});
    contestants.push_back({fmt::format("f32 dot, {} at once", settings.query_count), settings.query_count,
                           [&](size_t) { f32.search_batch(queries, kHits); }});
    measure(settings, contestants);
    for (const Contestant& contestant : contestants) print(fmt::format("{} rows", rows), contestant);
  }
}

void bench_library(const Settings& settings) {
  const std::string examples = std::string(SEXTANT_SOURCE_DIR) + "/examples/";
  auto model = sextant::Embedder::load(settings.model);
  sextant::base::TemporaryFolder folder;
  const std::string path = (folder.path() / "sample.sextant").string();
  sextant::Library::build({examples + "library"}, *model, path, {.thread_count = 1});
  auto library = sextant::Library::open(path);
  std::vector<std::string> questions;
  for (const char* name : {"questions-home.jsonl", "questions-work.jsonl"}) {
    sextant::io::JsonLineReader lines(examples + name);
    while (lines.next()) questions.emplace_back(lines.text("question"));
  }
  std::vector<Contestant> contestants;
  std::vector<float> vector(model->dim());
  contestants.push_back({"tokenise and embed", 1, [&](size_t call) {
                           std::string_view question = questions[call % questions.size()];
                           model->embed({&question, 1}, {}, vector, nullptr);
                         }});
  contestants.push_back({"tokenise, embed, search", 1, [&](size_t call) {
                           library.search(questions[call % questions.size()], *model, {.limit = 5});
                         }});
  measure(settings, contestants);
  fmt::print("\nquestions to the sample library: {} documents, {} passages, model {} ({} dimensions), one thread\n",
             library.document_count(), library.passage_count(), settings.model, model->dim());
  for (const Contestant& contestant : contestants) print("", contestant);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const bool more = i + 1 < argc;
    if (argument == "--tiny") {
      settings = {.rows_max = 1000, .dim = 32, .query_count = 3, .rounds = 1, .round_seconds = 0.001};
    } else if (argument == "--rows-max" && more) {
      settings.rows_max = std::max<size_t>(1000, std::strtoull(argv[++i], nullptr, 10));
    } else if (argument == "--dim" && more) {
      settings.dim = std::max<size_t>(1, std::strtoull(argv[++i], nullptr, 10));
    } else if (argument == "--model" && more) {
      settings.model = argv[++i];
    } else {
      fmt::print(stderr, "usage: bench_search [--tiny] [--rows-max N] [--dim D] [--model M]\n");
      return 2;
    }
  }
  bench_flat(settings);
  bench_library(settings);
  return 0;
}
