// engine/adding.h: what all that adds to a collection shares: ids of what has none, texts into vectors, batches that
// are written while the next is made ready.
#pragma once

#include <functional>
#include <future>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/threads.h"
#include "sextant/embed.h"
#include "store/point_store.h"

namespace sextant::engine {

struct AddReport;

// The same parts, the same id.
store::PointId id_of_parts(std::initializer_list<std::string_view> parts);

// The default vector; nothing where it is all zeros.
store::NamedVectors vectors_of(std::span<const float> vector);

// Texts into vectors of unit length on several threads.     Threads: one.
class TextEmbedder {
 public:
  // THREADS: 0: all processors. REPORT, whose tokens, truncated and empty are added to, must outlive it.
  TextEmbedder(const Embedder& model, std::string prompt, size_t threads, AddReport& report);

  // [texts.size(), dim]; zeros where the model knows nothing of a text.
  std::vector<float> embed(const std::vector<std::string_view>& texts) const;
  size_t dim() const { return model_.dim(); }
  base::ThreadPool& pool() const { return pool_; }

 private:
  const Embedder& model_;
  base::ThreadPool& pool_;
  AddReport& report_;
  EmbedOptions options_;
};

// Writes one batch while the next is made ready.     Threads: one.
class BatchWriter {
 public:
  // ACKNOWLEDGED is told how many points are safe so far.
  BatchWriter(store::PointStore& points, const std::function<void(uint64_t)>& acknowledged, AddReport& report)
      : points_(points), acknowledged_(acknowledged), report_(report) {}
  ~BatchWriter() {
    if (running_.valid()) running_.wait();
  }

  void write(store::UpsertPoints&& upsert);
  // Throws what the last write threw.
  void wait();

 private:
  store::PointStore& points_;
  const std::function<void(uint64_t)>& acknowledged_;
  AddReport& report_;
  std::future<store::Written> running_;
  size_t count_ = 0;
};

}  // namespace sextant::engine
