// sextant add: files, folders and rows into a collection.
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/database.h"

namespace sextant::cli {
namespace {

using nlohmann::ordered_json;

struct AddSettings {
  DatabaseSettings database;
  std::vector<std::string> paths;
  std::string input, model;
  std::optional<std::string> id_column, text_column, vector_column;
  engine::AddOptions add;
  bool passages_given = false;
};

constexpr size_t kSkippedNamedMax = 20;

void note_report(const engine::AddReport& report, const AddSettings& settings, double seconds, const Context& context) {
  for (size_t i = 0; i < std::min(report.skipped.size(), kSkippedNamedMax); ++i) {
    context.note("Skipped {}: {}", report.skipped[i].path, report.skipped[i].reason);
  }
  if (report.skipped.size() > kSkippedNamedMax) {
    context.note("Skipped {} more; --json lists them all", report.skipped.size() - kSkippedNamedMax);
  }
  if (report.replaced > 0) context.note("{} invalid UTF-8 sequences were replaced by U+FFFD", report.replaced);
  if (report.truncated > 0) context.note("{} texts were cut off by the model", report.truncated);
  if (report.empty > 0) {
    context.note("{} texts hold no word that the model knows; they are kept, and no search finds them", report.empty);
  }
  std::string what;
  if (!settings.paths.empty()) {
    what = fmt::format("{} documents as {} passages", report.documents - report.documents_same, report.points);
    if (report.documents_same > 0) what += fmt::format("; {} were there as they are", report.documents_same);
  } else {
    what = fmt::format("{} points", report.points);
    if (report.unchanged > 0) what += fmt::format("; {} were there as they are", report.unchanged);
  }
  if (report.removed > 0) what += fmt::format("; {} passages are gone", report.removed);
  context.note("Added {}, in {:.2f} s", what, seconds);
}

// Whoever adds something is told how to make what is not there.
template <class Open>
auto open_or_tell(const DatabaseSettings& settings, const Open& open) {
  try {
    return open();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    throw Error(error.code(), fmt::format("{}; 'sextant collection create --db {} --collection {}' makes one",
                                          error.what(), settings.db, settings.collection));
  }
}

void add(const AddSettings& settings, const Context& context) {
  if (settings.paths.empty() == settings.input.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "PATH or --input: give one of the two, files and folders or a file of rows");
  }
  const DatabaseSettings& where = settings.database;
  const auto database = open_or_tell(where, [&] { return open_database(where, context, Access::write); });
  const engine::Collection collection(open_or_tell(where, [&] { return database->open(where.collection); }));
  engine::AddOptions options = settings.add;
  options.threads = context.thread_count;
  auto progress = context.progress();
  options.progress = progress.get();
  if (context.json) {
    options.acknowledged = [](uint64_t points) {
      print(fmt::format("{{\"acknowledged\": {}}}\n", points));
      std::fflush(stdout);
    };
  }
  const auto start = std::chrono::steady_clock::now();
  engine::AddReport report;
  if (!settings.paths.empty()) {
    if (settings.passages_given && collection.passages()) {
      throw Error(ErrorCode::invalid_argument,
                  "--chunk-tokens and --overlap: the collection was made with passages of its own size");
    }
    const auto model = collection_model(collection, settings.model, context);
    report = collection.add_documents(settings.paths, *model, options);
  } else {
    io::RowOptions rows;
    rows.id_column = settings.id_column;
    rows.text_column = settings.text_column;
    rows.vector_column = settings.vector_column;
    const auto source = io::open_rows(settings.input, rows);
    std::unique_ptr<Embedder> model;
    if (!settings.model.empty() || collection.model()) model = collection_model(collection, settings.model, context);
    report = collection.add_rows(*source, model.get(), options);
    for (const auto& [field, count] : source->fields_left_out()) {
      context.note("Field '{}' stood beside a payload and was left out of {} rows", field, count);
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  progress.reset();
  note_report(report, settings, seconds, context);
  if (context.json) {
    ordered_json out = {
        {"points", report.points},       {"unchanged", report.unchanged}, {"removed", report.removed},
        {"documents", report.documents}, {"tokens", report.tokens},       {"truncated", report.truncated},
        {"empty", report.empty},         {"replaced", report.replaced},   {"seconds", seconds}};
    out["skipped"] = ordered_json::array();
    for (const auto& file : report.skipped) out["skipped"].push_back({{"path", file.path}, {"reason", file.reason}});
    print(base::json_text(out) + "\n");
  }
}

}  // namespace

void add_add(Command app, Context& context) {
  auto settings = std::make_shared<AddSettings>();
  Command command =
      app.subcommand("add", "Add files, folders or rows to a collection; what is there already is left alone");
  add_collection_options(command, settings->database);
  command.option("PATH", settings->paths, "Files and folders (.txt .md .html .pdf): cut into passages and embedded");
  command.option("--input,-i", settings->input,
                 "Rows instead: .jsonl .json .csv .tsv .parquet .npy .fbin .fvecs and more, or - for JSON lines");
  command.option("--model,-m", settings->model,
                 "The collection's model, if it has moved, or one for a collection without");
  command.option("--id-column", settings->id_column, "Which field is a row's id; \"id\" where there is one");
  command.option("--text-column", settings->text_column, "Which field is embedded; \"text\" where there is one");
  command.option("--vector-column", settings->vector_column, "Which field is the vector; \"vector\" or \"embedding\"");
  command.option("--batch", settings->add.batch_points, "Points that are acknowledged together")
      .range(1, 100000)
      .show_default();
  const Option tokens = command.option(
      "--chunk-tokens", settings->add.passages.tokens_max,
      "Most tokens of a passage, its title and headings included; 0: 256, or the model's limit if lower");
  tokens.show_default();
  const Option overlap = command.option("--overlap", settings->add.passages.overlap_tokens,
                                        "Tokens that a passage repeats of the one before");
  overlap.show_default();
  command.option("--max-file-bytes", settings->add.file_bytes_max, "Longer files are skipped, and named")
      .show_default();
  command.flag("--force", settings->add.force, "Also vectors of another model than the collection's");
  add_compute_option(command, context);
  add_common_options(command, context, Common::json | Common::threads);
  command.callback([=, &context] {
    settings->passages_given = tokens.given() || overlap.given();
    add(*settings, context);
  });
}

}  // namespace sextant::cli
