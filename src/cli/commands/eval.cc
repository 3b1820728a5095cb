// sextant eval sts|retrieval|classify: what a model is worth on evaluation sets, with the protocol that gave the
// number.
#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/commands/all.h"
#include "cli/table.h"
#include "eval/tasks.h"

namespace sextant::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kResampleCount = 2000;

struct EvalSettings {
  std::vector<std::string> data;
  std::string model;
  std::string against;
  size_t dim = 0;
  size_t max_length = 0;
  std::string prompt;
  // retrieval
  std::optional<std::string> query_prompt, document_prompt;
  std::string split = "test";
  // classify
  std::string protocol = "centroid";
  std::string text_column, label_column;
  uint64_t seed = 42;
};

// One measured set, as the table and the JSON show it: the first measure is the one that models are compared by.
struct Row {
  std::string name;
  std::vector<std::pair<const char*, double>> measures;
  Json details;
  std::string items, protocol;
  eval::EmbedCounts counts;
  std::optional<double> against;
  std::optional<eval::BootstrapResult> difference;
};

class Models {
 public:
  Models(const EvalSettings& options, const Context& context) : model(load_model(options.model, context)) {
    if (!options.against.empty()) against = load_model(options.against, context);
  }
  std::unique_ptr<Embedder> model, against;
};

template <class Result>
void set_common(Row& row, const Result& result) {
  row.name = result.name;
  row.items = result.items;
  row.protocol = result.protocol;
  row.counts = result.counts;
}

// Runs the task with one model or with both; measure(result) makes the row.
template <class Run, class Measure>
Row run_with(const Models& models, Run run, Measure measure) {
  auto result = run(*models.model);
  Row row = measure(result);
  set_common(row, result);
  if (models.against) {
    auto other = run(*models.against);
    row.against = measure(other).measures.front().second;
    row.difference = eval::compare(result, other, {.resample_count = kResampleCount});
  }
  return row;
}

std::string join_different(const std::vector<Row>& rows, std::string Row::*text) {
  std::string joined;
  std::vector<std::string> seen;
  for (const Row& row : rows) {
    if (std::find(seen.begin(), seen.end(), row.*text) != seen.end()) continue;
    seen.push_back(row.*text);
    joined += (joined.empty() ? "" : " / ") + row.*text;
  }
  return joined;
}

double mean_of(const std::vector<Row>& rows, const std::function<double(const Row&)>& value) {
  double sum = 0;
  for (const Row& row : rows) sum += value(row);
  return sum / static_cast<double>(rows.size());
}

void print_table(const std::vector<Row>& rows, const Models& models) {
  std::vector<std::string> header = {"Set"};
  for (const auto& [name, value] : rows[0].measures) header.emplace_back(name);
  if (models.against) header.insert(header.end(), {"Against", "Difference", "95 % interval", "p"});
  Table table(header);
  for (const Row& row : rows) {
    std::vector<std::string> cells = {row.name};
    for (const auto& [name, value] : row.measures) cells.push_back(fmt::format("{:.4f}", value));
    if (row.difference) {
      cells.push_back(fmt::format("{:.4f}", *row.against));
      cells.push_back(fmt::format("{:+.4f}", row.difference->difference));
      cells.push_back(fmt::format("{:+.4f}, {:+.4f}", row.difference->low, row.difference->high));
      cells.push_back(fmt::format("{:.4f}", row.difference->p_value));
    }
    table.add(cells);
  }
  if (rows.size() > 1) {
    std::vector<std::string> cells = {"mean of the sets"};
    for (size_t m = 0; m < rows[0].measures.size(); ++m) {
      cells.push_back(fmt::format("{:.4f}", mean_of(rows, [m](const Row& row) { return row.measures[m].second; })));
    }
    if (models.against) {
      cells.push_back(fmt::format("{:.4f}", mean_of(rows, [](const Row& row) { return *row.against; })));
      cells.push_back(fmt::format("{:+.4f}", mean_of(rows, [](const Row& row) { return row.difference->difference; })));
      cells.insert(cells.end(), {"", ""});
    }
    table.add(cells);
  }
  print(table.text());
  print(fmt::format("protocol: {}; {}\n", join_different(rows, &Row::items), join_different(rows, &Row::protocol)));
  if (models.against) {
    print(fmt::format(
        "against: model {}, {} compared by a paired bootstrap over the items, {} resamples, seed {}, "
        "percentile interval, two-sided p\n",
        models.against->name(), rows[0].measures.front().first, kResampleCount, eval::BootstrapOptions{}.seed));
  }
}

