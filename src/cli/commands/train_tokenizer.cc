// sextant train tokenizer: a vocabulary from text, in the form that Hugging Face's libraries load too.
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "train/tokenizer_train.h"

namespace sextant::cli {
namespace {

struct TrainTokenizerSettings {
  std::vector<std::string> inputs;
  std::string output;
  std::string model;
  bool lowercase = false;
  bool no_lowercase = false;
  std::vector<std::string> special_tokens;
  train::TokenizerTrainOptions train;
};

// What the corpus had that the vocabulary does not: nothing of it goes unsaid.
void note_losses(const Context& context, const train::TokenizerTrainReport& report) {
  const train::WordCounterReport& words = report.words;
  if (words.texts_repaired > 0) {
    context.note("{} texts were not valid UTF-8; their bad bytes became U+FFFD", words.texts_repaired);
  }
  if (words.words_cut > 0) context.note("{} words were very long and counted in parts", words.words_cut);
  if (words.words_pruned > 0) {
    context.note("{} rare words, seen {} times or less by then, were dropped to stay within --max-words",
                 words.words_pruned, words.prune_count_max);
  }
  if (report.characters_dropped > 0) {
    context.note("{} rare characters are no entries and will be unknown (--limit-alphabet keeps more)",
                 report.characters_dropped);
  }
}

}  // namespace

void add_train_tokenizer(Command train_command, Context& context) {
  auto options = std::make_shared<TrainTokenizerSettings>();
  train::TokenizerTrainOptions& train = options->train;
  Command command = train_command.subcommand("tokenizer", "Learn a vocabulary and write its tokenizer.json");
  command.option("--model", options->model, "Kind of vocabulary")
      .one_of({"wordpiece", "bpe", "unigram"})
      .show_default("wordpiece");
  command.option("--vocab-size", train.vocabulary_size, "Entries, special tokens included").show_default();
  command.option("--input", options->inputs,
                 "Files to learn from, plain or .zst: a text a line, or .jsonl objects; - is standard input");
  command.option("--output", options->output, "Folder for tokenizer.json and tokenizer_config.json");
  command.option("--field", train.fields, "Fields of .jsonl objects to read; default: text, title, a, b and n");
  command.flag("--whole-words", train.whole_words,
               "wordpiece: no parts of words, only characters and the most frequent words");
  Option lowercase = command.flag("--lowercase", options->lowercase,
                                  "Lower the case (wordpiece also strips accents); default for wordpiece");
  command.flag("--no-lowercase", options->no_lowercase, "Keep the case; default for bpe and unigram")
      .excludes(lowercase);
  command.option("--min-frequency", train.min_frequency, "Occurrences below which nothing becomes an entry")
      .show_default();
  command
      .option("--special-tokens", options->special_tokens,
              "They get the first ids, in this order; default: [PAD],[UNK],[CLS],[SEP],[MASK] for wordpiece, "
              "else <s>,<pad>,</s>,<unk>,<mask>")
      .delimiter(',');
  command.option("--limit-alphabet", train.alphabet_max,
                 "Characters that are entries of their own at most (wordpiece, unigram); default: all but the "
                 "rarest ten thousandth of the text, 1000 in any case");
  command.option("--max-words", train.words_max, "Distinct words kept in memory while counting")
      .range(size_t{1000}, size_t{1} << 30)
      .show_default();
  add_common_options(command, context, Common::json | Common::threads);
  command.callback([options, &context] {
    train::TokenizerTrainOptions& o = options->train;
    if (options->inputs.empty()) throw Error(ErrorCode::invalid_argument, "train tokenizer: --input is missing");
    if (options->output.empty()) throw Error(ErrorCode::invalid_argument, "train tokenizer: --output is missing");
    if (!options->model.empty()) o.model = train::parse_vocabulary_model(options->model);
    if (options->lowercase || options->no_lowercase) o.lowercase = options->lowercase;
    if (!options->special_tokens.empty()) o.special_tokens = options->special_tokens;
    o.thread_count = context.thread_count;

    auto progress = context.progress();
    train::TokenizerTrainReport report = train::train_tokenizer(options->inputs, options->output, o, progress.get());
    progress.reset();
    note_losses(context, report);
    if (report.vocabulary_size < o.vocabulary_size) {
      context.note("the text gives no more than {} of the {} entries asked for", report.vocabulary_size,
                   o.vocabulary_size);
    }
    if (context.json) {
      nlohmann::ordered_json out = {{"output", options->output},
                                    {"model", train::name(o.model)},
                                    {"vocabulary", report.vocabulary_size},
                                    {"merges", report.merge_count},
                                    {"alphabet", report.alphabet_size},
                                    {"characters_dropped", report.characters_dropped},
                                    {"texts", report.words.texts},
                                    {"bytes", report.words.text_bytes},
                                    {"words", report.words.words},
                                    {"words_distinct", report.words.words_distinct},
                                    {"words_pruned", report.words.words_pruned},
                                    {"words_cut", report.words.words_cut},
                                    {"texts_repaired", report.words.texts_repaired},
                                    {"counting_seconds", report.counting_s},
                                    {"training_seconds", report.training_s}};
      return print(base::json_text(out) + "\n");
    }
    print(fmt::format(
        "{}: {} entries from {} words ({} distinct) of {} texts; counted in {:.1f} s, trained in {:.1f} s\n",
        options->output, report.vocabulary_size, report.words.words, report.words.words_distinct, report.words.texts,
        report.counting_s, report.training_s));
  });
}

}  // namespace sextant::cli
