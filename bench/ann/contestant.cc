#include "contestant.h"

#include <fmt/format.h>

#include <array>
#include <sstream>
#include <string_view>
#include <utility>

#include "child.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Point point_from(const json& line) {
  Point point;
  const json& setting = line.at("setting");
  point.setting = setting.is_string() ? setting.get<std::string>() : setting.dump();
  point.plan = line.value("plan", "");
  point.recall = line.at("recall");
  point.queries_per_second = line.at("qps");
  point.cpu_queries_per_second = line.value("cpu_qps", 0.0);
  point.p50_us = line.value("p50_us", 0.0);
  point.p99_us = line.value("p99_us", 0.0);
  return point;
}

// Debian's OpenBLAS does not know the newer processors and takes its slowest kernels for them.
std::string openblas_core() {
  if (simd::is_available(simd::Tier::avx512)) return "SkylakeX";
#if defined(__x86_64__)
  if (__builtin_cpu_is("amd")) return "Zen";
#endif
  return "Haswell";
}

enum class Ability { single, batch };

struct PeerRow {
  std::string_view name;
  std::string_view program;
  std::string_view kind;  // what "build" is told; empty: nothing
  Ability ability;
  bool can_delete;
};

constexpr std::array<PeerRow, 9> kPeers = {{
    {"library", "bench_ann_sextant", "graph", Ability::single, true},
    {"library-sq1", "bench_ann_sextant", "graph_sq1", Ability::single, true},
    {"library-sq8", "bench_ann_sextant", "graph_sq8", Ability::single, true},
    {"library-floats", "bench_ann_sextant", "graph_floats", Ability::single, true},
    {"hnswlib", "bench_ann_hnswlib", "", Ability::single, true},
    {"faiss-hnsw", "bench_ann_faiss", "hnsw", Ability::single, false},
    {"faiss-hnsw-sq8", "bench_ann_faiss", "hnsw_sq8", Ability::single, false},
    {"faiss-flat", "bench_ann_faiss", "flat", Ability::batch, false},
    {"blas", "bench_ann_blas", "", Ability::batch, false},
}};

class Peer : public Contestant {
 public:
  Peer(const PeerRow& row, const fs::path& programs) : row_(row), name_(row.name) {
    program_ = programs / row.program;
    if (!fs::exists(program_)) {
      throw Error(ErrorCode::not_found, fmt::format("{}: its program {} was not built; install its Debian package and "
                                                    "run cmake again, or leave it out of --peers",
                                                    name_, program_.string()));
    }
  }

  const std::string& name() const override { return name_; }

  BuildResult build(const DataSet& data, size_t threads) override {
    data_ = data;
    child_.reset();  // the former index's memory first
    child_ = std::make_unique<Child>(name_, std::vector<std::string>{program_.string()},
                                     std::vector<std::pair<std::string, std::string>>{
                                         {"OPENBLAS_CORETYPE", openblas_core()},
                                         // OpenMP's waiting threads would take the time of those that work.
                                         {"OMP_WAIT_POLICY", "passive"}});
    json question = {{"do", "build"},
                     {"base", data.base.string()},
                     {"metric", data.metric == Metric::l2 ? "l2" : "dot"},
                     {"threads", threads}};
    if (!row_.kind.empty()) question["kind"] = row_.kind;
    const json answer = child_->ask(question);
    return {answer.at("build_s"), answer.at("bytes"), child_->peak_memory_bytes()};
  }

  std::vector<Point> sweep(const SearchTask& task) override {
    const bool in_batches = task.batch > 1;
    if (in_batches != (row_.ability == Ability::batch) || (in_batches && task.step > 1)) return {};
    const json answer = child_->ask({{"do", "search"},
                                     {"queries", data_.queries.string()},
                                     {"truth", task.truth.string()},
                                     {"k", task.k},
                                     {"threads", task.threads},
                                     {"settings", settings(task.step)},
                                     {"step", task.step}});
    std::vector<Point> points;
    for (const json& line : answer.at("points")) points.push_back(point_from(line));
    return points;
  }

  ChurnResult churn(double fraction, size_t threads) override {
    if (!row_.can_delete) throw Error(ErrorCode::unsupported, name_ + ": cannot delete");
    const json answer = child_->ask({{"do", "churn"}, {"fraction", fraction}, {"threads", threads}});
    return {answer.at("delete_s"), answer.at("insert_s"), answer.at("rows")};
  }

