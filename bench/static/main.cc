// bench_static [--tiny]: how many texts a second static models embed on one thread, from text to unit vector.
//
// Texts: short queries (the questions of examples/, and Banking77's test questions where the shared data is there) and
// passages (the documents of examples/library). Contestants: the built-in model, potion-base-2M where it is there.
// Runs are interleaved; a row gives minimum, median and maximum of the runs.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/jsonl.h"
#include "sextant/embed.h"
#include "simd/kernels.h"

namespace {

namespace fs = std::filesystem;
using sextant::Embedder;

const fs::path kSource = SEXTANT_SOURCE_DIR;
const fs::path kShared = SEXTANT_SHARED_DIR;

std::vector<std::string> short_queries() {
  std::vector<std::string> texts;
  for (const char* name : {"questions-home.jsonl", "questions-work.jsonl"}) {
    sextant::io::JsonLineReader reader((kSource / "examples" / name).string());
    while (reader.next()) texts.emplace_back(reader.text("question"));
  }
  std::ifstream banking(kShared / "data/eval/banking77/test.csv");
  std::string line;
  std::getline(banking, line);
  while (std::getline(banking, line)) {
    // Label and quotes are cut roughly: a benchmark needs real text, not exact fields.
    size_t comma = line.rfind(',');
    if (comma != std::string::npos && comma > 2) texts.push_back(line.substr(0, comma));
  }
  return texts;
}

std::vector<std::string> passages() {
  std::vector<std::string> texts;
  for (const auto& entry : fs::recursive_directory_iterator(kSource / "examples/library")) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return texts;
}

struct Contestant {
  std::string name;
  std::unique_ptr<Embedder> model;
  std::vector<double> texts_per_second;
};

}  // namespace

int main(int argc, char** argv) {
  const bool tiny = argc > 1 && std::string_view(argv[1]) == "--tiny";
  std::vector<Contestant> contestants;
  contestants.push_back({"builtin", Embedder::load("builtin"), {}});
  const fs::path potion = kShared / "data/models/potion-base-2M";
  if (fs::exists(potion)) contestants.push_back({"potion-base-2M", Embedder::load(potion.string()), {}});
  std::printf("simd tier %s, one thread\n", std::string(sextant::simd::name(sextant::simd::kernels().tier)).c_str());
  std::printf("%-10s %-16s %5s %8s %12s %12s %12s %8s\n", "texts", "model", "dim", "bytes", "min texts/s", "median",
              "max", "MB/s");
  for (const auto& [set, texts] : {std::pair("queries", short_queries()), std::pair("passages", passages())}) {
    std::vector<std::string_view> views(texts.begin(), texts.end());
    if (tiny && views.size() > 20) views.resize(20);
    size_t bytes = 0;
    for (std::string_view text : views) bytes += text.size();
    const int rounds = tiny ? 2 : 15;
    for (Contestant& contestant : contestants) contestant.texts_per_second.clear();
    for (int round = 0; round < rounds; ++round) {
      for (Contestant& contestant : contestants) {
        std::vector<float> out(views.size() * contestant.model->dim());
        auto start = std::chrono::steady_clock::now();
        contestant.model->embed(views, {}, out);
        double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        contestant.texts_per_second.push_back(static_cast<double>(views.size()) / seconds);
      }
    }
    for (Contestant& contestant : contestants) {
      std::vector<double>& runs = contestant.texts_per_second;
      std::sort(runs.begin(), runs.end());
      const double bytes_per_text = static_cast<double>(bytes) / static_cast<double>(views.size());
      const double median = runs[runs.size() / 2];
      std::printf("%-10s %-16s %5zu %8.0f %12.0f %12.0f %12.0f %8.1f\n", set, contestant.name.c_str(),
                  contestant.model->dim(), bytes_per_text, runs.front(), median, runs.back(),
                  median * bytes_per_text / 1e6);
    }
  }
}
