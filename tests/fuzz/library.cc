// Library files of the first version: a damaged one is refused, or searched without harm.
#include "sextant/library.h"

#include <filesystem>

#include "base/files.h"
#include "engine/testing_library_file.h"
#include "fuzz/fuzz.h"

namespace {

const sextant::Embedder& builtin() {
  static const auto model = sextant::Embedder::load("builtin");
  return *model;
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  sextant::base::TemporaryFolder folder;
  const std::string path = folder.path() / "seed.sextant";
  const std::string strings = "a.mdTapsA dripping tap needs a new washer.b.txtCatsKittens sleep most of the day.";
  const std::vector<sextant::engine::DocumentRecord> documents = {{{0, 4}, {4, 8}, {8, 42}, 0, 1},
                                                                  {{42, 47}, {47, 51}, {51, strings.size()}, 1, 2}};
  const std::vector<sextant::engine::PassageRecord> passages = {{0, 34, {4, 8}, 0, 2}, {0, 30, {0, 0}, 2, 3}};
  const std::vector<sextant::engine::WindowRecord> windows = {{0, 14}, {15, 34}, {0, 30}};
  std::vector<float> vectors(3 * builtin().dim());
  for (size_t i = 0; i < vectors.size(); ++i) vectors[i] = static_cast<float>(i % 7) / 100 - 0.03f;
  sextant::engine::LibraryContents contents;
  contents.meta = {builtin().name(), builtin().hash(), builtin().dim(), 256, 32, 24};
  contents.strings = strings;
  contents.documents = documents;
  contents.passages = passages;
  contents.windows = windows;
  contents.vectors = vectors;
  sextant::tests::write_library(path, contents);
  sextant::Library::open(path).search("tap", builtin());
  return {sextant::base::read_file(path)};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sextant::Library library = sextant::Library::open(sextant::fuzz::as_file(data, size, ".sextant"));
  library.search("a dripping tap", builtin(), {.limit = 3, .all_passages = true});
  return 0;
}
