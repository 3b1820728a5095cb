// cli/commands/all.h: every command, in the order of the help page.
#pragma once

#include "cli/command.h"

namespace sextant::cli {

void add_all_commands(Command app, Context& context);

// Documents in, answers out.
void add_index(Command app, Context& context);
void add_search(Command app, Context& context);
void add_demo(Command app, Context& context);
// Collections of points.
void add_collection(Command app, Context& context);
void add_reembed(Command collection, Context& context);  // hangs under `collection`
void add_add(Command app, Context& context);
void add_points(Command app, Context& context);  // get, delete, scroll, count, facet
// Vectors.
void add_embed(Command app, Context& context);
void add_similarity(Command app, Context& context);
void add_nearest(Command app, Context& context);
void add_analogy(Command app, Context& context);
void add_explain(Command app, Context& context);
void add_tokenize(Command app, Context& context);
void add_rerank(Command app, Context& context);
// Vectors alone, without documents; its commands hang under `ann`.
void add_ann(Command app, Context& context);
// Train and measure. `train` is added first; its commands hang under it.
void add_train_static(Command train, Context& context);
void add_train_average(Command train, Context& context);
void add_train_tokenizer(Command train, Context& context);
void add_eval(Command app, Context& context);
void add_verify(Command app, Context& context);
// Models from the network.
void add_pull(Command app, Context& context);
void add_info(Command app, Context& context);

}  // namespace sextant::cli
