// sextant nearest and sextant analogy: the words of a model's vocabulary that lie nearest to a vector.
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/table.h"
#include "cli/vectors.h"
#include "simd/kernels.h"

namespace sextant::cli {
namespace {

struct NearestSettings {
  std::string text, model;
  std::vector<std::string> terms;
  std::string metric = "cosine";
  size_t limit = 10;
};

void show(const WordVectors& vocabulary, const std::vector<WordHit>& hits, Metric metric, const Context& context) {
  if (context.json) {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (const WordHit& hit : hits) out.push_back({{"word", vocabulary.words[hit.word]}, {"score", hit.score}});
    print(base::json_text(out) + "\n");
    return;
  }
  Table table({"word", std::string(name(metric))});
  for (const WordHit& hit : hits) table.add({vocabulary.words[hit.word], fmt::format("{:.4f}", hit.score)});
  print(table.text());
}

// king - man + woman: terms joined by + and -, the first positive.
std::vector<std::pair<float, std::string>> parse_terms(const std::vector<std::string>& words) {
  std::vector<std::pair<float, std::string>> terms;
  float sign = 1;
  bool expect_term = true;
  for (const std::string& word : words) {
    if (word == "+" || word == "-") {
      if (expect_term && !terms.empty()) {
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("analogy: '{}' follows another sign; expected a word", word));
      }
      sign = word == "-" ? -1.0f : 1.0f;
      expect_term = true;
    } else {
      if (!expect_term) {
        throw Error(
            ErrorCode::invalid_argument,
            fmt::format("analogy: '{}' follows '{}'; expected + or - between words", word, terms.back().second));
      }
      terms.emplace_back(sign, word);
      expect_term = false;
    }
  }
  if (expect_term || terms.size() < 2) {
    throw Error(ErrorCode::invalid_argument, "analogy: expected words joined by + and -, as in: king - man + woman");
  }
  return terms;
}

}  // namespace

void add_nearest(Command app, Context& context) {
  auto options = std::make_shared<NearestSettings>();
  Command command = app.subcommand("nearest", "List the words nearest in meaning to a word or text");
  command.option("WORD_OR_TEXT", options->text, "A word or a text").required();
  command.option("--limit", options->limit, "How many words").range(1, 10000).show_default();
  command.option("--metric", options->metric, "cosine, dot (ip), l2 (euclidean) or l1 (manhattan)").show_default();
  add_model_option(command, options->model, context);
  add_common_options(command, context, Common::json);
  command.callback([options, &context] {
    Metric metric = parse_float_metric(options->metric);
    auto model = load_model(options->model, context);
    std::vector<float> query = embed_one(*model, options->text, context);
    WordVectors vocabulary = word_vectors(*model);
    // The word itself would always come first and tells nothing.
    std::vector<std::string> excluded = {model->tokenizer().normalize(options->text)};
    show(vocabulary, nearest_words(vocabulary, query, metric, options->limit, excluded), metric, context);
  });
}

void add_analogy(Command app, Context& context) {
  auto options = std::make_shared<NearestSettings>();
  Command command = app.subcommand("analogy", "Solve king - man + woman with word vectors");
  command.option("TERMS", options->terms, "Words joined by + and -, each its own argument").required();
  command.option("--limit", options->limit, "How many words").range(1, 10000).show_default();
  add_model_option(command, options->model, context);
  add_common_options(command, context, Common::json);
  command.callback([options, &context] {
    auto terms = parse_terms(options->terms);
    auto model = load_model(options->model, context);
    WordVectors vocabulary = word_vectors(*model);
    std::vector<float> sum(model->dim());
    std::vector<std::string> excluded;
    for (const auto& [sign, word] : terms) {
      EmbedReport report;
      std::string_view text = word;
      std::vector<float> vector(model->dim());
      model->embed(std::span(&text, 1), {}, vector, &report);
      if (!report.empty.empty()) {
        throw Error(ErrorCode::not_found,
                    fmt::format("analogy: model '{}' does not know the word '{}'", model->name(), word));
      }
      simd::kernels().add_row_f32(sum.data(), vector.data(), sign, sum.size());
      excluded.push_back(model->tokenizer().normalize(word));
    }
    simd::kernels().normalize_f32(sum.data(), sum.size());
    show(vocabulary, nearest_words(vocabulary, sum, Metric::cosine, options->limit, excluded), Metric::cosine, context);
  });
}

}  // namespace sextant::cli
