// bench_ann --data clustered|mnist|sentences [--rows N] [--tasks single,threads,batch,filtered,correlated,churn] ...:
// how fast indexes of vectors answer at which recall, with hnswlib and other peers in the same run.
//
// Every contestant builds its index; then they take turns, round after round, each with a sweep over its settings. Of
// the rounds a setting's median counts. Rates at a recall are read off the curve (curve.h), ratios are to hnswlib.
// Contestants are child processes: contestant.h. What the data are: data.h.
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "chart.h"
#include "contestant.h"
#include "curve.h"
#include "data.h"
#include "sextant/error.h"

namespace {

namespace fs = std::filesystem;
using namespace sextant::bench;
using nlohmann::json;
using sextant::Error;
using sextant::ErrorCode;

constexpr size_t kTruth = 100;
constexpr std::array<double, 3> kRecalls = {0.90, 0.95, 0.99};
constexpr std::array<size_t, 5> kSteps = {2, 10, 100, 1000, 10000};
constexpr double kChurned = 0.3;
constexpr std::string_view kYardstick = "hnswlib";

struct Settings {
  DataOptions data;
  std::vector<std::string> tasks = {"single"};
  std::vector<std::string> peers = {"hnswlib"};
  std::vector<std::string> sextants = {"sextant="};
  fs::path program;
  size_t threads = 2;
  size_t rounds = 3;
  std::string json_file, chart_file;
  bool without_sextant = false;
};

// What one contestant did in one task.
struct Outcome {
  std::string contestant;
  std::vector<Point> points;
};

class Bench {
 public:
  explicit Bench(const Settings& settings) : settings_(settings) {
    for (const std::string& text : settings.sextants) {
      if (settings.without_sextant) break;
      const size_t equals = text.find('=');
      if (equals == std::string::npos) {
        throw Error(ErrorCode::invalid_argument, fmt::format("--sextant: '{}', expected NAME=ARGUMENTS", text));
      }
      contestants_.push_back(
          make_sextant(text.substr(0, equals), settings.program, text.substr(equals + 1), settings.data.work_folder));
    }
    const fs::path programs = fs::canonical("/proc/self/exe").parent_path();
    for (const std::string& peer : settings.peers) {
      if (peer != "none") contestants_.push_back(make_peer(peer, programs));
    }
    if (contestants_.empty()) throw Error(ErrorCode::invalid_argument, "nobody takes part; see --peers and --sextant");
  }

  void run() {
    const DataSet data = prepare_data(settings_.data);
    fmt::print("{}: {} rows of {}, {} queries, {}, {} rounds\n\n", data.name, data.rows, data.dim, data.query_count,
               sextant::name(data.metric), settings_.rounds);
    build(data);
    for (const std::string& task : settings_.tasks) {
      if (task == "single") draw(data, compare(data, "one thread, one query at a time", {.threads = 1}));
      if (task == "threads") {
        compare(data, fmt::format("{} threads", settings_.threads), {.threads = settings_.threads});
      }
      if (task == "batch")
        compare(data, fmt::format("exact, {} queries at once, one thread", data.query_count),
                {.threads = 1, .batch = data.query_count});
      if (task == "filtered") filtered(data, "filtered");
      if (task == "churn") churn(data);
    }
    // Last, because it builds other indexes.
    if (std::count(settings_.tasks.begin(), settings_.tasks.end(), "correlated") > 0) {
      const DataSet ordered = correlated_order(data);
      build(ordered);
      filtered(ordered, "filtered, the allowed rows lie in one place");
    }
    if (!settings_.json_file.empty())
      sextant::base::write_file_atomically(settings_.json_file, results_.dump(1) + "\n");
  }

 private:
  void build(const DataSet& data) {
    fmt::print("{:<20} {:>9} {:>12} {:>14} {:>10}\n", "contestant", "build s", "rows/s", "bytes/vector", "MB max");
    for (const auto& contestant : contestants_) {
      const BuildResult built = contestant->build(data, settings_.threads);
      fmt::print("{:<20} {:>9.1f} {:>12.0f} {:>14.1f} {:>10.0f}\n", contestant->name(), built.seconds,
                 static_cast<double>(data.rows) / built.seconds,
                 static_cast<double>(built.bytes) / static_cast<double>(data.rows),
                 static_cast<double>(built.memory_bytes_max) / 1e6);
      std::fflush(stdout);
      results_.push_back({{"data", data.name},
                          {"task", "build"},
                          {"contestant", contestant->name()},
                          {"threads", settings_.threads},
                          {"build_s", built.seconds},
                          {"bytes", built.bytes},
                          {"memory_bytes_max", built.memory_bytes_max}});
    }
    fmt::print("  {} threads; bytes beside the float rows\n\n", settings_.threads);
  }

