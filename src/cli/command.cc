#include "cli/command.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "cli/progress_bar.h"
#include "model/cross_encoder.h"
#include "model/transformer_model.h"

namespace sextant::cli {

std::unique_ptr<base::Progress> Context::progress() const {
  if (quiet || !::isatty(STDERR_FILENO)) return nullptr;
  return std::make_unique<ProgressBar>();
}

void Context::write_note(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    throw Error(ErrorCode::unavailable, fmt::format("stdout: cannot write: {}", std::strerror(errno)));
  }
}

void add_common_options(Command command, Context& context, Common which) {
  auto has = [&](Common one) { return (static_cast<unsigned>(which) & static_cast<unsigned>(one)) != 0; };
  if (has(Common::json)) command.flag("--json", context.json, "Print JSON for programs to read");
  if (has(Common::threads)) {
    command.option("--threads", context.thread_count, "Threads to use; 0: all processors")
        .range(0, 1024)
        .show_default();
  }
  command.flag("--quiet,-q", context.quiet, "No progress and no notes on stderr");
}

void add_model_option(Command command, std::string& model, Context& context) {
  model = "builtin";
  command
      .option("--model,-m", model,
              "builtin (the English model inside this program), a model folder, a name in the Hugging Face cache "
              "(sextant pull), or openai:MODEL")
      .show_default();
  add_compute_option(command, context);
}

void add_compute_option(Command command, Context& context) {
  command
      .option("--compute", context.compute,
              "What a transformer computes in: float32, bfloat16, int8, or auto for the fastest here that stays true "
              "to float32")
      .show_default();
  if (const char* folder = std::getenv("SEXTANT_PACKED_CACHE")) context.packed_cache = folder;
  command
      .option("--packed-cache", context.packed_cache,
              "Keep a transformer's weights in this folder as they are computed with, so that the next start is "
              "faster; takes about as much disk as the model. Default: SEXTANT_PACKED_CACHE, else none")
      .type_name("FOLDER");
}

namespace {

LoadOptions load_options(const Context& context) { return {parse_compute(context.compute), context.packed_cache}; }

// MODEL has what TransformerModel and CrossEncoder say of their precision.
template <class Model>
void note_precision(const Model& model, const Context& context) {
  for (const model::PrecisionCheck& check : model.precision_checks()) {
    if (!check.passed() && check.compute == model.compute()) {
      context.note("{} may not be precise enough for this model: {}", sextant::name(check.compute), check.text());
    }
  }
}

}  // namespace

std::unique_ptr<Embedder> load_model(const std::string& name, const Context& context) {
  auto model = Embedder::load(name, load_options(context));
  if (const auto* transformer = dynamic_cast<const model::TransformerModel*>(model.get())) {
    note_precision(*transformer, context);
  } else if (context.compute != "float32" && context.compute != "auto") {
    context.note("--compute {} changes nothing for '{}': it has no layers that are computed here", context.compute,
                 name);
  }
  return model;
}

std::unique_ptr<Reranker> load_reranker(const std::string& name, const Context& context) {
  auto model = Reranker::load(name, load_options(context));
  if (const auto* encoder = dynamic_cast<const model::CrossEncoder*>(model.get())) note_precision(*encoder, context);
  return model;
}

size_t parse_bytes(const std::string& text, std::string_view option) {
  size_t end = 0;
  double number = 0;
  try {
    number = std::stod(text, &end);
  } catch (const std::exception&) {
    end = 0;
  }
  static constexpr std::string_view kUnits = "KMGT";
  double factor = 1;
  const std::string rest = text.substr(end);
  if (rest.size() == 1 && kUnits.find(rest[0]) != std::string_view::npos) {
    for (size_t i = 0; i <= kUnits.find(rest[0]); ++i) factor *= 1024;
  }
  if (end == 0 || !(number > 0) || (!rest.empty() && factor == 1) || number * factor > 1e18) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: '{}', expected a number of bytes such as 512M or 8G", option, text));
  }
  return static_cast<size_t>(number * factor);
}

}  // namespace sextant::cli
