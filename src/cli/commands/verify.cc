// sextant verify: a model held to recorded outputs, or its outputs recorded.
#include "eval/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/table.h"
#include "io/jsonl.h"
#include "io/lines.h"

namespace sextant::cli {
namespace {

struct VerifySettings {
  std::vector<std::string> folders;
  std::string record, input;
};

// A line is a text, or a JSON list of two: query and document for a cross-encoder.
std::vector<std::vector<std::string>> read_texts(const std::string& path) {
  std::vector<std::vector<std::string>> texts;
  io::LineReader reader(path);
  std::string_view line;
  while (reader.next(line)) {
    if (line.starts_with('[')) {
      try {
        texts.push_back(base::parse_json(line).get<std::vector<std::string>>());
      } catch (const nlohmann::json::exception&) {
        throw Error(ErrorCode::corrupted, fmt::format("{}: a line that begins with '[' must be a list of texts", path));
      }
    } else {
      texts.push_back({std::string(line)});
    }
  }
  return texts;
}

// Returns whether all is as recorded.
bool print_results(const std::vector<std::pair<std::string, std::vector<eval::VerifiedFile>>>& results,
                   const Context& context) {
  size_t missed = 0;
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  Table table({"model", "file", "max error", "tolerance", "cosine", "verdict"});
  for (const auto& [folder, files] : results) {
    for (const eval::VerifiedFile& file : files) {
      missed += file.passed ? 0 : 1;
      std::string verdict = file.passed ? "as recorded" : "MISS";
      if (!file.problem.empty()) verdict += ": " + file.problem;
      const bool compared = file.tolerance > 0 || file.cosine_least > 0;
      const std::string wanted =
          file.cosine_least > 0 ? fmt::format("cosine {}", file.cosine_least) : fmt::format("{:.1e}", file.tolerance);
      table.add({folder, file.file, compared ? fmt::format("{:.1e}", file.max_error) : "", compared ? wanted : "",
                 compared ? fmt::format("{:.7f}", file.cosine) : "", verdict});
      out.push_back({{"model", folder},
                     {"file", file.file},
                     {"max_error", file.max_error},
                     {"tolerance", file.tolerance},
                     {"cosine", file.cosine},
                     {"cosine_least", file.cosine_least},
                     {"passed", file.passed},
                     {"problem", file.problem}});
    }
  }
  print(context.json ? base::json_text(out) + "\n" : table.text());
  return missed == 0;
}

}  // namespace

void add_verify(Command app, Context& context) {
  auto options = std::make_shared<VerifySettings>();
  Command command = app.subcommand("verify", "Hold a model to outputs that were recorded beside it");
  command.option("DIR", options->folders, "Model folders with expected_*.npy and inputs.json or e2e.json");
  Option record = command.option("--record", options->record,
                                 "Write what this model folder gives now, to hold it to later; needs --input");
  command.option("--input", options->input,
                 "With --record: a text a line, or for a cross-encoder [\"query\", \"document\"]");
  add_compute_option(command, context);
  add_common_options(command, context, Common::json);
  command.callback([options, record, &context] {
    if (record.given()) {
      if (options->input.empty()) throw Error(ErrorCode::invalid_argument, "verify: --record needs --input");
      const auto texts = read_texts(options->input);
      eval::record_model(options->record, texts);
      return context.note("Recorded {} texts in {}", texts.size(), options->record);
    }
    if (options->folders.empty()) throw Error(ErrorCode::invalid_argument, "verify: a folder is missing");
    std::vector<std::pair<std::string, std::vector<eval::VerifiedFile>>> results;
    const Compute compute = parse_compute(context.compute);
    for (const std::string& folder : options->folders)
      results.emplace_back(folder, eval::verify_model(folder, compute));
    size_t missed = 0;
    for (const auto& [folder, files] : results) {
      missed += static_cast<size_t>(std::count_if(files.begin(), files.end(), [](const auto& f) { return !f.passed; }));
    }
    if (!print_results(results, context)) {
      throw Error(ErrorCode::corrupted, fmt::format("{} of the recorded outputs were not reproduced", missed));
    }
  });
}

}  // namespace sextant::cli
