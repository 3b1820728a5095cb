#include "cli/commands/all.h"

namespace sextant::cli {

void add_all_commands(Command app, Context& context) {
  add_index(app, context);
  add_search(app, context);
  add_demo(app, context);
  add_collection(app, context);
  add_add(app, context);
  add_points(app, context);
  add_embed(app, context);
  add_similarity(app, context);
  add_nearest(app, context);
  add_analogy(app, context);
  add_explain(app, context);
  add_tokenize(app, context);
  add_rerank(app, context);
  add_ann(app, context);
  Command train = app.subcommand("train", "Train models and vocabularies");
  train.require_subcommand();
  add_train_static(train, context);
  add_train_average(train, context);
  add_train_tokenizer(train, context);
  add_eval(app, context);
  add_verify(app, context);
  add_pull(app, context);
  add_info(app, context);
}

}  // namespace sextant::cli
