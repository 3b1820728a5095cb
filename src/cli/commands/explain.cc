// sextant explain: how a text becomes its vector, step by step.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/table.h"

namespace sextant::cli {
namespace {

struct ExplainSettings {
  std::string text, model, prompt;
  size_t dim = 0;
};

constexpr size_t kValuesShown = 8;
constexpr size_t kBarColumns = 24;

std::string bar(float share, float largest) {
  std::string out;
  auto filled = static_cast<size_t>(largest > 0 ? share / largest * static_cast<float>(kBarColumns) + 0.5f : 0);
  for (size_t i = 0; i < filled; ++i) out += "█";
  return out;
}

void print_json(const Explanation& explanation, const Embedder& model, const ExplainSettings& options) {
  nlohmann::ordered_json out;
  out["text"] = options.prompt + options.text;
  out["model"] = model.name();
  out["normalized_text"] = explanation.normalized_text;
  out["tokens"] = nlohmann::ordered_json::array();
  for (const auto& token : explanation.tokens) {
    out["tokens"].push_back({{"id", token.id},
                             {"token", token.text},
                             {"known", token.known},
                             {"norm", token.norm},
                             {"weight", token.weight}});
  }
  out["pooling"] = explanation.pooling;
  out["norm_before"] = explanation.norm_before;
  out["dim"] = explanation.vector.size();
  out["vector"] = explanation.vector;
  print(base::json_text(out) + "\n");
}

}  // namespace

void add_explain(Command app, Context& context) {
  auto options = std::make_shared<ExplainSettings>();
  Command command = app.subcommand("explain", "Show step by step how a text becomes a vector");
  command.option("TEXT", options->text, "A text").required();
  command.option("--prompt", options->prompt, "Text written before TEXT, as it is");
  command.option("--dim", options->dim, "Keep the first so many components and normalise again");
  add_model_option(command, options->model, context);
  add_common_options(command, context, Common::json);
  command.callback([options, &context] {
    auto model = load_model(options->model, context);
    Explanation explanation = model->explain(options->text, {.dim = options->dim, .prompt = options->prompt});
    if (context.json) return print_json(explanation, *model, *options);

    print(bold("1  Text") + "\n   " + options->prompt + options->text + "\n\n");
    print(bold("2  Normalised") + faint("  (what the tokenizer sees: case, accents, spaces)") + "\n   " +
          explanation.normalized_text + "\n\n");
    size_t known = static_cast<size_t>(std::count_if(explanation.tokens.begin(), explanation.tokens.end(),
                                                     [](const auto& token) { return token.known; }));
    print(bold("3  Tokens") +
          faint(fmt::format("  ({}, {} of {} known; weight: share of the vector before step 4)",
                            model->tokenizer().model_name(), known, explanation.tokens.size())) +
          "\n");
    float largest = 0;
    for (const auto& token : explanation.tokens) largest = std::max(largest, token.weight);
    Table table({"   token", "id", "norm", "weight", ""});
    for (const auto& token : explanation.tokens) {
      table.add({"   " + token.text, std::to_string(token.id), fmt::format("{:.3f}", token.norm),
                 token.known ? fmt::format("{:.1f}%", 100 * token.weight) : "-",
                 token.known ? bar(token.weight, largest) : "unknown, left out"});
    }
    print(table.text() + "\n");
    print(bold("4  Pooled") + fmt::format("\n   {}; length {:.4f}\n\n", explanation.pooling, explanation.norm_before));
    print(bold("5  Normalised to length 1") + fmt::format("\n   {} components: ", explanation.vector.size()));
    for (size_t i = 0; i < std::min(kValuesShown, explanation.vector.size()); ++i) {
      print(fmt::format("{:+.4f} ", explanation.vector[i]));
    }
    print(explanation.vector.size() > kValuesShown ? "...\n" : "\n");
  });
}

}  // namespace sextant::cli
