// cli/commands/all.h: every command, in the order of the help page.
#pragma once

#include "cli/command.h"

namespace sextant::cli {

void add_all_commands(CLI::App& app, Context& context);

// Documents in, answers out.
void add_index(CLI::App& app, Context& context);
void add_search(CLI::App& app, Context& context);
void add_demo(CLI::App& app, Context& context);
// Vectors.
void add_embed(CLI::App& app, Context& context);
void add_similarity(CLI::App& app, Context& context);
void add_nearest(CLI::App& app, Context& context);
void add_analogy(CLI::App& app, Context& context);
void add_explain(CLI::App& app, Context& context);
void add_tokenize(CLI::App& app, Context& context);
// Train and measure. `train` is added first; its commands hang under it.
void add_train_static(CLI::App& train, Context& context);
void add_train_average(CLI::App& train, Context& context);
void add_train_tokenizer(CLI::App& train, Context& context);
void add_eval(CLI::App& app, Context& context);
void add_info(CLI::App& app, Context& context);

}  // namespace sextant::cli
