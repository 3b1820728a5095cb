// sextant train average: the mean of static models that share a vocabulary.
#include "cli/commands/all.h"
#include "train/static_folder.h"

namespace sextant::cli {
namespace {

struct TrainAverageSettings {
  std::vector<std::string> models;
  std::string output, quantized;
};

}  // namespace

void add_train_average(Command train, Context& context) {
  auto options = std::make_shared<TrainAverageSettings>();
  Command command = train.subcommand("average", "Average static models that were trained from one seed");
  command.option("MODEL", options->models, "Folders of models with one vocabulary").required();
  command.option("--output", options->output, "Folder for the model").required();
  command.option("--quantized", options->quantized, "Folder for the same model with int8 rows");
  add_common_options(command, context, Common::quiet);
  command.callback([options] {
    train::average_static({options->models.begin(), options->models.end()}, options->output);
    if (!options->quantized.empty()) train::quantize_static(options->output, options->quantized);
  });
}

}  // namespace sextant::cli
