#include "engine/adding.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "engine/collection.h"

namespace sextant::engine {
namespace {

constexpr size_t kEmbedSlice = 64;

}  // namespace

store::PointId id_of_parts(std::initializer_list<std::string_view> parts) {
  std::string bytes;
  for (std::string_view part : parts) {
    bytes += fmt::format("{}:", part.size());
    bytes += part;
  }
  return *store::PointId::read_uuid(base::hash128_hex(bytes));
}

store::NamedVectors vectors_of(std::span<const float> vector) {
  if (std::all_of(vector.begin(), vector.end(), [](float value) { return value == 0; })) return {};
  return {{"", {std::vector<float>(vector.begin(), vector.end()), {}}}};
}

TextEmbedder::TextEmbedder(const Embedder& model, std::string prompt, size_t threads, AddReport& report)
    : model_(model), pool_(base::ThreadPool::shared(threads)), report_(report) {
  options_.normalize = true;
  options_.prompt = std::move(prompt);
}

std::vector<float> TextEmbedder::embed(const std::vector<std::string_view>& texts) const {
  const size_t dim = model_.dim();
  std::vector<float> vectors(texts.size() * dim);
  const size_t slices = (texts.size() + kEmbedSlice - 1) / kEmbedSlice;
  std::vector<EmbedReport> reports(slices);
  pool_.parallel_for(slices, [&](size_t slice, size_t) {
    const size_t begin = slice * kEmbedSlice;
    const size_t end = std::min(texts.size(), begin + kEmbedSlice);
    model_.embed(std::span(texts).subspan(begin, end - begin), options_,
                 std::span(vectors).subspan(begin * dim, (end - begin) * dim), &reports[slice]);
  });
  for (const EmbedReport& report : reports) {
    report_.tokens += report.token_count;
    report_.truncated += report.truncated.size();
    report_.empty += report.empty.size();
  }
  return vectors;
}

void BatchWriter::write(store::UpsertPoints&& upsert) {
  wait();
  count_ = upsert.points.size();
  if (upsert.points.empty() && upsert.remove.empty()) return;
  running_ = std::async(std::launch::async, [this, upsert = std::move(upsert)] { return points_.write(upsert); });
}

void BatchWriter::wait() {
  if (!running_.valid()) return;
  report_.removed += running_.get().removed;
  report_.points += count_;
  if (acknowledged_) acknowledged_(report_.points);
}

}  // namespace sextant::engine
