// Library files: a damaged one is refused, or searched without harm.
#include "sextant/library.h"

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "fuzz/fuzz.h"

namespace {

const sextant::Embedder& builtin() {
  static const auto model = sextant::Embedder::load("builtin");
  return *model;
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
  sextant::base::TemporaryFolder folder;
  std::ofstream(folder.path() / "a.md") << "# Taps\n\nA dripping tap needs a new washer.\n";
  std::ofstream(folder.path() / "b.txt") << "Cats\n\nKittens sleep most of the day.\n";
  const std::string path = folder.path() / "seed.sextant";
  sextant::Library::build({(folder.path() / "a.md").string(), (folder.path() / "b.txt").string()}, builtin(), path);
  return {sextant::base::read_file(path)};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sextant::Library library = sextant::Library::open(sextant::fuzz::as_file(data, size, ".sextant"));
  library.search("a dripping tap", builtin(), {.limit = 3, .all_passages = true});
  return 0;
}