  std::vector<Outcome> sweep(const DataSet& data, const std::string& title, SearchTask task) {
    task.truth = prepare_truth(data, kTruth, task.step);
    std::vector<std::vector<std::vector<Point>>> rounds(contestants_.size());
    for (size_t round = 0; round < settings_.rounds; ++round) {
      for (size_t c = 0; c < contestants_.size(); ++c) rounds[c].push_back(contestants_[c]->sweep(task));
    }
    std::vector<Outcome> outcomes;
    for (size_t c = 0; c < contestants_.size(); ++c) {
      std::vector<Point> points = median_points(rounds[c]);
      if (points.empty()) continue;
      json lines = json::array();
      for (const Point& point : points) {
        lines.push_back({{"setting", point.setting},
                         {"plan", point.plan},
                         {"recall", point.recall},
                         {"qps", point.queries_per_second},
                         {"cpu_qps", point.cpu_queries_per_second},
                         {"p50_us", point.p50_us},
                         {"p99_us", point.p99_us}});
      }
      results_.push_back({{"data", data.name},
                          {"task", title},
                          {"contestant", contestants_[c]->name()},
                          {"threads", task.threads},
                          {"batch", task.batch},
                          {"step", task.step},
                          {"points", lines}});
      outcomes.push_back({contestants_[c]->name(), std::move(points)});
    }
    return outcomes;
  }

  std::vector<Outcome> compare(const DataSet& data, const std::string& title, const SearchTask& task) {
    std::vector<Outcome> outcomes = sweep(data, title, task);
    fmt::print("{}: queries/s at recall@{}, and times {}'s\n{:<20}", title, task.k, kYardstick, "contestant");
    for (double recall : kRecalls) fmt::print(" {:>18.2f}", recall);
    fmt::print(" {:>14}\n", "highest recall");
    const std::vector<Point>* yardstick = nullptr;
    for (const Outcome& outcome : outcomes) {
      if (outcome.contestant == kYardstick) yardstick = &outcome.points;
    }
    for (const Outcome& outcome : outcomes) {
      fmt::print("{:<20}", outcome.contestant);
      double highest = 0;
      for (const Point& point : outcome.points) highest = std::max(highest, point.recall);
      for (double recall : kRecalls) {
        const std::optional<double> other = yardstick == nullptr ? std::nullopt : rate_at(*yardstick, recall);
        fmt::print(" {:>18}", rate_text(rate_at(outcome.points, recall), other));
      }
      fmt::print(" {:>14.4f}\n", highest);
    }
    fmt::print("\n");
    std::fflush(stdout);
    return outcomes;
  }

  void filtered(const DataSet& data, const std::string& title) {
    constexpr double kRecall = 0.95;
    fmt::print("{}: queries/s at recall@10 {}, times {}'s, and the plans of the fastest\n{:<18}", title, kRecall,
               kYardstick, "allowed");
    for (const auto& contestant : contestants_) fmt::print(" {:>16}", contestant->name());
    fmt::print(" {:>18}  plans\n", fmt::format("{}, no scan", kYardstick));
    for (size_t step : kSteps) {
      if (data.rows / step < 2) continue;
      const std::vector<Outcome> outcomes = sweep(data, title, {.threads = 1, .step = step});
      fmt::print("{:<18}", fmt::format("{} % ({})", 100.0 / static_cast<double>(step), (data.rows + step - 1) / step));
      std::optional<double> other;
      std::string plans;
      for (const Outcome& outcome : outcomes) {
        if (outcome.contestant == kYardstick) other = rate_at(outcome.points, kRecall);
      }
      for (const auto& contestant : contestants_) {
        std::string text = "-";
        for (const Outcome& outcome : outcomes) {
          if (outcome.contestant != contestant->name()) continue;
          text = rate_text(rate_at(outcome.points, kRecall), other);
          plans += fmt::format("{}{}: {}", plans.empty() ? "" : "; ", contestant->name(),
                               fastest_plan(outcome.points, kRecall));
        }
        fmt::print(" {:>16}", text);
      }
      fmt::print(" {:>18}  {}\n", without_scan(outcomes, kRecall), plans);
      std::fflush(stdout);
    }
    fmt::print("\n");
  }

  void churn(const DataSet& data) {
    for (const auto& contestant : contestants_) {
      try {
        const ChurnResult result = contestant->churn(kChurned, settings_.threads);
        fmt::print("{:<20} {} rows deleted in {:.2f} s, inserted again in {:.2f} s\n", contestant->name(), result.rows,
                   result.delete_seconds, result.insert_seconds);
        results_.push_back({{"data", data.name},
                            {"task", "churn"},
                            {"contestant", contestant->name()},
                            {"rows", result.rows},
                            {"delete_s", result.delete_seconds},
                            {"insert_s", result.insert_seconds}});
      } catch (const Error& error) {
        if (error.code() != ErrorCode::unsupported) throw;
        fmt::print("{}\n", error.what());
      }
    }
    compare(data, "one thread, after 30 % were deleted and inserted again", {.threads = 1});
  }

