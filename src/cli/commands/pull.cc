// sextant pull: a model from the Hugging Face hub into the cache that other tools share.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "model/hub.h"

namespace sextant::cli {
namespace {

std::string size_text(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 1e9) return fmt::format("{:.2f} GB", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.1f} MB", value / 1e6);
  return value >= 1e3 ? fmt::format("{:.1f} kB", value / 1e3) : fmt::format("{} bytes", bytes);
}

}  // namespace

void add_pull(Command app, Context& context) {
  auto name = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  Command command = app.subcommand("pull", "Download a model from the Hugging Face hub (HF_ENDPOINT, HF_TOKEN)");
  command.option("NAME", *name, "ORG/NAME, or ORG/NAME@REVISION: a branch, tag or commit").required();
  command.flag("--all", *all, "Every file of the repository, not only what a model is loaded from");
  add_common_options(command, context, Common::json);
  command.callback([name, all, &context] {
    model::HubOptions options = model::HubOptions::from_environment();
    options.all_files = *all;
    auto progress = context.progress();
    model::PullReport report = model::pull(*name, options, progress.get());
    if (context.json) {
      nlohmann::ordered_json files = nlohmann::ordered_json::array();
      for (const model::PulledFile& file : report.files) {
        files.push_back({{"name", file.name}, {"bytes", file.size_bytes}, {"downloaded", file.downloaded}});
      }
      nlohmann::ordered_json out = {{"model", *name},
                                    {"commit", report.commit},
                                    {"folder", report.folder.string()},
                                    {"bytes_downloaded", report.bytes_downloaded},
                                    {"files", std::move(files)}};
      return print(base::json_text(out) + "\n");
    }
    const auto downloaded = std::count_if(report.files.begin(), report.files.end(),
                                          [](const model::PulledFile& file) { return file.downloaded; });
    context.note("{} of {} files downloaded, {}; commit {}", downloaded, report.files.size(),
                 size_text(report.bytes_downloaded), report.commit);
    if (!report.has_weights) context.note("none of the files holds weights: this model cannot be run");
    print(report.folder.string() + "\n");
  });
}

}  // namespace sextant::cli
