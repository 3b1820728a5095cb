// sextant embed: texts into vectors, from arguments, files or folders into files or onto stdout.
#include <algorithm>

#include "cli/commands/all.h"
#include "engine/embed_outputs.h"
#include "engine/embed_stream.h"
#include "eval/token_inputs.h"

namespace sextant::cli {
namespace {

struct EmbedSettings {
  engine::SourceOptions source;
  std::string model, output, calibration, prompt, prompt_name;
  std::string precision = "float32";
  std::string on_overflow = "truncate";
  std::string outputs;
  bool tokens = false;
  std::string token_ids, hidden;
  size_t dim = 0;
  size_t max_length = 0;
  bool normalize = false;
  bool no_normalize = false;
};

constexpr size_t kTruncationsShownMax = 20;

std::string prompt_named(const Embedder& model, const std::string& name) {
  std::string known;
  for (const auto& [key, prompt] : model.prompts()) {
    if (key == name) return prompt;
    known += (known.empty() ? "" : ", ") + key;
  }
  throw Error(ErrorCode::invalid_argument, fmt::format("model '{}' has no prompt '{}'; it has {}", model.name(), name,
                                                       known.empty() ? "none" : known));
}

void note_texts(const engine::EmbedStreamReport& report, const Context& context) {
  for (size_t i = 0; i < std::min(report.skipped.size(), kTruncationsShownMax); ++i) {
    context.note("Skipped {}: {}", report.skipped[i].path, report.skipped[i].reason);
  }
  if (report.skipped.size() > kTruncationsShownMax) {
    context.note("Skipped {} more", report.skipped.size() - kTruncationsShownMax);
  }
  for (size_t i = 0; i < std::min(report.truncated.size(), kTruncationsShownMax); ++i) {
    const auto& cut = report.truncated[i];
    context.note("Truncated {} (item {}): {} tokens dropped", cut.name, cut.item, cut.tokens_dropped);
  }
  if (report.truncated_count > 0) {
    context.note("{} of {} items were truncated, {} tokens dropped in all (--on-overflow error stops, chunk keeps all)",
                 report.truncated_count, report.item_count, report.tokens_dropped);
  }
  if (report.empty_count > 0) {
    context.note("{} vectors are all zeros: the model knows no token of their texts", report.empty_count);
  }
}

void note_files(const engine::EmbedStreamReport& report, const engine::EmbedStreamOptions& stream,
                const Context& context) {
  if (engine::needs_ranges(stream.precision)) {
    context.note("The ranges of {} are those of {}", engine::name(stream.precision),
                 stream.calibration.empty() ? fmt::format("the {} vectors of this input", report.row_count)
                                            : stream.calibration);
  }
  if (!stream.output.empty() && stream.output != "-") {
    context.note("Wrote {} vectors of {} items to {}{}", report.row_count, report.item_count, stream.output,
                 report.items_output.empty() ? "" : ", the item of each to " + report.items_output);
  }
}

// Sparse weights and token vectors have a form of their own.
void run_outputs(const EmbedSettings& options, const Embedder& model, engine::TextSource& source,
                 const EmbedOptions& embed, const Context& context) {
  if (options.precision != "float32") {
    throw Error(ErrorCode::invalid_argument, "--precision is for dense vectors alone");
  }
  engine::EmbedOutputsOptions stream;
  stream.embed = embed;
  stream.wanted = engine::parse_outputs(options.outputs);
  stream.tokens = options.tokens;
  stream.on_overflow = engine::parse_on_overflow(options.on_overflow);
  stream.output = options.output;
  stream.thread_count = context.thread_count;
  auto progress = context.progress();
  note_texts(engine::embed_outputs(model, source, stream, progress.get()), context);
}

}  // namespace

void add_embed(Command app, Context& context) {
  auto options = std::make_shared<EmbedSettings>();
  Command command = app.subcommand("embed", "Turn texts into vectors");
  command.option("TEXT", options->source.texts, "Texts");
  command.option(
      "--input,-i", options->source.input,
      "A file of lines, JSON (.jsonl .json), CSV (.csv .tsv), plain, .zst or .gz, or Parquet; a folder of .txt "
      ".md .html .pdf; - for lines from stdin");
  command.option("--field", options->source.field, "The field of JSON; text where not given");
  command.option("--column", options->source.column,
                 "The column of CSV, by name or number from 0, or of Parquet; text, or the only one, where not given");
  command.option("--output,-o", options->output,
                 "F.npy, F.parquet, F.jsonl, F.csv or F.tsv; without it, JSON lines go to stdout");
  Option name = command.option("--prompt-name", options->prompt_name, "A prompt of the model's config");
  Option prompt = command.option("--prompt", options->prompt, "Text written before each text, as it is; \"\" for none")
                      .excludes(name);
  command.option("--dim", options->dim, "Keep the first so many components and normalise again (Matryoshka)")
      .positive();
  command.option("--precision", options->precision, "float32, int8, uint8, binary or ubinary").show_default();
  command.option("--calibration", options->calibration,
                 "Vectors (.npy) that give int8 and uint8 their ranges; else the whole input does, in two passes");
  Option normalize = command.flag("--normalize", options->normalize, "Make each vector's length 1");
  command
      .flag("--no-normalize", options->no_normalize,
            "Leave the vectors' lengths as they are; default: as the model's own config says")
      .excludes(normalize);
  command.option("--max-length", options->max_length, "Most tokens of a text; the model's own limit when not given")
      .positive();
  command
      .option("--on-overflow", options->on_overflow,
              "Texts over the limit: truncate them, stop with an error, or chunk them into several vectors")
      .show_default();
  command
      .option(
          "--outputs", options->outputs,
          "What one pass writes: dense, sparse (SPLADE, BGE-M3), multi (a vector a token, BGE-M3), joined by commas")
      .show_default();
  command.flag("--tokens", options->tokens, "The hidden state of each token instead: a word has one in each sentence");
  command.option("--token-ids", options->token_ids,
                 "Token ids instead of texts: JSON {\"input_ids\", \"attention_mask\"?, \"token_type_ids\"?}");
  command.option("--hidden", options->hidden,
                 "With --token-ids: F.npy for the hidden states, sequences end to end, F.lengths.npy beside it");
  add_model_option(command, options->model, context);
  add_common_options(command, context, Common::threads);
  command.callback([options, prompt, &context] {
    if (!options->token_ids.empty()) {
      eval::embed_token_ids(options->model, options->token_ids, options->hidden, options->output);
      return;
    }
    if (!options->hidden.empty()) throw Error(ErrorCode::invalid_argument, "--hidden needs --token-ids");
    engine::EmbedStreamOptions stream;
    stream.precision = engine::parse_precision(options->precision);
    stream.on_overflow = engine::parse_on_overflow(options->on_overflow);
    stream.output = options->output;
    stream.calibration = options->calibration;
    stream.thread_count = context.thread_count;
    stream.embed.dim = options->dim;
    if (options->normalize || options->no_normalize) stream.embed.normalize = options->normalize;
    stream.embed.max_length = options->max_length;
    auto source = engine::open_text_source(options->source);
    auto model = load_model(options->model, context);
    stream.embed.prompt = options->prompt_name.empty() ? options->prompt : prompt_named(*model, options->prompt_name);
    stream.embed.use_default_prompt = !prompt.given();
    if (options->outputs.empty()) options->outputs = model->outputs().dense ? "dense" : "sparse";
    if (options->tokens || options->outputs != "dense") {
      return run_outputs(*options, *model, *source, stream.embed, context);
    }
    auto progress = context.progress();
    engine::EmbedStreamReport report = engine::embed_stream(*model, *source, stream, progress.get());
    note_texts(report, context);
    note_files(report, stream, context);
  });
}

}  // namespace sextant::cli
