// sextant rerank: documents in the order in which they answer a query, by a cross-encoder.
#include "sextant/rerank.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/json.h"
#include "cli/commands/all.h"
#include "engine/text_source.h"

namespace sextant::cli {
namespace {

struct RerankSettings {
  std::string query, model;
  engine::SourceOptions source;
  RerankOptions rerank;
  size_t limit = 0;
};

// Documents of one call: enough for their lengths to be sorted, few enough for the bar to move.
constexpr size_t kCallDocuments = 512;
constexpr size_t kShownColumns = 60;

struct Document {
  std::string text, name;
};

std::vector<float> score_all(const Reranker& model, const RerankSettings& options,
                             const std::vector<Document>& documents, const Context& context) {
  std::vector<float> scores(documents.size());
  RerankOptions rerank = options.rerank;
  rerank.threads = context.thread_count;
  auto progress = context.progress();
  if (progress) progress->begin("reranking", "documents", documents.size());
  for (size_t begin = 0; begin < documents.size(); begin += kCallDocuments) {
    const size_t end = std::min(documents.size(), begin + kCallDocuments);
    std::vector<std::string_view> texts;
    for (size_t i = begin; i < end; ++i) texts.push_back(documents[i].text);
    EmbedReport report;
    model.score(options.query, texts, rerank, std::span(scores).subspan(begin, end - begin), &report);
    for (const auto& cut : report.truncated) {
      context.note("Truncated {}: {} tokens of query and document dropped", documents[begin + cut.item].name,
                   cut.tokens_dropped);
    }
    if (progress) progress->report(end);
  }
  if (progress) progress->end();
  return scores;
}

std::string first_columns(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  if (line.size() <= kShownColumns) return line;
  size_t end = kShownColumns;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  return line.substr(0, end) + " ...";
}

}  // namespace

void add_rerank(Command app, Context& context) {
  auto options = std::make_shared<RerankSettings>();
  Command command = app.subcommand("rerank", "Put documents in the order in which they answer a query");
  command.option("QUERY", options->query, "The query").required();
  command
      .option("--input,-i", options->source.input,
              "Documents: a file of lines, JSON lines (.jsonl) or CSV, plain or .zst; a folder; - for stdin")
      .required();
  command.option("--field", options->source.field, "The field of JSON lines; text where not given");
  command.option("--column", options->source.column, "The column of CSV, by name or number from 0");
  command.option("--model,-m", options->model, "A cross-encoder's folder").required();
  command.option("--limit,-k", options->limit, "How many documents; 0: all").show_default();
  command.flag("--raw", options->rerank.raw, "Logits, even where the model's config asks for a sigmoid");
  command.option("--instruction", options->rerank.instruction, "For models that take one (Qwen3-Reranker)");
  command.option("--max-length", options->rerank.max_length, "Most tokens of query and document together").positive();
  add_compute_option(command, context);
  add_common_options(command, context, Common::json | Common::threads);
  command.callback([options, &context] {
    auto source = engine::open_text_source(options->source);
    auto model = load_reranker(options->model, context);
    std::vector<Document> documents;
    engine::SourceItem item;
    while (source->next(item)) documents.push_back({std::move(item.text), std::move(item.name)});
    const std::vector<float> scores = score_all(*model, *options, documents, context);
    std::vector<size_t> order(documents.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    if (options->limit > 0 && order.size() > options->limit) order.resize(options->limit);
    for (size_t i : order) {
      if (context.json) {
        nlohmann::ordered_json line = {
            {"index", i}, {"name", documents[i].name}, {"score", scores[i]}, {"text", documents[i].text}};
        print(base::json_text(line) + "\n");
      } else {
        print(fmt::format("{:<10} {:>9.4f}  {}\n", documents[i].name, scores[i],
                          faint(first_columns(documents[i].text))));
      }
    }
  });
}

}  // namespace sextant::cli
