#include "eval/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <span>
#include <unordered_map>

#include "base/random.h"
#include "base/threads.h"
#include "eval/logistic.h"
#include "sextant/error.h"
#include "simd/kernels.h"

namespace sextant::eval {
namespace {

constexpr size_t kBlockTexts = 256;

// Counts texts for a progress bar from many threads.
class Tally {
 public:
  Tally(base::Progress* progress, std::string_view what, std::string_view unit, uint64_t total) : progress_(progress) {
    if (progress_) progress_->begin(what, unit, total);
  }
  ~Tally() {
    if (progress_) progress_->end();
  }
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;
  void add(uint64_t count) {
    if (!progress_) return;
    std::lock_guard lock(mutex_);
    progress_->report(done_ += count);
  }

 private:
  base::Progress* progress_;
  std::mutex mutex_;
  uint64_t done_ = 0;
};

size_t output_dim(const Embedder& model, const TaskOptions& options) {
  return options.embed.dim ? options.embed.dim : model.dim();
}

double cosine(const float* a, const float* b, size_t dim) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < dim; ++i) {
    double x = a[i], y = b[i];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0 && bb > 0 ? ab / (std::sqrt(aa) * std::sqrt(bb)) : 0;
}

void normalize_rows(std::span<float> rows, size_t dim) {
  if (dim == 0) return;
  for (size_t begin = 0; begin < rows.size(); begin += dim) simd::kernels().normalize_f32(&rows[begin], dim);
}

// The end of every protocol: which part of which vectors it was.
std::string describe_vectors(const Embedder& model, const TaskOptions& options) {
  std::string text = fmt::format("model {}, ", model.name());
  size_t dim = output_dim(model, options);
  text += dim < model.dim() ? fmt::format("first {} of {} dimensions", dim, model.dim())
                            : fmt::format("{} dimensions", dim);
  if (options.embed.max_length) text += fmt::format(", texts cut at {} tokens", options.embed.max_length);
  return text;
}

std::string describe_prompt(const std::string& prompt) {
  return prompt.empty() ? "no prompt" : fmt::format("prompt '{}'", prompt);
}

// ", 3 of something", or nothing when there are none.
std::string mention(size_t count, std::string_view text) {
  return count ? fmt::format(", {} {}", count, text) : std::string();
}

std::string model_prompt(const Embedder& model, std::initializer_list<std::string_view> names) {
  for (std::string_view wanted : names) {
    for (const auto& [name, prompt] : model.prompts()) {
      if (name == wanted) return prompt;
    }
  }
  return {};
}

}  // namespace

std::vector<float> embed_all(const Embedder& model, const std::vector<std::string>& texts, const TaskOptions& options,
                             EmbedCounts& counts) {
  size_t dim = output_dim(model, options);
  if (dim > model.dim()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} dimensions were asked for, model {} has {}", dim, model.name(), model.dim()));
  }
  size_t block_count = (texts.size() + kBlockTexts - 1) / kBlockTexts;
  std::vector<float> rows(texts.size() * dim);
  std::vector<EmbedReport> reports(block_count);
  {
    Tally tally(options.progress, "embedding", "texts", texts.size());
    base::ThreadPool pool(std::max<size_t>(
        1, std::min(options.thread_count ? options.thread_count : base::default_thread_count(), block_count)));
    pool.parallel_for(block_count, [&](size_t block, size_t) {
      size_t begin = block * kBlockTexts;
      size_t end = std::min(begin + kBlockTexts, texts.size());
      std::vector<std::string_view> views(texts.begin() + static_cast<ptrdiff_t>(begin),
                                          texts.begin() + static_cast<ptrdiff_t>(end));
      model.embed(views, options.embed, std::span(rows).subspan(begin * dim, (end - begin) * dim), &reports[block]);
      tally.add(end - begin);
    });
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!std::isfinite(rows[i])) {
      throw Error(ErrorCode::internal,
                  fmt::format("model {}: the vector of text {} holds {}", model.name(), i / dim, rows[i]));
    }
  }
  counts.text_count += texts.size();
  for (const EmbedReport& report : reports) {
    counts.truncated_count += report.truncated.size();
    counts.empty_count += report.empty.size();
    counts.token_count += report.token_count;
    counts.unknown_count += report.unknown_count;
  }
  return rows;
}

