// cli/vectors.h: what the small commands share: one text's vector, and how near two vectors are.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "sextant/embed.h"
#include "sextant/metric.h"

namespace sextant::cli {

// One text's vector [dim], of unit length. Notes on stderr when nothing of the text is known to the model or part of
// it was cut off.
struct Context;
std::vector<float> embed_one(const Embedder& model, std::string_view text, const Context& context);

// What --metric says, of vectors of floats. Throws invalid_argument for hamming, too.
Metric parse_float_metric(std::string_view name);

// Higher is nearer for cosine and dot, lower for l2 and l1. REQUIRES: a.size() == b.size(), not hamming.
float measure(Metric metric, std::span<const float> a, std::span<const float> b);

// A vocabulary with a vector each, for nearest and analogy.
struct WordVectors {
  std::vector<std::string> words;
  std::vector<float> rows;  // [words, dim], unit length
  size_t dim = 0;
};
// Throws unsupported when the model has no words of its own.
WordVectors word_vectors(const Embedder& model);

struct WordHit {
  size_t word;  // index into WordVectors::words
  float score;
};
// The k words nearest to QUERY by METRIC, best first, ties by index; words of EXCLUDED are left out.
std::vector<WordHit> nearest_words(const WordVectors& vocabulary, std::span<const float> query, Metric metric, size_t k,
                                   std::span<const std::string> excluded);

}  // namespace sextant::cli
