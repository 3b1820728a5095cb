// sextant train static: a static model from pairs of texts, by flags or by a recipe file.
//
// recipe := {"root"?: folder of the sources, "tokenizer"?, "output"?, "phase_ends"?: [share ...],
//            "dim"?, "matryoshka"?: [dim ...], "batch"?, "segment"?, "steps"?, "epochs"?, "max_length"?,
//            "learning_rate"?, "warmup"?, "scale"?, "sif"?, "seed"?, "sources": [source ...]}
// source := {"pairs" | "text": file, "weight"?: number or [number ...], one a phase, "kinds"?: [...], "keep"?: number}
// Flags given beside --config win over the file. Unknown keys are errors.
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/json.h"
#include "cli/commands/all.h"
#include "train/static_folder.h"
#include "train/static_trainer.h"

namespace sextant::cli {
namespace {

using nlohmann::json;

struct TrainStaticSettings {
  std::vector<std::string> pairs, texts;
  std::string config, tokenizer, output, root, quantized;
  std::vector<size_t> matryoshka;
  std::string kinds = "title,heading,neighbour,halves";
  double keep = 0.25;
  train::StaticTrainOptions train;
  // Flags that were given, to be applied over the recipe.
  std::vector<std::function<void(train::StaticTrainOptions&)>> overrides;
};

void set_kinds(train::TextPairOptions& text, const std::vector<std::string>& kinds) {
  text.title = text.heading = text.neighbour = text.halves = text.words = false;
  for (const std::string& kind : kinds) {
    if (kind == "title") {
      text.title = true;
    } else if (kind == "heading") {
      text.heading = true;
    } else if (kind == "neighbour") {
      text.neighbour = true;
    } else if (kind == "halves") {
      text.halves = true;
    } else if (kind == "words") {
      text.words = true;
    } else {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("kind '{}' is unknown; expected title, heading, neighbour, halves or words", kind));
    }
  }
}

// FILE[:WEIGHT]; a colon that no number follows belongs to the name.
train::SourceOptions parse_source(const std::string& argument) {
  train::SourceOptions source;
  source.path = argument;
  size_t colon = argument.rfind(':');
  if (colon != std::string::npos && colon + 1 < argument.size()) {
    char* end = nullptr;
    double weight = std::strtod(argument.c_str() + colon + 1, &end);
    if (*end == '\0') {
      source.path = argument.substr(0, colon);
      source.weights = {weight};
    }
  }
  return source;
}

class Recipe {
 public:
  Recipe(const std::string& path, train::StaticTrainOptions& options) : path_(path), options_(options) {
    try {
      root_ = base::parse_json(base::read_file(path));
    } catch (const json::exception& e) {
      throw Error(ErrorCode::corrupted, fmt::format("{}: not valid JSON: {}", path, e.what()));
    }
    if (!root_.is_object()) throw bad("recipe", "an object");
  }

  void read(const std::string& root_flag) {
    std::filesystem::path folder = root_flag;
    for (const auto& [key, value] : root_.items()) {
      if (key == "root") {
        if (root_flag.empty())
          folder = std::filesystem::path(path_).parent_path() / get<std::string>(key, value, "a text");
      } else if (key == "tokenizer") {
        options_.tokenizer = get<std::string>(key, value, "a text");
      } else if (key == "output") {
        options_.output = get<std::string>(key, value, "a text");
      } else if (key == "phase_ends") {
        options_.phase_ends = get<std::vector<double>>(key, value, "a list of numbers");
      } else if (key == "dim") {
        options_.dim = get<size_t>(key, value, "a number");
      } else if (key == "matryoshka") {
        options_.matryoshka_dims = get<std::vector<size_t>>(key, value, "a list of numbers");
      } else if (key == "batch") {
        options_.batch_pairs = get<size_t>(key, value, "a number");
      } else if (key == "segment") {
        options_.segment_pairs = get<size_t>(key, value, "a number");
      } else if (key == "steps") {
        options_.step_count = get<size_t>(key, value, "a number");
      } else if (key == "epochs") {
        options_.epochs = get<double>(key, value, "a number");
      } else if (key == "max_length") {
        options_.tokens_max = get<size_t>(key, value, "a number");
      } else if (key == "learning_rate") {
        options_.learning_rate = get<float>(key, value, "a number");
      } else if (key == "warmup") {
        options_.warmup_steps = get<size_t>(key, value, "a number");
      } else if (key == "scale") {
        options_.scale = get<float>(key, value, "a number");
      } else if (key == "sif") {
        options_.sif = get<double>(key, value, "a number");
      } else if (key == "seed") {
        options_.seed = get<uint64_t>(key, value, "a number");
      } else if (key == "sources") {
        continue;
      } else if (key != "comment") {
        throw bad(key, "no such key");
      }
    }
    if (!root_.contains("sources") || !root_["sources"].is_array()) throw bad("sources", "a list");
    for (const json& item : root_["sources"]) options_.sources.push_back(source(item, folder));
  }

