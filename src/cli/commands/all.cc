#include "cli/commands/all.h"

namespace sextant::cli {

void add_all_commands(CLI::App& app, Context& context) {
  add_similarity(app, context);
  add_nearest(app, context);
  add_analogy(app, context);
  add_explain(app, context);
  add_tokenize(app, context);
  add_info(app, context);
}

}  // namespace sextant::cli
