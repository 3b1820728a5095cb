// store_model [--steps N] [--seed S] [--folder F]: N random steps on collections and on a plain map that must agree
// (src/store/testing_model.h). Ends with status 1 and the seed and step of the first that does not; --seed with that
// number begins with the world that it was in.
#include <chrono>
#include <cstdio>
#include <string>

#include "store/testing_model.h"

int main(int argc, char** argv) {
  using namespace sextant;
  store::testing_model::ModelRun run;
  run.steps = 1'000'000;
  run.seed = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) % 1'000'000'000;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    try {
      if (option == "--steps") {
        run.steps = std::stoull(value);
      } else if (option == "--seed") {
        run.seed = std::stoull(value);
      } else if (option == "--folder" && !value.empty()) {
        run.folder = value;
      } else {
        throw std::invalid_argument(option);
      }
    } catch (const std::exception&) {
      std::fprintf(stderr, "store_model: %s '%s': expected --steps N, --seed S or --folder F\n", option.c_str(),
                   value.c_str());
      return 2;
    }
  }
  std::optional<base::TemporaryFolder> temporary;
  if (run.folder.empty()) {
    store::use_memory();
    run.folder = temporary.emplace().path();
  }
  std::printf("seed %lu\n", static_cast<unsigned long>(run.seed));
  const auto start = std::chrono::steady_clock::now();
  run.progress = [&](uint64_t done) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%lu steps in %.0f s\n", static_cast<unsigned long>(done), took.count());
    std::fflush(stdout);
  };
  const std::string wrong = store::testing_model::run_model(run);
  if (wrong.empty()) return 0;
  std::printf("%s\n", wrong.c_str());
  return 1;
}
