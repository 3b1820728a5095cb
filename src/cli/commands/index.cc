// sextant index: files and folders into a library to search.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "sextant/library.h"

namespace sextant::cli {
namespace {

struct IndexSettings {
  std::vector<std::string> paths;
  std::string output, model;
  LibraryOptions library;
};

constexpr size_t kSkippedShownMax = 20;

void print_json(const LibraryReport& report, const Embedder& model, const IndexSettings& options, double seconds) {
  nlohmann::ordered_json out = {{"library", options.output},
                                {"model", model.name()},
                                {"dim", model.dim()},
                                {"documents", report.document_count},
                                {"unchanged", report.unchanged_count},
                                {"removed", report.removed_count},
                                {"passages", report.passage_count},
                                {"windows", report.window_count},
                                {"tokens", report.token_count},
                                {"source_bytes", report.source_bytes},
                                {"library_bytes", report.library_bytes},
                                {"replaced", report.replaced_count},
                                {"truncated", report.truncated_count},
                                {"empty", report.empty_count},
                                {"seconds", seconds}};
  out["skipped"] = nlohmann::ordered_json::array();
  for (const auto& file : report.skipped) out["skipped"].push_back({{"path", file.path}, {"reason", file.reason}});
  print(base::json_text(out) + "\n");
}

void print_notes(const LibraryReport& report, const Context& context, const IndexSettings& options, double seconds) {
  for (size_t i = 0; i < std::min(report.skipped.size(), kSkippedShownMax); ++i) {
    context.note("Skipped {}: {}", report.skipped[i].path, report.skipped[i].reason);
  }
  if (report.skipped.size() > kSkippedShownMax) {
    context.note("Skipped {} more; --json lists them all", report.skipped.size() - kSkippedShownMax);
  }
  if (report.replaced_count > 0) {
    context.note("{} invalid UTF-8 sequences were replaced by U+FFFD", report.replaced_count);
  }
  if (report.truncated_count > 0) context.note("{} passages were cut off by the model", report.truncated_count);
  if (report.empty_count > 0) {
    context.note("{} sentences hold no word that the model knows; no search finds them", report.empty_count);
  }
  if (report.unchanged_count > 0 || report.removed_count > 0) {
    context.note("{} documents were in the library as they are, {} are gone from it", report.unchanged_count,
                 report.removed_count);
  }
  context.note("Indexed {} documents as {} passages, {} tokens, in {:.2f} s ({:.1f} MB/s): {}, {:.1f} MB",
               report.document_count, report.passage_count, report.token_count, seconds,
               static_cast<double>(report.source_bytes) / 1e6 / std::max(seconds, 1e-9), options.output,
               static_cast<double>(report.library_bytes) / 1e6);
}

}  // namespace

void add_index(Command app, Context& context) {
  auto options = std::make_shared<IndexSettings>();
  Command command = app.subcommand(
      "index", "Cut documents into passages, embed them and make a library to search; again, only what changed");
  command.option("PATH", options->paths, "Files and folders (.txt .md .html .pdf)").required();
  command.option("--output,-o", options->output, "The library to make: a folder, in whose place an older one may be")
      .required();
  command
      .option("--chunk-tokens", options->library.chunk_tokens_max,
              "Most tokens of a passage, its title and headings included; 0: 256, or the model's limit if lower")
      .show_default();
  command.option("--overlap", options->library.overlap_tokens, "Tokens that a passage repeats of the one before")
      .show_default();
  command
      .option("--window-tokens", options->library.window_tokens,
              "Tokens of the windows in which passages are compared with a question; 0: passages as wholes")
      .show_default();
  command.option("--max-file-bytes", options->library.file_bytes_max, "Longer files are skipped, and named")
      .show_default();
  add_model_option(command, options->model, context);
  add_common_options(command, context, Common::json | Common::threads);
  command.callback([options, &context] {
    // The library remembers its model by this name, and is searched from other folders.
    std::error_code error;
    if (std::filesystem::is_directory(options->model, error)) {
      options->model = std::filesystem::canonical(options->model).string();
    }
    auto model = load_model(options->model, context);
    LibraryOptions library = options->library;
    library.thread_count = context.thread_count;
    auto progress = context.progress();
    bool begun = false;
    if (progress) {
      library.progress = [&](uint64_t done, uint64_t total) {
        if (!begun) progress->begin("indexing", "files", total);
        begun = true;
        progress->report(done);
      };
    }
    auto start = std::chrono::steady_clock::now();
    LibraryReport report = Library::build(options->paths, *model, options->output, library);
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (begun) progress->end();
    print_notes(report, context, *options, seconds);
    if (context.json) print_json(report, *model, *options, seconds);
  });
}

}  // namespace sextant::cli
