// sextant info: this program, this machine, and a model.
#include <nlohmann/json.hpp>

#include "base/threads.h"
#include "cli/commands/all.h"
#include "sextant/version.h"
#include "simd/kernels.h"

namespace sextant::cli {

void add_info(Command app, Context& context) {
  auto model_name = std::make_shared<std::string>();
  Command command = app.subcommand("info", "Describe this program, this machine and a model");
  add_model_option(command, *model_name);
  add_common_options(command, context, Common::json);
  command.callback([model_name, &context] {
    auto model = Embedder::load(*model_name);
    nlohmann::ordered_json out = {{"version", kVersion},
                                  {"simd", simd::name(simd::kernels().tier)},
                                  {"simd_best", simd::name(simd::best_tier())},
                                  {"threads", base::default_thread_count()},
                                  {"model", model->name()},
                                  {"model_hash", model->hash()},
                                  {"dim", model->dim()},
                                  {"max_length", model->max_length()},
                                  {"tokenizer", model->tokenizer().model_name()},
                                  {"vocabulary", model->tokenizer().vocabulary_size()},
                                  {"similarity", name(model->similarity())}};
    if (context.json) return print(out.dump() + "\n");
    for (const auto& [key, value] : out.items()) {
      std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
      if (key == "max_length" && model->max_length() == 0) shown = "no limit";
      print(fmt::format("{:<12} {}\n", key, shown));
    }
  });
}

}  // namespace sextant::cli