 private:
  // Of ef. Where few rows are allowed, a walk with a small one already meets most of the graph, and a search that
  // filters afterwards needs a large one; where fewer are allowed still, only a scan is left.
  static std::vector<size_t> settings(size_t step) {
    if (step == 1) return {10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640};
    if (step <= 2) return {10, 20, 40, 80, 160, 320};
    if (step <= 10) return {10, 20, 40, 80, 160, 320, 640, 1280};
    if (step <= 100) return {10, 20, 40, 80, 640, 1280, 2560};
    return {10};
  }

  PeerRow row_;
  std::string name_;
  fs::path program_;
  DataSet data_;
  std::unique_ptr<Child> child_;
};

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}

class Sextant : public Contestant {
 public:
  Sextant(std::string name, fs::path program, const std::string& extra, fs::path work_folder)
      : name_(std::move(name)),
        program_(std::move(program)),
        extra_(words(extra)),
        work_folder_(std::move(work_folder)) {
    if (!fs::exists(program_)) {
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: no such program; build `sextant`, or name it with --program", program_.string()));
    }
  }

  const std::string& name() const override { return name_; }

  BuildResult build(const DataSet& data, size_t threads) override {
    data_ = data;
    index_ = work_folder_ / fmt::format("{}-{}.index", data.name, name_);
    std::vector<std::string> arguments = {"build",
                                          "--input",
                                          data.base.string(),
                                          "--metric",
                                          data.metric == Metric::l2 ? "l2" : "ip",
                                          "--output",
                                          index_.string(),
                                          "--threads",
                                          std::to_string(threads)};
    arguments.insert(arguments.end(), extra_.begin(), extra_.end());
    const json line = ask(arguments).back();
    const uint64_t whole = line.at("index_bytes"), rows = line.at("row_bytes");
    return {line.at("build_s"), whole - rows, line.at("peak_memory_bytes")};
  }

  std::vector<Point> sweep(const SearchTask& task) override {
    std::vector<std::string> arguments = {"search",
                                          "--index",
                                          index_.string(),
                                          "--queries",
                                          data_.queries.string(),
                                          "--k",
                                          std::to_string(task.k),
                                          "--truth",
                                          task.truth.string(),
                                          "--threads",
                                          std::to_string(task.threads)};
    if (task.batch > 1) {
      arguments.insert(arguments.end(), {"--exact", "--batch", std::to_string(task.batch)});
    } else {
      arguments.push_back("--sweep");
    }
    if (task.step > 1) {
      arguments.insert(arguments.end(), {"--filter-fraction", fmt::format("{}", 1.0 / static_cast<double>(task.step))});
    }
    std::vector<Point> points;
    for (const json& line : ask(arguments)) points.push_back(point_from(line));
    return points;
  }

  ChurnResult churn(double, size_t) override {
    throw Error(ErrorCode::unsupported, name_ + ": its commands build and search; deleting is the library's");
  }

 private:
  // The lines that `sextant ann ARGUMENTS` prints.
  std::vector<json> ask(const std::vector<std::string>& arguments) const {
    std::vector<std::string> command = {program_.string(), "ann"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Child child(name_, command);
    std::vector<json> lines;
    while (std::optional<json> line = child.hear()) lines.push_back(std::move(*line));
    if (lines.empty()) {
      throw Error(ErrorCode::unavailable, fmt::format("{}: `{}` printed no results", name_, fmt::join(command, " ")));
    }
    return lines;
  }

  std::string name_;
  fs::path program_;
  std::vector<std::string> extra_;
  fs::path work_folder_;
  fs::path index_;
  DataSet data_;
};

}  // namespace

std::unique_ptr<Contestant> make_peer(const std::string& name, const fs::path& programs) {
  std::string known;
  for (const PeerRow& row : kPeers) {
    if (row.name == name) return std::make_unique<Peer>(row, programs);
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  }
  throw Error(ErrorCode::invalid_argument, fmt::format("--peers: '{}', expected {}", name, known));
}

std::unique_ptr<Contestant> make_sextant(const std::string& name, const fs::path& program, const std::string& extra,
                                         const fs::path& work_folder) {
  return std::make_unique<Sextant>(name, program, extra, work_folder);
}

}  // namespace sextant::bench
