// sextant similarity: how near two texts are; the number comes first.
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/vectors.h"

namespace sextant::cli {
namespace {

struct SimilaritySettings {
  std::string a, b, model;
  std::string metric = "cosine";
};

}  // namespace

void add_similarity(Command app, Context& context) {
  auto options = std::make_shared<SimilaritySettings>();
  Command command = app.subcommand("similarity", "Say how near two texts are in meaning");
  command.option("A", options->a, "A text").required();
  command.option("B", options->b, "Another text").required();
  command.option("--metric", options->metric, "cosine, dot (ip), l2 (euclidean) or l1 (manhattan)").show_default();
  add_model_option(command, options->model, context);
  add_common_options(command, context, Common::json);
  command.callback([options, &context] {
    Metric metric = parse_float_metric(options->metric);
    auto model = load_model(options->model, context);
    std::vector<float> a = embed_one(*model, options->a, context);
    std::vector<float> b = embed_one(*model, options->b, context);
    float score = measure(metric, a, b);
    if (context.json) {
      nlohmann::ordered_json out = {{"score", score}, {"metric", name(metric)}, {"a", options->a}, {"b", options->b}};
      print(base::json_text(out) + "\n");
    } else {
      print(fmt::format("{:.4f}  {}\n", score,
                        faint(fmt::format("{} of \"{}\" and \"{}\"", name(metric), options->a, options->b))));
    }
  });
}

}  // namespace sextant::cli
