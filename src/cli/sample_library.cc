#include "cli/sample_library.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "base/files.h"

namespace sextant::cli {
namespace {

namespace fs = std::filesystem;

fs::path program_folder() {
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::current_path() : program.parent_path();
}

// The latest change of any file under a folder.
fs::file_time_type newest_below(const fs::path& folder) {
  fs::file_time_type newest = fs::file_time_type::min();
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) newest = std::max(newest, entry.last_write_time());
  }
  return newest;
}

// The library at PATH if it is there, whole, of this model and no older than the examples.
std::optional<Library> open_if_current(const fs::path& path, const fs::path& documents, const Embedder& model) {
  if (!fs::exists(path) || fs::last_write_time(path) < newest_below(documents)) return std::nullopt;
  try {
    Library library = Library::open(path.string());
    if (library.model_hash() == model.hash()) return library;
  } catch (const Error&) {
    // A damaged or outdated sample is not worth a message: it is made again.
  }
  return std::nullopt;
}

}  // namespace

fs::path examples_folder() {
  const fs::path program = program_folder();
  for (const fs::path& candidate : {program / "../../examples", program / "../share/sextant/examples"}) {
    if (fs::is_directory(candidate / "library")) return fs::canonical(candidate);
  }
  throw Error(ErrorCode::not_found,
              fmt::format("the examples are neither at {} nor at {}", (program / "../../examples").string(),
                          (program / "../share/sextant/examples").string()));
}

fs::path sample_library_path() {
  const fs::path beside = program_folder();
  if (::access(beside.c_str(), W_OK) == 0 && beside.filename() != "bin") return beside / "sample.sextant";
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder =
      cache != nullptr && *cache != '\0' ? fs::path(cache) : fs::path(home != nullptr ? home : "/tmp") / ".cache";
  return folder / "sextant" / "sample.sextant";
}

Library open_sample_library(const Embedder& model, const Context& context) {
  const fs::path documents = examples_folder() / "library";
  const fs::path path = sample_library_path();
  if (auto library = open_if_current(path, documents, model)) return std::move(*library);
  base::make_folders(path.parent_path());
  auto progress = context.progress();
  if (progress) progress->begin("indexing the sample library", "files", 0);
  LibraryOptions options;
  options.thread_count = context.thread_count;
  if (progress) options.progress = [&](uint64_t done, uint64_t) { progress->report(done); };
  auto started = std::chrono::steady_clock::now();
  LibraryReport report = Library::build({documents.string()}, model, path.string(), options);
  if (progress) progress->end();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  context.note("Indexed {} documents as {} passages in {:.2f} s: {}", report.document_count, report.passage_count,
               seconds, path.string());
  return Library::open(path.string());
}

}  // namespace sextant::cli