 private:
  Error bad(const std::string& key, const std::string& expected) const {
    return Error(ErrorCode::invalid_argument, fmt::format("{}: '{}': expected {}", path_, key, expected));
  }

  template <class T>
  T get(const std::string& key, const json& value, const char* expected) const {
    try {
      return value.get<T>();
    } catch (const json::exception&) {
      throw bad(key, fmt::format("{}, found {}", expected, base::json_text(value)));
    }
  }

  train::SourceOptions source(const json& item, const std::filesystem::path& folder) const {
    if (!item.is_object()) throw bad("sources", "a list of objects");
    train::SourceOptions source;
    for (const auto& [key, value] : item.items()) {
      if (key == "pairs" || key == "text") {
        source.running_text = key == "text";
        source.path = (folder / get<std::string>(key, value, "a file's name")).string();
      } else if (key == "weight") {
        source.weights = value.is_array() ? get<std::vector<double>>(key, value, "numbers")
                                          : std::vector<double>{get<double>(key, value, "a number")};
      } else if (key == "kinds") {
        set_kinds(source.text, get<std::vector<std::string>>(key, value, "a list of kinds"));
      } else if (key == "keep") {
        source.text.keep = get<double>(key, value, "a number");
      } else {
        throw bad(key, "no such key in a source");
      }
    }
    if (source.path.empty()) throw bad("sources", "'pairs' or 'text' in each");
    return source;
  }

  std::string path_;
  train::StaticTrainOptions& options_;
  json root_;
};

// A flag that wins over the recipe when it is given.
template <class T>
void add_override(Command command, const std::shared_ptr<TrainStaticSettings>& options, const std::string& flag,
                  T train::StaticTrainOptions::*member, const std::string& help) {
  auto value = std::make_shared<T>(options->train.*member);
  Option option = command.option(flag, *value, help).show_default();
  options->overrides.push_back([option, member, value](train::StaticTrainOptions& train) {
    if (option.given()) train.*member = *value;
  });
}

}  // namespace

