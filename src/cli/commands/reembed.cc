// sextant collection reembed: the vectors of a collection by another model, while it is in use.
#include "engine/reembed.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/database.h"

namespace sextant::cli {
namespace {

using nlohmann::ordered_json;

struct ReembedSettings {
  DatabaseSettings database;
  std::string model;
  bool abandon = false;
  engine::ReembedOptions reembed;
};

void note_reembed(const engine::ReembedReport& report, const Embedder& model, double seconds, const Context& context) {
  if (report.was_done) {
    context.note("The vectors are of model '{}' already", model.name());
    return;
  }
  if (report.truncated > 0) context.note("{} texts were cut off by the model", report.truncated);
  if (report.empty > 0) {
    context.note("{} texts hold no word that the model knows; they are kept, and no search finds them", report.empty);
  }
  const std::string before =
      report.done_before > 0 ? fmt::format("; {} were done before", report.done_before) : std::string();
  context.note("Re-embedded {} points with model '{}'{}, in {:.2f} s", report.points, model.name(), before, seconds);
}

void run_reembed(const ReembedSettings& settings, bool tokens_given, const Context& context) {
  if (settings.model.empty() == !settings.abandon) {
    throw Error(ErrorCode::invalid_argument,
                "--model or --abandon: give one of the two, the new model or the end of a re-embedding under way");
  }
  const auto database = open_database(settings.database, context, Access::write);
  const auto points = database->open(settings.database.collection);
  if (settings.abandon) {
    engine::abandon_reembed(*points);
    context.note("Gave the re-embedding up: collection '{}' keeps the model that it has", settings.database.collection);
    if (context.json) print("{\"abandoned\": true}\n");
    return;
  }
  if (tokens_given && engine::Collection(points).passages()) {
    throw Error(ErrorCode::invalid_argument, "--chunk-tokens: the collection was made with passages of its own size");
  }
  const auto model = load_model(lasting_model_name(settings.model), context);
  engine::ReembedOptions options = settings.reembed;
  options.threads = context.thread_count;
  auto progress = context.progress();
  options.progress = progress.get();
  if (context.json) {
    options.acknowledged = [](uint64_t count) {
      print(fmt::format("{{\"acknowledged\": {}}}\n", count));
      std::fflush(stdout);
    };
  }
  const auto start = std::chrono::steady_clock::now();
  const engine::ReembedReport report = engine::reembed(*points, *model, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  progress.reset();
  note_reembed(report, *model, seconds, context);
  if (context.json) {
    print(base::json_text(ordered_json{{"points", report.points},
                                       {"done_before", report.done_before},
                                       {"was_done", report.was_done},
                                       {"tokens", report.tokens},
                                       {"truncated", report.truncated},
                                       {"empty", report.empty},
                                       {"seconds", seconds}}) +
          "\n");
  }
}

}  // namespace

void add_reembed(Command collection, Context& context) {
  auto settings = std::make_shared<ReembedSettings>();
  Command command = collection.subcommand(
      "reembed",
      "Embed all texts again with another model; until that is done the old one is searched. Given again "
      "after it was cut off, it goes on");
  add_collection_options(command, settings->database);
  command.option("--model,-m", settings->model, "The new model");
  command.flag("--abandon", settings->abandon,
               "Give up the re-embedding that is under way; the collection keeps its model");
  command.option("--batch", settings->reembed.batch_points, "Points that are acknowledged together")
      .range(1, 100000)
      .show_default();
  const Option tokens =
      command.option("--chunk-tokens", settings->reembed.passages.tokens_max,
                     "As they were added with, where the collection does not say: long titles and headings of passages "
                     "are cut to half of it; 0: 256, or the model's limit if lower");
  tokens.show_default();
  add_compute_option(command, context);
  add_common_options(command, context, Common::json | Common::threads);
  command.callback([settings, tokens, &context] { run_reembed(*settings, tokens.given(), context); });
}

}  // namespace sextant::cli
