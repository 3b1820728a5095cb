#include "cli/vectors.h"

#include <algorithm>
#include <cmath>

#include "cli/command.h"
#include "simd/kernels.h"

namespace sextant::cli {

std::vector<float> embed_one(const Embedder& model, std::string_view text, const Context& context) {
  std::vector<float> vector(model.dim());
  EmbedReport report;
  model.embed(std::span(&text, 1), {}, vector, &report);
  if (!report.empty.empty()) {
    context.note("note: the model knows no token of '{}'; its vector is all zeros", text.substr(0, 60));
  }
  for (const auto& cut : report.truncated) {
    context.note("note: {} tokens of '{}...' did not fit and were dropped", cut.tokens_dropped, text.substr(0, 40));
  }
  return vector;
}

Metric parse_float_metric(std::string_view name) {
  const Metric metric = parse_metric(name);
  if (metric == Metric::hamming) {
    throw Error(
        ErrorCode::invalid_argument,
        "--metric: hamming compares vectors of bits; expected cosine, dot (ip), l2 (euclidean) or l1 (manhattan)");
  }
  return metric;
}

float measure(Metric metric, std::span<const float> a, std::span<const float> b) {
  const simd::Kernels& kernel = simd::kernels();
  switch (metric) {
    case Metric::cosine:
      return kernel.cosine_f32(a.data(), b.data(), a.size());
    case Metric::dot:
      return kernel.dot_f32(a.data(), b.data(), a.size());
    case Metric::l2:
      return std::sqrt(kernel.l2_squared_f32(a.data(), b.data(), a.size()));
    case Metric::l1:
      return kernel.l1_f32(a.data(), b.data(), a.size());
    case Metric::hamming:
      break;
  }
  return 0;
}

WordVectors word_vectors(const Embedder& model) {
  WordVectors result;
  result.words = model.words();
  result.dim = model.dim();
  if (result.words.empty()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("model '{}' has no words with a vector of their own", model.name()));
  }
  std::vector<std::string_view> views(result.words.begin(), result.words.end());
  result.rows.resize(views.size() * result.dim);
  model.embed(views, {}, result.rows);
  return result;
}

std::vector<WordHit> nearest_words(const WordVectors& vocabulary, std::span<const float> query, Metric metric, size_t k,
                                   std::span<const std::string> excluded) {
  std::vector<WordHit> hits;
  hits.reserve(vocabulary.words.size());
  for (size_t i = 0; i < vocabulary.words.size(); ++i) {
    if (std::find(excluded.begin(), excluded.end(), vocabulary.words[i]) != excluded.end()) continue;
    hits.push_back({i, measure(metric, query, std::span(vocabulary.rows).subspan(i * vocabulary.dim, vocabulary.dim))});
  }
  const bool higher = higher_is_nearer(metric);
  k = std::min(k, hits.size());
  std::partial_sort(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(k), hits.end(),
                    [&](const WordHit& a, const WordHit& b) {
                      if (a.score != b.score) return higher ? a.score > b.score : a.score < b.score;
                      return a.word < b.word;
                    });
  hits.resize(k);
  return hits;
}

}  // namespace sextant::cli