// --- similarity ---

StsResult run_sts(const Embedder& model, const StsDataset& dataset, const TaskOptions& options) {
  StsResult result;
  result.name = dataset.name;
  result.pair_count = dataset.pairs.size();
  std::vector<std::string> texts;
  for (const StsPair& pair : dataset.pairs) {
    texts.push_back(pair.a);
    texts.push_back(pair.b);
    result.gold.push_back(pair.score);
  }
  std::vector<float> rows = embed_all(model, texts, options, result.counts);
  size_t dim = output_dim(model, options);
  for (size_t i = 0; i < result.pair_count; ++i) {
    result.cosine.push_back(cosine(&rows[2 * i * dim], &rows[(2 * i + 1) * dim], dim));
  }
  result.spearman = spearman(result.cosine, result.gold);
  result.pearson = pearson(result.cosine, result.gold);
  result.items =
      fmt::format("{} pairs{}", result.pair_count, mention(dataset.unscored_count, "without a gold score left out"));
  result.protocol = fmt::format(
      "correlation of the cosine of both sentences' vectors with the gold score: Spearman with average ranks for ties, "
      "and Pearson; {}; {}",
      describe_prompt(options.embed.prompt), describe_vectors(model, options));
  return result;
}

BootstrapResult compare(const StsResult& a, const StsResult& b, const BootstrapOptions& options) {
  if (a.gold != b.gold) throw Error(ErrorCode::invalid_argument, "bootstrap: the two results are of different pairs");
  std::vector<double> gold(a.pair_count), of_a(a.pair_count), of_b(a.pair_count);
  auto difference = [&](std::span<const uint32_t> items) {
    for (size_t i = 0; i < items.size(); ++i) {
      gold[i] = a.gold[items[i]];
      of_a[i] = a.cosine[items[i]];
      of_b[i] = b.cosine[items[i]];
    }
    // A draw of equal values has no correlation to compare; it happens with a handful of pairs only.
    auto constant = [](const std::vector<double>& values) {
      return std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; });
    };
    if (constant(gold) || constant(of_a) || constant(of_b)) return 0.0;
    return spearman(of_a, gold) - spearman(of_b, gold);
  };
  return paired_bootstrap(a.pair_count, difference, options);
}

// --- retrieval ---

std::vector<uint32_t> rank_documents(std::span<const float> scores, std::span<const uint32_t> id_places, size_t depth) {
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  auto before = [&](uint32_t a, uint32_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : id_places[a] < id_places[b];
  };
  size_t kept = std::min(depth, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(kept), order.end(), before);
  order.resize(kept);
  return order;
}