void add_train_static(Command train, Context& context) {
  auto options = std::make_shared<TrainStaticSettings>();
  Command command = train.subcommand("static", "Train a static model: one vector a token, a text is their mean");
  command.option("--pairs", options->pairs,
                 "FILE[:WEIGHT] of JSON lines {\"a\", \"b\", \"n\"...}, plain or .zst; repeat for more");
  command.option("--text", options->texts,
                 "FILE[:WEIGHT] of JSON lines {\"title\", \"text\"}; pairs derive from titles, headings, neighbours");
  command.option("--kinds", options->kinds, "Which pairs --text gives; there is words, too").show_default();
  command.option("--keep", options->keep, "Share of the neighbours, halves and words of --text that is used")
      .range(0.0, 1.0)
      .show_default();
  command.option("--config", options->config, "A recipe file in JSON instead of, or beside, these flags");
  command.option("--root", options->root, "Folder that the recipe's sources lie in; default: the recipe's \"root\"");
  command.option("--tokenizer", options->tokenizer, "Folder or file with the tokenizer.json to use");
  command.option("--output", options->output, "Folder for the model");
  command.option("--quantized", options->quantized, "Folder for the same model with int8 rows, a quarter of the size");
  command.option("--matryoshka", options->matryoshka, "Prefixes trained to stand alone; default: DIM, DIM/2 ... 32")
      .delimiter(',');
  using T = train::StaticTrainOptions;
  add_override(command, options, "--dim", &T::dim, "Components of a vector");
  add_override(command, options, "--batch", &T::batch_pairs, "Pairs in a batch; all others of it are negatives");
  add_override(command, options, "--segment", &T::segment_pairs, "Pairs in a row from one source; 0: the whole batch");
  add_override(command, options, "--epochs", &T::epochs, "Passes over the sources");
  add_override(command, options, "--steps", &T::step_count, "Batches; 0: as --epochs says");
  add_override(command, options, "--max-length", &T::tokens_max, "Tokens of a text that are used");
  add_override(command, options, "--learning-rate", &T::learning_rate, "Adagrad's step, falling to 0 at the end");
  add_override(command, options, "--warmup", &T::warmup_steps, "Steps until the learning rate is reached");
  add_override(command, options, "--scale", &T::scale, "Factor of the cosines before the softmax");
  add_override(command, options, "--sif", &T::sif, "a of the initial weights a / (a + share); 0: all alike");
  add_override(command, options, "--seed", &T::seed, "Seed of all that is random");
  add_override(command, options, "--checkpoint-steps", &T::checkpoint_steps, "Steps between checkpoints; 0: none");
  command.flag("--resume", options->train.resume, "Go on from the checkpoint in --output, if there is one");
  add_common_options(command, context, Common::json | Common::threads);
  command.callback([options, &context] {
    train::StaticTrainOptions& o = options->train;
    if (!options->config.empty()) Recipe(options->config, o).read(options->root);
    std::vector<std::string> kinds;
    for (size_t begin = 0; begin <= options->kinds.size();) {
      size_t end = std::min(options->kinds.find(',', begin), options->kinds.size());
      if (end > begin) kinds.push_back(options->kinds.substr(begin, end - begin));
      begin = end + 1;
    }
    for (const std::string& argument : options->pairs) o.sources.push_back(parse_source(argument));
    for (const std::string& argument : options->texts) {
      train::SourceOptions source = parse_source(argument);
      source.running_text = true;
      set_kinds(source.text, kinds);
      source.text.keep = options->keep;
      o.sources.push_back(std::move(source));
    }
    if (!options->tokenizer.empty()) o.tokenizer = options->tokenizer;
    if (!options->output.empty()) o.output = options->output;
    if (!options->matryoshka.empty()) o.matryoshka_dims = options->matryoshka;
    for (const auto& apply : options->overrides) apply(o);
    if (o.tokenizer.empty()) throw Error(ErrorCode::invalid_argument, "train static: --tokenizer is missing");
    if (o.output.empty()) throw Error(ErrorCode::invalid_argument, "train static: --output is missing");
    o.thread_count = context.thread_count;

    auto progress = context.progress();
    train::StaticTrainReport report = train::train_static(o, progress.get());
    progress.reset();
    if (!options->quantized.empty()) train::quantize_static(o.output, options->quantized);
    if (context.json) {
      nlohmann::ordered_json out = {{"output", o.output.string()},
                                    {"pairs", report.pair_count},
                                    {"steps", report.step_count},
                                    {"held_out_pairs", report.held_out_count},
                                    {"held_out_loss", report.held_out_loss},
                                    {"seconds", report.seconds}};
      return print(base::json_text(out) + "\n");
    }
    print(fmt::format("{}: {} steps over {} pairs in {:.0f} s; held-out loss {:.4f}\n", o.output.string(),
                      report.step_count, report.pair_count, report.seconds,
                      report.held_out_loss.empty() ? 0.0 : report.held_out_loss[0]));
  });
}

}  // namespace sextant::cli