void print_json(const char* task, const std::vector<Row>& rows, const Models& models, const EvalSettings& options) {
  Json out = {{"task", task},
              {"model", models.model->name()},
              {"model_hash", models.model->hash()},
              {"dim", options.dim ? options.dim : models.model->dim()}};
  if (models.against) out["against"] = {{"model", models.against->name()}, {"model_hash", models.against->hash()}};
  out["results"] = Json::array();
  for (const Row& row : rows) {
    Json result = {{"data", row.name}};
    for (const auto& [name, value] : row.measures) result[name] = value;
    result.update(row.details);
    result["texts"] = row.counts.text_count;
    result["tokens"] = row.counts.token_count;
    result["unknown_tokens"] = row.counts.unknown_count;
    result["truncated"] = row.counts.truncated_count;
    result["empty"] = row.counts.empty_count;
    result["items"] = row.items;
    result["protocol"] = row.protocol;
    if (row.difference) {
      result["against"] = {{rows[0].measures.front().first, *row.against},
                           {"difference", row.difference->difference},
                           {"interval_95", {row.difference->low, row.difference->high}},
                           {"p", row.difference->p_value},
                           {"resamples", kResampleCount}};
    }
    out["results"].push_back(result);
  }
  print(base::json_text(out, 2) + "\n");
}

void report(const char* task, const std::vector<Row>& rows, const Models& models, const EvalSettings& options,
            const Context& context) {
  for (const Row& row : rows) {
    if (row.counts.truncated_count) {
      context.note("{}: {} of {} texts were truncated to what the model can take", row.name, row.counts.truncated_count,
                   row.counts.text_count);
    }
    if (row.counts.empty_count) {
      context.note("{}: {} of {} texts have no token that the model knows; their vector is zero", row.name,
                   row.counts.empty_count, row.counts.text_count);
    }
  }
  if (context.json) {
    print_json(task, rows, models, options);
  } else {
    print_table(rows, models);
  }
}

// The options that all three share.
void add_shared_options(Command command, const std::shared_ptr<EvalSettings>& options, Context& context,
                        const char* data_help) {
  command.option("--data", options->data, data_help).required().type_name("PATH");
  add_model_option(command, options->model, context);
  command.option("--against", options->against, "A second model: says whether the difference is more than noise");
  command.option("--dim", options->dim, "Keep the first DIM components of each vector (Matryoshka); 0: all");
  command.option("--max-length", options->max_length, "Tokens read of each text; 0: the model's own limit");
  add_common_options(command, context, Common::json | Common::threads);
}

void set_shared(eval::TaskOptions& task, const EvalSettings& options, const Context& context,
                base::Progress* progress) {
  task.embed.dim = options.dim;
  task.embed.max_length = options.max_length;
  task.embed.prompt = options.prompt;
  task.thread_count = context.thread_count;
  task.progress = progress;
}

void run_sts(const EvalSettings& options, const Context& context) {
  std::vector<eval::StsDataset> datasets;
  for (const std::string& path : options.data) {
    for (eval::StsDataset& dataset : eval::read_sts(path)) datasets.push_back(std::move(dataset));
  }
  Models models(options, context);
  auto progress = context.progress();
  eval::TaskOptions task;
  set_shared(task, options, context, progress.get());
  std::vector<Row> rows;
  for (const eval::StsDataset& dataset : datasets) {
    auto run = [&](const Embedder& model) { return eval::run_sts(model, dataset, task); };
    rows.push_back(run_with(models, run, [](const eval::StsResult& result) {
      Row row;
      row.measures = {{"spearman", result.spearman}, {"pearson", result.pearson}};
      row.details = {{"pairs", result.pair_count}};
      return row;
    }));
  }
  report("sts", rows, models, options, context);
}