RetrievalResult run_retrieval(const Embedder& model, const RetrievalDataset& dataset, const RetrievalOptions& options) {
  RetrievalResult result;
  result.name = dataset.name;
  result.document_count = dataset.documents.size();
  result.query_count = dataset.queries.size();
  if (result.query_count == 0) throw Error(ErrorCode::invalid_argument, fmt::format("{}: no queries", dataset.name));

  std::string query_prompt = options.query_prompt ? *options.query_prompt : model_prompt(model, {"query"});
  std::string document_prompt =
      options.document_prompt ? *options.document_prompt : model_prompt(model, {"document", "passage", "corpus"});
  size_t dim = output_dim(model, options);
  TaskOptions task = options;
  task.embed.prompt = document_prompt;
  std::vector<float> documents = embed_all(model, dataset.documents, task, result.counts);
  task.embed.prompt = query_prompt;
  std::vector<float> queries = embed_all(model, dataset.queries, task, result.counts);
  normalize_rows(documents, dim);
  normalize_rows(queries, dim);

  std::vector<uint32_t> by_id(dataset.documents.size()), id_places(dataset.documents.size());
  std::iota(by_id.begin(), by_id.end(), 0u);
  std::sort(by_id.begin(), by_id.end(),
            [&](uint32_t a, uint32_t b) { return dataset.document_ids[a] > dataset.document_ids[b]; });
  for (uint32_t place = 0; place < by_id.size(); ++place) id_places[by_id[place]] = place;

  struct Scores {
    double ndcg_10, average_precision, recall_100, reciprocal_rank_10;
    bool any_relevant;
  };
  std::vector<Scores> scores(result.query_count);
  simd::Rows<float> rows{documents.data(), dataset.documents.size(), dim, dim * sizeof(float)};
  {
    Tally tally(options.progress, "ranking", "queries", result.query_count);
    base::ThreadPool pool(options.thread_count);
    pool.parallel_for(result.query_count, [&](size_t q, size_t) {
      std::vector<float> similarities(dataset.documents.size());
      simd::kernels().dot_f32_rows(&queries[q * dim], rows, similarities.data());
      std::vector<uint32_t> ranking = rank_documents(similarities, id_places, options.depth);

      std::unordered_map<uint32_t, double> gains;
      std::vector<double> judged;
      size_t relevant_count = 0;
      for (const Judgement& judgement : dataset.judgements[q]) {
        if (judgement.document != kUnknownDocument) gains[judgement.document] = judgement.gain;
        judged.push_back(judgement.gain);
        relevant_count += judgement.gain > 0;
      }
      std::vector<double> ranked;
      for (uint32_t document : ranking) {
        auto found = gains.find(document);
        ranked.push_back(found == gains.end() ? 0 : found->second);
      }
      scores[q] = {ndcg(ranked, judged, 10), average_precision(ranked, relevant_count),
                   recall(ranked, relevant_count, 100), reciprocal_rank(ranked, 10), relevant_count > 0};
      tally.add(1);
    });
  }
  for (size_t q = 0; q < result.query_count; ++q) {
    result.ndcg_10 += scores[q].ndcg_10;
    result.map += scores[q].average_precision;
    result.recall_100 += scores[q].recall_100;
    result.mrr_10 += scores[q].reciprocal_rank_10;
    result.no_relevant_count += !scores[q].any_relevant;
    result.judgement_count += dataset.judgements[q].size();
    result.ndcg_10_by_query.push_back(scores[q].ndcg_10);
  }
  for (double* sum : {&result.ndcg_10, &result.map, &result.recall_100, &result.mrr_10}) {
    *sum /= static_cast<double>(result.query_count);
  }

  result.items =
      fmt::format("{}: {} documents (title + text), {} queries with {} judgements from {}{}{}{}{}", dataset.format,
                  result.document_count, result.query_count, result.judgement_count, dataset.judgements_name,
                  mention(result.no_relevant_count, "queries without a relevant document scored 0"),
                  mention(dataset.unjudged_query_count, "unjudged queries left out"),
                  mention(dataset.unknown_query_count, "judged queries that are not there left out"),
                  mention(dataset.unknown_document_count, "judged documents that are not there"));
  result.protocol = fmt::format(
      "top {} by exact cosine, ties by document id descending as in trec_eval; nDCG with linear gain and the ideal "
      "over "
      "all judged, unjudged = 0; MAP and recall over all relevant; queries with {}, documents with {}; {}",
      options.depth, describe_prompt(query_prompt), describe_prompt(document_prompt), describe_vectors(model, options));
  return result;
}

BootstrapResult compare(const RetrievalResult& a, const RetrievalResult& b, const BootstrapOptions& options) {
  return paired_bootstrap(a.ndcg_10_by_query, b.ndcg_10_by_query, options);
}

// --- classification ---

ClassificationProtocol parse_protocol(std::string_view name) {
  if (name == "centroid") return ClassificationProtocol::centroid;
  if (name == "mteb") return ClassificationProtocol::mteb;
  throw Error(ErrorCode::invalid_argument, fmt::format("protocol '{}' is not known, expected centroid or mteb", name));
}

