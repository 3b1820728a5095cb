// bench_encode [--tiny] [--shape S,...] [--lengths L,...] [--batch B,...] [--threads T,...] [--compute C,...] ...: how
// fast text encoders of well-known shapes turn texts into vectors, with ONNX Runtime in the same run.
//
// Sextant goes the way that users go: Embedder::load and embed, tokenizer included, one process for each tier
// (SEXTANT_SIMD) and precision. ONNX Runtime (bench/encode/peer) has the same weights in a graph of its own, and is
// given ids. How they take turns is said in contest.h, what weights and texts are in models.h.
// Operations a token, for the share of the peak: 2 for each weight of the linear layers, and 4 x heads x head_dim for
// each key that a query looks at; norms, activations, softmax, embeddings and padding count nothing.
#include <fmt/format.h>
#include <signal.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "cli/command_line.h"
#include "contest.h"
#include "report.h"
#include "sextant/error.h"
#include "sextant/version.h"
#include "simd/kernels.h"
#include "worker.h"

namespace {

namespace fs = std::filesystem;
using namespace sextant::bench;
using sextant::Error;
using sextant::ErrorCode;

struct Settings {
  std::vector<std::string> shapes = {"minilm-l6"};
  std::vector<std::string> lengths = {"16", "128", "mixed"};
  std::vector<size_t> batches = {1, 32};
  std::vector<size_t> threads = {1};
  std::string clock = "wall";
  std::string json_file;
  bool tiny = false;
  bool without_peer = false;
  ContestOptions contest;
};

size_t parse_length(const std::string& text) {
  if (text == "mixed") return 0;
  size_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc() || end != text.data() + text.size() || length < 3 || length > 512) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("--lengths: '{}', expected a number from 3 to 512, or mixed", text));
  }
  return length;
}

std::vector<std::string> parse_tiers(const std::vector<std::string>& names) {
  std::vector<std::string> tiers;
  for (int t = 0; t < sextant::simd::kTierCount && names == std::vector<std::string>{"all"}; ++t) {
    const auto tier = static_cast<sextant::simd::Tier>(t);
    if (sextant::simd::is_available(tier)) tiers.emplace_back(name(tier));
  }
  if (!tiers.empty()) return tiers;
  for (const std::string& tier : names) {
    if (!sextant::simd::is_available(sextant::simd::parse_tier(tier))) {
      fmt::print("tier {} is skipped: this machine lacks it\n", tier);
    } else {
      tiers.push_back(tier);
    }
  }
  return tiers;
}

void install_peer(const ContestOptions& contest) {
  const std::string script = (contest.peer_sources / "install.sh").string();
  Child installer("the peer's installation", {"bash", script, (contest.work_folder / "peer").string()});
  installer.listen();
}

void run(Settings settings) {
  settings.contest.cpu_clock = settings.clock == "cpu";
  settings.contest.with_peer = !settings.without_peer;
  settings.contest.tiers = parse_tiers(settings.contest.tiers);
  if (settings.tiny) {
    settings.shapes = {"tiny-bert", "tiny-modernbert", "tiny-qwen3"};
    settings.lengths = {"16", "mixed"};
    settings.batches = {4};
    settings.contest.rounds = 2;
    settings.contest.seconds = 0.01;
    settings.contest.with_peer = false;
    settings.contest.tiers = parse_tiers({"all"});
    fmt::print("tiny: without the peer, which needs node and a network\n");
  }
  std::vector<size_t> lengths;
  for (const std::string& length : settings.lengths) lengths.push_back(parse_length(length));
  if (settings.contest.with_peer) install_peer(settings.contest);
  nlohmann::json all = nlohmann::json::array();
  for (const std::string& name : settings.shapes) {
    const Shape& shape = shape_named(name);
    Contest contest(shape, settings.contest);
    fmt::print("{}: {:.0f} MB of weights, {:.1f} Mflop a token at 128 tokens, {} rounds of {} s and more, {} clock\n{}",
               name, contest.model_megabytes(), shape.operations(128) / 128e6, settings.contest.rounds,
               settings.contest.seconds, settings.clock, table_head());
    for (size_t threads : settings.threads) {
      for (size_t batch : settings.batches) {
        for (size_t length : lengths) {
          const Case which{length, batch, threads};
          const CaseResult results = contest.run(which);
          fmt::print("{}", table_rows(which, results));
          std::fflush(stdout);
          for (nlohmann::json& row : to_json(shape, which, results)) all.push_back(std::move(row));
        }
      }
    }
  }
  if (!settings.json_file.empty())
    sextant::base::write_file_atomically(settings.json_file, sextant::base::json_text(all, 1) + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // a child that died is an error of its own
  if (argc > 1 && std::string_view(argv[1]) == "--worker") {
    run_worker();
    return 0;
  }
  Settings settings;
  ContestOptions& contest = settings.contest;
  contest.program = fs::canonical("/proc/self/exe");
  contest.work_folder = fs::path(SEXTANT_BINARY_DIR) / "bench/encode/work";
  contest.peer_sources = fs::path(SEXTANT_SOURCE_DIR) / "bench/encode/peer";
  std::string work_folder = contest.work_folder.string(), packed_cache;
  sextant::cli::CommandLine line("bench_encode", "How fast text encoders turn texts into vectors, beside ONNX Runtime.",
                                 std::string(sextant::kVersion), "");
  const sextant::cli::Command options = line.root();
  options.option("--shape", settings.shapes, "minilm-l6, bge-small, bge-base, modernbert-base, qwen3-0.6b, tiny-...")
      .delimiter(',')
      .show_default();
  options.option("--lengths", settings.lengths, "tokens of a text, 3 to 512, or mixed: 4 to 256")
      .delimiter(',')
      .show_default();
  options.option("--batch", settings.batches, "texts of a batch").delimiter(',').range(1, 1024).show_default();
  options.option("--threads", settings.threads, "threads of a call").delimiter(',').range(1, 256).show_default();
  options.option("--compute", contest.computes, "float32, bfloat16, int8").delimiter(',').show_default();
  options.option("--tiers", contest.tiers, "scalar, avx2, avx512, ... or all; the machine's best where not given")
      .delimiter(',');
  options.option("--rounds", contest.rounds, "turns of each").range(1, 1000).show_default();
  options.option("--seconds", contest.seconds, "the shortest turn").show_default();
  options.option("--clock", settings.clock, "wall, or cpu: processor time, for one thread on a busy machine")
      .one_of({"wall", "cpu"})
      .show_default();
  options.option("--json", settings.json_file, "write the results there, too");
  options.option("--work", work_folder, "keeps models, graphs and the peer between runs").show_default();
  options.option("--packed-cache", packed_cache,
                 "Sextant keeps packed weights in this folder: from the second run on, load ms is that of a hit");
  options.flag("--no-peer", settings.without_peer, "Sextant alone");
  options.flag("--tiny", settings.tiny, "a few seconds, small models, no peer: for the tests");
  options.callback([&] {
    contest.work_folder = work_folder;
    contest.packed_cache = packed_cache;
    run(settings);
  });
  try {
    line.run(argc, argv);
  } catch (const Error& error) {
    fmt::print(stderr, "bench_encode: {}\n", error.what());
    return sextant::exit_status(error.code());
  }
}