void run_retrieval(const EvalSettings& options, const Context& context) {
  Models models(options, context);
  auto progress = context.progress();
  eval::RetrievalOptions task;
  set_shared(task, options, context, progress.get());
  // An empty prompt that was given switches the model's own off.
  if (options.query_prompt) task.query_prompt = *options.query_prompt;
  if (options.document_prompt) task.document_prompt = *options.document_prompt;
  std::vector<Row> rows;
  for (const std::string& path : options.data) {
    eval::RetrievalDataset dataset = eval::read_retrieval(path, {.split = options.split});
    auto run = [&](const Embedder& model) { return eval::run_retrieval(model, dataset, task); };
    rows.push_back(run_with(models, run, [](const eval::RetrievalResult& result) {
      Row row;
      row.measures = {{"ndcg@10", result.ndcg_10},
                      {"map", result.map},
                      {"recall@100", result.recall_100},
                      {"mrr@10", result.mrr_10}};
      row.details = {{"documents", result.document_count},
                     {"queries", result.query_count},
                     {"judgements", result.judgement_count}};
      return row;
    }));
  }
  report("retrieval", rows, models, options, context);
}

void run_classify(const EvalSettings& options, const Context& context) {
  eval::ClassificationOptions task;
  task.protocol = eval::parse_protocol(options.protocol);
  task.seed = options.seed;
  Models models(options, context);
  auto progress = context.progress();
  set_shared(task, options, context, progress.get());
  std::vector<Row> rows;
  for (const std::string& path : options.data) {
    eval::ClassificationDataset dataset = eval::read_classification(path, {options.text_column, options.label_column});
    auto run = [&](const Embedder& model) { return eval::run_classification(model, dataset, task); };
    rows.push_back(run_with(models, run, [](const eval::ClassificationResult& result) {
      Row row;
      row.measures = {{"accuracy", result.accuracy}, {"macro_f1", result.macro_f1}};
      row.details = {{"train", result.train_count},
                     {"test", result.test_count},
                     {"labels", result.label_count},
                     {"accuracy_by_run", result.accuracy_by_run}};
      return row;
    }));
  }
  report("classify", rows, models, options, context);
}

}  // namespace

void add_eval(Command app, Context& context) {
  Command eval = app.subcommand("eval", "Measure a model: sts, retrieval or classify");
  eval.require_subcommand();

  auto sts_options = std::make_shared<EvalSettings>();
  Command sts = eval.subcommand("sts", "Similarity: Spearman of cosine against people's scores");
  add_shared_options(sts, sts_options, context,
                     "Pair files or folders of them: STS Benchmark, SemEval .tsv (score, a, b), .csv or .jsonl with "
                     "score, sentence1, sentence2");
  sts.option("--prompt", sts_options->prompt, "Text written before each sentence");
  sts.callback([sts_options, &context] { run_sts(*sts_options, context); });

  auto retrieval_options = std::make_shared<EvalSettings>();
  Command retrieval = eval.subcommand("retrieval", "Search: nDCG@10, MAP, recall@100, MRR@10");
  add_shared_options(retrieval, retrieval_options, context,
                     "Folders: BEIR (corpus.jsonl, queries.jsonl, qrels/) or Cranfield (cran.all.1400, cran.qry, "
                     "cranqrel)");
  retrieval.option("--split", retrieval_options->split, "BEIR: which qrels/SPLIT.tsv").show_default();
  retrieval.option("--query-prompt", retrieval_options->query_prompt,
                   "Text written before each query, instead of the model's own");
  retrieval.option("--document-prompt", retrieval_options->document_prompt,
                   "Text written before each document, instead of the model's own");
  retrieval.callback([retrieval_options, &context] { run_retrieval(*retrieval_options, context); });

  auto classify_options = std::make_shared<EvalSettings>();
  Command classify = eval.subcommand("classify", "Classification: accuracy on held-out texts");
  add_shared_options(classify, classify_options, context,
                     "Folders with train and test as .csv, .tsv or .jsonl, or a .json file as CLINC150's");
  classify
      .option("--protocol", classify_options->protocol,
              "centroid: nearest class centroid; mteb: logistic regression on 8 examples a label, 10 draws")
      .one_of({"centroid", "mteb"})
      .show_default();
  classify.option("--seed", classify_options->seed, "mteb: seed of the draws").show_default();
  classify.option("--prompt", classify_options->prompt, "Text written before each text");
  classify.option("--text-column", classify_options->text_column, "Column or field of the text");
  classify.option("--label-column", classify_options->label_column, "Column or field of the label");
  classify.callback([classify_options, &context] { run_classify(*classify_options, context); });
}

}  // namespace sextant::cli