namespace {

using Predictions = std::vector<std::vector<uint32_t>>;  // [run][test text]

Predictions predict_by_centroid(const Embedder& model, const ClassificationDataset& dataset,
                                const ClassificationOptions& options, EmbedCounts& counts) {
  size_t dim = output_dim(model, options);
  size_t label_count = dataset.label_names.size();
  std::vector<float> train = embed_all(model, dataset.train.texts, options, counts);
  std::vector<float> test = embed_all(model, dataset.test.texts, options, counts);
  normalize_rows(train, dim);

  // The mean's length is lost in normalising, so the sum will do.
  std::vector<double> sums(label_count * dim);
  std::vector<bool> trained(label_count);
  for (size_t i = 0; i < dataset.train.labels.size(); ++i) {
    uint32_t label = dataset.train.labels[i];
    trained[label] = true;
    for (size_t d = 0; d < dim; ++d) sums[label * dim + d] += train[i * dim + d];
  }
  std::vector<float> centroids;       // [labels with training texts, dim]
  std::vector<uint32_t> centroid_of;  // their labels, ascending
  for (uint32_t label = 0; label < label_count; ++label) {
    if (!trained[label]) continue;
    double squares = 0;
    for (size_t d = 0; d < dim; ++d) squares += sums[label * dim + d] * sums[label * dim + d];
    double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
    for (size_t d = 0; d < dim; ++d) centroids.push_back(static_cast<float>(sums[label * dim + d] * scale));
    centroid_of.push_back(label);
  }

  std::vector<uint32_t> predicted;
  std::vector<float> scores(centroid_of.size());
  simd::Rows<float> rows{centroids.data(), centroid_of.size(), dim, dim * sizeof(float)};
  for (size_t i = 0; i < dataset.test.texts.size(); ++i) {
    simd::kernels().dot_f32_rows(&test[i * dim], rows, scores.data());
    predicted.push_back(
        centroid_of[static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin())]);
  }
  return {predicted};
}

Predictions predict_as_mteb(const Embedder& model, const ClassificationDataset& dataset,
                            const ClassificationOptions& options, EmbedCounts& counts) {
  size_t dim = output_dim(model, options);
  size_t train_count = dataset.train.texts.size();
  // One generator for all runs, each shuffling what the run before left: the draws differ, and follow from the seed.
  base::Random random(options.seed);
  std::vector<uint32_t> order(train_count);
  std::iota(order.begin(), order.end(), 0u);
  std::vector<std::vector<uint32_t>> samples(options.run_count);
  std::vector<bool> needed(train_count);
  for (auto& sample : samples) {
    random.shuffle(order);
    std::vector<size_t> taken(dataset.label_names.size());
    for (uint32_t item : order) {
      if (taken[dataset.train.labels[item]] == options.examples_per_label) continue;
      ++taken[dataset.train.labels[item]];
      sample.push_back(item);
      needed[item] = true;
    }
  }

  // Labels that were drawn, numbered without gaps: the regression must not know of any other. Every label with a
  // training text is drawn in each run.
  std::vector<uint32_t> label_of, number_of(dataset.label_names.size(), UINT32_MAX);
  {
    std::vector<bool> trained(dataset.label_names.size());
    for (uint32_t label : dataset.train.labels) trained[label] = true;
    for (uint32_t label = 0; label < trained.size(); ++label) {
      if (!trained[label]) continue;
      number_of[label] = static_cast<uint32_t>(label_of.size());
      label_of.push_back(label);
    }
  }

  std::vector<std::string> texts;
  std::vector<size_t> row_of(train_count);
  for (size_t i = 0; i < train_count; ++i) {
    if (!needed[i]) continue;
    row_of[i] = texts.size();
    texts.push_back(dataset.train.texts[i]);
  }
  std::vector<float> train = embed_all(model, texts, options, counts);
  std::vector<float> test = embed_all(model, dataset.test.texts, options, counts);

  Predictions predictions(options.run_count);
  Tally tally(options.progress, "fitting", "runs", options.run_count);
  base::ThreadPool pool(
      std::min(options.thread_count ? options.thread_count : base::default_thread_count(), options.run_count));
  pool.parallel_for(options.run_count, [&](size_t run, size_t) {
    std::vector<float> rows;
    std::vector<uint32_t> labels;
    for (uint32_t item : samples[run]) {
      const float* row = &train[row_of[item] * dim];
      rows.insert(rows.end(), row, row + dim);
      labels.push_back(number_of[dataset.train.labels[item]]);
    }
    LogisticRegression regression(rows, dim, labels, label_of.size(),
                                  {.c = options.c, .iteration_count_max = options.iteration_count_max});
    for (size_t i = 0; i < dataset.test.texts.size(); ++i) {
      predictions[run].push_back(label_of[regression.predict(std::span(test).subspan(i * dim, dim))]);
    }
    tally.add(1);
  });
  return predictions;
}

}  // namespace