  void draw(const DataSet& data, const std::vector<Outcome>& outcomes) {
    if (settings_.chart_file.empty()) return;
    std::vector<Line> lines;
    for (const Outcome& outcome : outcomes) lines.push_back({outcome.contestant, outcome.points});
    sextant::base::write_file_atomically(settings_.chart_file,
                                         draw_chart(fmt::format("{}, one thread", data.name), lines));
  }

  static std::string rate_text(std::optional<double> rate, std::optional<double> other) {
    if (!rate) return "not reached";
    return fmt::format("{:.0f} {}", *rate, other ? fmt::format("({:.2f}x)", *rate / *other) : "");
  }

  // The graph alone: a peer's scan of the allowed rows is what its users would have to write themselves.
  static std::string without_scan(const std::vector<Outcome>& outcomes, double recall) {
    for (const Outcome& outcome : outcomes) {
      if (outcome.contestant != kYardstick) continue;
      std::vector<Point> points = outcome.points;
      std::erase_if(points, [](const Point& point) { return point.plan == "scan"; });
      return rate_text(rate_at(points, recall), std::nullopt) + fastest_plan(points, recall);
    }
    return "-";
  }

  static std::string fastest_plan(const std::vector<Point>& points, double recall) {
    std::map<std::string, std::vector<Point>> of_plan;
    for (const Point& point : points) of_plan[point.plan].push_back(point);
    std::string best;
    double best_rate = 0;
    for (const auto& [plan, line] : of_plan) {
      const double rate = rate_at(line, recall).value_or(0);
      if (rate > best_rate) {
        best_rate = rate;
        best = plan;
      }
    }
    return best;
  }

  const Settings& settings_;
  std::vector<std::unique_ptr<Contestant>> contestants_;
  json results_ = json::array();
};

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // a child that died is an error of its own
  Settings settings;
  settings.data.work_folder = fs::path(SEXTANT_BINARY_DIR) / "bench/ann/work";
  settings.data.shared_folder = SEXTANT_SHARED_DIR;
  settings.program = fs::path(SEXTANT_BINARY_DIR) / "sextant";
  CLI::App app("How fast indexes of vectors answer at which recall, beside their peers.", "bench_ann");
  app.add_option("--data", settings.data.kind)
      ->check(CLI::IsMember({"clustered", "mnist", "sentences"}))
      ->capture_default_str();
  app.add_option("--rows", settings.data.rows, "of clustered and sentences")
      ->check(CLI::Range(100, 100000000))
      ->capture_default_str();
  app.add_option("--queries", settings.data.query_count, "of clustered and sentences")
      ->check(CLI::Range(10, 1000000))
      ->capture_default_str();
  app.add_option("--tasks", settings.tasks, "single, threads, batch, filtered, correlated, churn")
      ->delimiter(',')
      ->check(CLI::IsMember({"single", "threads", "batch", "filtered", "correlated", "churn"}))
      ->capture_default_str();
  app.add_option("--peers", settings.peers,
                 "hnswlib, faiss-hnsw, faiss-hnsw-sq8, faiss-flat, blas, or none; library, library-sq1, library-sq8, "
                 "library-floats:\n"
                 "Sextant's index in memory")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--sextant", settings.sextants, "NAME=ARGUMENTS: a contestant built with these arguments, too")
      ->capture_default_str();
  app.add_flag("--no-sextant", settings.without_sextant, "the peers alone");
  app.add_option("--program", settings.program, "the sextant to run")->capture_default_str();
  app.add_option("--threads", settings.threads, "of a build, and of the task threads")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--rounds", settings.rounds)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--work", settings.data.work_folder, "keeps data, truth and indexes between runs")
      ->capture_default_str();
  app.add_option("--shared", settings.data.shared_folder, "where mnist and the sentences are")->capture_default_str();
  app.add_option("--json", settings.json_file, "write the results there, too");
  app.add_option("--chart", settings.chart_file, "draw the task single as an SVG");
  bool tiny = false;
  app.add_flag("--tiny", tiny, "all tasks on little data, to see that they run; keeps nothing");
  CLI11_PARSE(app, argc, argv);
  try {
    std::optional<sextant::base::TemporaryFolder> folder;
    if (tiny) {
      folder.emplace();
      settings.data.work_folder = folder->path();
      settings.data.kind = "clustered";
      settings.data.rows = 5000;
      settings.data.query_count = 50;
      settings.rounds = 1;
      settings.tasks = {"single", "threads", "batch", "filtered", "correlated", "churn"};
      settings.chart_file = folder->path() / "chart.svg";
    }
    Bench(settings).run();
  } catch (const Error& error) {
    fmt::print(stderr, "bench_ann: {}\n", error.what());
    return sextant::exit_status(error.code());
  }
}
