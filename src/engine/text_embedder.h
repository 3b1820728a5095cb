// engine/text_embedder.h: the texts of a collection's points into vectors, on several threads.
//
// In: texts.      Out: [texts.size(), dim] of unit length, and counts of what became of them.
// Threads: embed() from one at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/threads.h"
#include "sextant/embed.h"
#include "store/operation.h"

namespace sextant::engine {

// What became of texts.
struct TextCounts {
  uint64_t tokens = 0;
  uint64_t truncated = 0;  // texts that the model cut off
  uint64_t empty = 0;      // texts of which the model knows nothing: kept without a vector, no search finds them
};

// Texts into vectors on several threads, and what became of them.
class TextEmbedder {
 public:
  TextEmbedder(const Embedder& model, std::string prompt, size_t threads, TextCounts& counts)
      : model_(model), pool_(base::ThreadPool::shared(threads)), counts_(counts) {
    options_.normalize = true;
    options_.prompt = std::move(prompt);
  }

  // [texts.size(), dim]; zeros where the model knows nothing of a text.
  std::vector<float> embed(const std::vector<std::string_view>& texts) const {
    const size_t dim = model_.dim();
    std::vector<float> vectors(texts.size() * dim);
    const size_t slices = (texts.size() + kSlice - 1) / kSlice;
    std::vector<EmbedReport> reports(slices);
    pool_.parallel_for(slices, [&](size_t slice, size_t) {
      const size_t begin = slice * kSlice;
      const size_t end = std::min(texts.size(), begin + kSlice);
      model_.embed(std::span(texts).subspan(begin, end - begin), options_,
                   std::span(vectors).subspan(begin * dim, (end - begin) * dim), &reports[slice]);
    });
    for (const EmbedReport& report : reports) {
      counts_.tokens += report.token_count;
      counts_.truncated += report.truncated.size();
      counts_.empty += report.empty.size();
    }
    return vectors;
  }
  size_t dim() const { return model_.dim(); }
  base::ThreadPool& pool() const { return pool_; }

 private:
  static constexpr size_t kSlice = 64;

  const Embedder& model_;
  base::ThreadPool& pool_;
  TextCounts& counts_;
  EmbedOptions options_;
};

// A point's only vector; nothing where it is all zeros.
inline store::NamedVectors vectors_of(std::span<const float> vector, const std::string& name = {}) {
  if (std::all_of(vector.begin(), vector.end(), [](float value) { return value == 0; })) return {};
  return {{name, {std::vector<float>(vector.begin(), vector.end()), {}}}};
}

// Of a passage that is compared by its windows: a vector a window, the mean of its own and the passage's. WINDOWS [n,
// dim]; those that are all zeros are left out, and KEPT (n of it) says which are not.
inline store::VectorValue window_vectors(std::span<const float> passage, std::span<const float> windows,
                                         std::vector<bool>& kept) {
  const size_t dim = passage.size();
  store::VectorValue value;
  kept.assign(windows.size() / dim, false);
  std::vector<float> row(dim);
  for (size_t w = 0; w < kept.size(); ++w) {
    for (size_t d = 0; d < dim; ++d) row[d] = 0.5f * (passage[d] + windows[w * dim + d]);
    if (std::all_of(row.begin(), row.end(), [](float component) { return component == 0; })) continue;
    kept[w] = true;
    value.values.insert(value.values.end(), row.begin(), row.end());
  }
  return value;
}

}  // namespace sextant::engine