ClassificationResult run_classification(const Embedder& model, const ClassificationDataset& dataset,
                                        const ClassificationOptions& options) {
  if (options.run_count == 0 || options.examples_per_label == 0) {
    throw Error(ErrorCode::invalid_argument, "classification: run_count and examples_per_label must be at least 1");
  }
  if (dataset.train.texts.empty() || dataset.test.texts.empty()) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{}: no training or no test texts", dataset.name));
  }
  ClassificationResult result;
  result.name = dataset.name;
  result.train_count = dataset.train.texts.size();
  result.test_count = dataset.test.texts.size();
  result.label_count = dataset.label_names.size();
  std::vector<bool> trained(result.label_count);
  for (uint32_t label : dataset.train.labels) trained[label] = true;
  for (uint32_t label : dataset.test.labels) result.untrained_count += !trained[label];

  bool is_mteb = options.protocol == ClassificationProtocol::mteb;
  Predictions predictions = is_mteb ? predict_as_mteb(model, dataset, options, result.counts)
                                    : predict_by_centroid(model, dataset, options, result.counts);
  result.correct_by_item.resize(result.test_count);
  double share = 1 / static_cast<double>(predictions.size());
  std::vector<double> f1_by_run;
  for (const auto& predicted : predictions) {
    result.accuracy_by_run.push_back(accuracy(dataset.test.labels, predicted));
    f1_by_run.push_back(macro_f1(dataset.test.labels, predicted));
    for (size_t i = 0; i < predicted.size(); ++i) {
      if (predicted[i] == dataset.test.labels[i]) result.correct_by_item[i] += share;
    }
  }
  result.accuracy = mean(result.accuracy_by_run);
  result.macro_f1 = mean(f1_by_run);

  std::string method =
      is_mteb ? fmt::format(
                    "logistic regression (L-BFGS, C = {}, at most {} iterations) on {} training texts a label, drawn "
                    "{} times by a shuffle with seed {}; mean over the draws of accuracy and macro F1 on the whole "
                    "test set",
                    options.c, options.iteration_count_max, options.examples_per_label, options.run_count, options.seed)
              : std::string(
                    "nearest class centroid by cosine, a centroid being the normalised mean of the unit vectors of "
                    "all training texts of a label; ties to the first label by name; accuracy and macro F1 on the "
                    "whole test set");
  result.items =
      fmt::format("{} training and {} test texts, {} labels{}", result.train_count, result.test_count,
                  result.label_count, mention(result.untrained_count, "test texts of labels without a training text"));
  result.protocol =
      fmt::format("{}; {}; {}", method, describe_prompt(options.embed.prompt), describe_vectors(model, options));
  return result;
}

BootstrapResult compare(const ClassificationResult& a, const ClassificationResult& b, const BootstrapOptions& options) {
  return paired_bootstrap(a.correct_by_item, b.correct_by_item, options);
}

}  // namespace sextant::eval
