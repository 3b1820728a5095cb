// eval/tasks.h: what a model is worth on an evaluation set: similarity, retrieval, classification.
//
// Every result carries its protocol in words, because the same vectors score differently by protocol alone, what it was
// measured on (items), and what happened to the texts on the way (truncated, empty). Per-item scores are kept for a
// paired bootstrap. Deterministic: the same model, set, options and SIMD tier give the same bytes on any number of
// threads. Errors: what Embedder and metrics throw; invalid_argument for more dimensions than the model has; internal
// when its vectors are not finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "eval/datasets.h"
#include "eval/metrics.h"
#include "sextant/embed.h"

namespace sextant::eval {

// What embedding the texts of a task reported, summed up.
struct EmbedCounts {
  size_t text_count = 0;
  size_t truncated_count = 0;
  size_t empty_count = 0;  // without a single known token: a zero vector
  uint64_t token_count = 0;
  uint64_t unknown_count = 0;
};

struct TaskOptions {
  EmbedOptions embed = {};
  size_t thread_count = 0;  // 0: all processors
  base::Progress* progress = nullptr;
};

// Rows [texts.size(), dim], embedded in blocks on several threads. dim = options.embed.dim or the model's.
std::vector<float> embed_all(const Embedder& model, const std::vector<std::string>& texts, const TaskOptions& options,
                             EmbedCounts& counts);

// --- similarity ---

struct StsResult {
  std::string name;
  size_t pair_count = 0;
  double spearman = 0;
  double pearson = 0;
  std::vector<double> gold;    // [pair_count]
  std::vector<double> cosine;  // [pair_count], in double from the float vectors
  EmbedCounts counts;
  std::string items;     // how many of what, and what was left out
  std::string protocol;  // what was computed, how, and with which vectors
};

StsResult run_sts(const Embedder& model, const StsDataset& dataset, const TaskOptions& options = {});

// Spearman of A minus that of B over the same pairs. REQUIRES: the same dataset.
BootstrapResult compare(const StsResult& a, const StsResult& b, const BootstrapOptions& options = {});

// --- retrieval ---

struct RetrievalOptions : TaskOptions {
  // Written before queries and documents; absent: the model's own prompts of these names, if it has any.
  // embed.prompt is not used.
  std::optional<std::string> query_prompt = {};
  std::optional<std::string> document_prompt = {};
  size_t depth = 1000;  // documents ranked a query
};

struct RetrievalResult {
  std::string name;
  size_t document_count = 0;
  size_t query_count = 0;
  size_t judgement_count = 0;
  size_t no_relevant_count = 0;  // queries that are judged without one relevant document: they score 0, and count
  double ndcg_10 = 0;
  double map = 0;
  double recall_100 = 0;
  double mrr_10 = 0;
  std::vector<double> ndcg_10_by_query;  // [query_count]
  EmbedCounts counts;
  std::string items;     // how many of what, and what was left out
  std::string protocol;  // what was computed, how, and with which vectors
};

RetrievalResult run_retrieval(const Embedder& model, const RetrievalDataset& dataset,
                              const RetrievalOptions& options = {});

// nDCG@10 of A minus that of B over the same queries. REQUIRES: the same dataset.
BootstrapResult compare(const RetrievalResult& a, const RetrievalResult& b, const BootstrapOptions& options = {});

// The depth documents with the highest scores, best first, ties by id descending: what sort_as_trec_eval would put
// first. id_places[i]: the place of document i among all ids sorted descending.
std::vector<uint32_t> rank_documents(std::span<const float> scores, std::span<const uint32_t> id_places, size_t depth);

// --- classification ---

enum class ClassificationProtocol {
  centroid,  // the label whose centroid is nearest: mean of the unit vectors of its training texts, normalised
  mteb,      // logistic regression on a few examples a label, mean accuracy over several draws
};
// Throws invalid_argument for any other name.
ClassificationProtocol parse_protocol(std::string_view name);

struct ClassificationOptions : TaskOptions {
  ClassificationProtocol protocol = ClassificationProtocol::centroid;
  // For mteb:
  uint64_t seed = 42;
  size_t run_count = 10;
  size_t examples_per_label = 8;
  double c = 1;
  size_t iteration_count_max = 100;
};

struct ClassificationResult {
  std::string name;
  size_t train_count = 0;  // texts that there are to train on
  size_t test_count = 0;
  size_t label_count = 0;
  size_t untrained_count = 0;           // test texts whose label has no training text: always wrong
  double accuracy = 0;                  // mean over runs
  double macro_f1 = 0;                  // mean over runs
  std::vector<double> accuracy_by_run;  // one for centroid
  std::vector<double> correct_by_item;  // [test_count]: share of runs that were right
  EmbedCounts counts;
  std::string items;     // how many of what, and what was left out
  std::string protocol;  // what was computed, how, and with which vectors
};

ClassificationResult run_classification(const Embedder& model, const ClassificationDataset& dataset,
                                        const ClassificationOptions& options = {});

// Accuracy of A minus that of B over the same test texts. REQUIRES: the same dataset.
BootstrapResult compare(const ClassificationResult& a, const ClassificationResult& b,
                        const BootstrapOptions& options = {});

}  // namespace sextant::eval
