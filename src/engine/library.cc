#include "sextant/library.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/threads.h"
#include "engine/library_file.h"
#include "engine/passages.h"
#include "index/flat.h"
#include "io/documents.h"
#include "sextant/error.h"
#include "simd/top_k.h"
#include "text/chunk.h"

namespace sextant {
namespace {

using engine::DocumentRecord;
using engine::LibraryContents;
using engine::PassageRecord;
using engine::StringRange;
using engine::WindowRecord;

// Documents that are cut and embedded together: enough to keep the threads busy, few enough to hold in memory.
constexpr size_t kBatchDocuments = 256;
constexpr size_t kBatchBytes = size_t{8} << 20;
constexpr size_t kEmbedSlice = 64;
constexpr size_t kScanBlock = 2048;

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Cuts and embeds documents and gathers what the file will hold.
class Builder {
 public:
  Builder(const Embedder& model, const LibraryOptions& options)
      : model_(model),
        pool_(options.thread_count),
        cutter_(model, {options.chunk_tokens_max, options.overlap_tokens, options.window_tokens},
                pool_.thread_count()) {
    embed_options_.normalize = true;
    embed_options_.prompt = engine::document_prompt(model);
    meta_.model_name = model.name();
    meta_.model_hash = model.hash();
    meta_.dim = model.dim();
    meta_.chunk_tokens_max = cutter_.tokens_max();
    meta_.overlap_tokens = cutter_.overlap_tokens();
    meta_.window_tokens = options.window_tokens;
  }

  void add(std::vector<io::Document>& batch) {
    std::vector<engine::PassageCutter::Cut> cuts(batch.size());
    pool_.parallel_for(batch.size(), [&](size_t i, size_t thread) { cuts[i] = cutter_.cut(batch[i], thread); });
    std::vector<std::string> passages;
    std::vector<std::string_view> windows;
    std::vector<size_t> passage_of;  // of each window, an index into `passages`
    for (size_t i = 0; i < batch.size(); ++i) {
      const std::string_view text = batch[i].text;
      append_document(batch[i], cuts[i].sections, cuts[i].chunks, cuts[i].windows);
      for (size_t c = 0; c < cuts[i].chunks.size(); ++c) {
        for (const text::Chunk& window : cuts[i].windows[c]) {
          windows.push_back(text.substr(window.begin, window.end - window.begin));
          passage_of.push_back(passages.size());
        }
        passages.push_back(cuts[i].embedded_text(batch[i], c));
      }
    }
    append_rows(embed(std::vector<std::string_view>(passages.begin(), passages.end())),
                cutter_.has_windows() ? embed(windows) : std::vector<float>(), passage_of);
    batch.clear();
  }

  LibraryReport finish(const std::string& output) {
    LibraryContents contents{meta_, strings_, documents_, passages_, windows_, vectors_};
    report_.library_bytes = engine::write_library(output, contents);
    report_.document_count = documents_.size();
    report_.passage_count = passages_.size();
    report_.window_count = windows_.size();
    return std::move(report_);
  }

 private:
  StringRange store(std::string_view text) {
    StringRange range{strings_.size(), strings_.size() + text.size()};
    strings_ += text;
    return range;
  }

  void append_document(const io::Document& document, const std::vector<engine::DocumentSection>& sections,
                       const std::vector<text::Chunk>& chunks, const std::vector<std::vector<text::Chunk>>& windows) {
    DocumentRecord record;
    record.path = store(document.path);
    record.title = store(document.title);
    record.text = store(document.text);
    record.passage_begin = passages_.size();
    StringRange heading;
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (i == 0 || chunks[i].section != chunks[i - 1].section) heading = store(sections[chunks[i].section].headings);
      PassageRecord passage{chunks[i].begin, chunks[i].end, heading, windows_.size(), 0};
      for (const text::Chunk& window : windows[i]) windows_.push_back({window.begin, window.end});
      passage.window_end = windows_.size();
      passages_.push_back(passage);
    }
    record.passage_end = passages_.size();
    documents_.push_back(record);
    report_.source_bytes += document.source_bytes;
    report_.replaced_count += document.replaced_count;
  }

  // The vectors [texts.size(), dim]; zeros where the model knows no token.
  std::vector<float> embed(const std::vector<std::string_view>& texts) {
    const size_t dim = model_.dim();
    std::vector<float> vectors(texts.size() * dim);
    const size_t slices = (texts.size() + kEmbedSlice - 1) / kEmbedSlice;
    std::vector<EmbedReport> reports(slices);
    pool_.parallel_for(slices, [&](size_t slice, size_t) {
      size_t begin = slice * kEmbedSlice;
      size_t end = std::min(texts.size(), begin + kEmbedSlice);
      model_.embed(std::span(texts).subspan(begin, end - begin), embed_options_,
                   std::span(vectors).subspan(begin * dim, (end - begin) * dim), &reports[slice]);
    });
    for (const EmbedReport& report : reports) {
      report_.token_count += report.token_count;
      report_.truncated_count += report.truncated.size();
    }
    return vectors;
  }

  // One row a window: the mean of its vector and its passage's; the passage's alone where windows is empty.
  void append_rows(const std::vector<float>& passages, const std::vector<float>& windows,
                   const std::vector<size_t>& passage_of) {
    const size_t dim = model_.dim();
    for (size_t i = 0; i < passage_of.size(); ++i) {
      const float* passage = passages.data() + passage_of[i] * dim;
      const size_t first = vectors_.size();
      vectors_.insert(vectors_.end(), passage, passage + dim);
      float* row = vectors_.data() + first;
      for (size_t d = 0; d < dim && !windows.empty(); ++d) row[d] = 0.5f * (row[d] + windows[i * dim + d]);
      if (std::all_of(row, row + dim, [](float value) { return value == 0; })) {
        // NaN rows are in no search's results; zeros would stand before everything with a negative score.
        std::fill(row, row + dim, std::numeric_limits<float>::quiet_NaN());
        ++report_.empty_count;
      }
    }
  }

  const Embedder& model_;
  base::ThreadPool pool_;
  EmbedOptions embed_options_;
  engine::PassageCutter cutter_;
  engine::LibraryMeta meta_;
  std::string strings_;
  std::vector<DocumentRecord> documents_;
  std::vector<PassageRecord> passages_;
  std::vector<WindowRecord> windows_;
  std::vector<float> vectors_;
  LibraryReport report_;
};

}  // namespace

struct Library::Impl {
  engine::LibraryFile file;

  explicit Impl(const std::string& path) : file(path) {}
  const LibraryContents& contents() const { return file.contents(); }

  Hit hit(size_t rank, float score, size_t document, size_t passage, size_t window) const {
    const LibraryContents& c = contents();
    const DocumentRecord& d = c.documents[document];
    const PassageRecord& p = c.passages[passage];
    Hit out;
    out.rank = rank;
    out.score = score;
    out.document = document;
    out.path = c.text_of(d.path);
    out.title = c.text_of(d.title);
    out.heading = c.text_of(p.heading);
    out.passage = c.text_of(d.text).substr(p.begin, p.end - p.begin);
    out.begin = p.begin;
    out.end = p.end;
    out.match_begin = c.windows[window].begin;
    out.match_end = c.windows[window].end;
    return out;
  }

  // The document that a passage belongs to, the passage that a window belongs to.
  size_t document_of(size_t passage) const {
    auto documents = contents().documents;
    auto after = std::upper_bound(documents.begin(), documents.end(), passage,
                                  [](size_t p, const DocumentRecord& d) { return p < d.passage_end; });
    return static_cast<size_t>(after - documents.begin());
  }
  size_t passage_of(size_t window) const {
    auto passages = contents().passages;
    auto after = std::upper_bound(passages.begin(), passages.end(), window,
                                  [](size_t w, const PassageRecord& p) { return w < p.window_end; });
    return static_cast<size_t>(after - passages.begin());
  }

  // The k groups with the best window, best first, each with that window. Groups are consecutive windows: group g ends
  // before window end_of(g).
  struct Group {
    size_t group;
    size_t window;
    float score;
  };
  template <class EndOf>
  std::vector<Group> best_groups(std::span<const float> query, size_t k, size_t group_count, EndOf end_of) const {
    const LibraryContents& c = contents();
    index::FlatIndex index(c.vectors, c.meta.dim, Metric::dot);
    simd::TopK best(std::min(k, group_count), simd::Nearer::higher);
    constexpr float kNone = -std::numeric_limits<float>::infinity();
    std::vector<float> scores(std::min(kScanBlock, c.windows.size()));
    size_t group = 0;
    float group_score = kNone;
    auto close_group = [&] {
      if (group_score > kNone) best.push(group, group_score);
      group_score = kNone;
      ++group;
    };
    for (size_t first = 0; first < c.windows.size(); first += scores.size()) {
      size_t count = std::min(scores.size(), c.windows.size() - first);
      index.score_rows(query, first, {scores.data(), count});
      for (size_t i = 0; i < count; ++i) {
        while (first + i >= end_of(group)) close_group();
        if (scores[i] > group_score) group_score = scores[i];  // never true for NaN
      }
    }
    if (group < group_count) close_group();
    std::vector<Group> out;
    for (const simd::Scored& found : best.take()) {
      // Which window it was is found again: cheaper for k groups than to remember for all.
      size_t end = end_of(found.id);
      size_t at = found.id == 0 ? 0 : end_of(found.id - 1);
      std::vector<float> own(end - at);
      index.score_rows(query, at, own);
      size_t window = at;
      while (window + 1 < end && own[window - at] != found.score) ++window;
      out.push_back({found.id, window, found.score});
    }
    return out;
  }

  std::vector<Hit> best_documents(std::span<const float> query, size_t k) const {
    const LibraryContents& c = contents();
    std::vector<Hit> hits;
    // A document without a passage ends where the one before it does.
    auto end_of = [&](size_t d) {
      size_t passage_end = c.documents[d].passage_end;
      return passage_end == 0 ? size_t{0} : static_cast<size_t>(c.passages[passage_end - 1].window_end);
    };
    for (const Group& found : best_groups(query, k, c.documents.size(), end_of)) {
      hits.push_back(hit(hits.size() + 1, found.score, found.group, passage_of(found.window), found.window));
    }
    return hits;
  }

  std::vector<Hit> best_passages(std::span<const float> query, size_t k) const {
    const LibraryContents& c = contents();
    std::vector<Hit> hits;
    auto end_of = [&](size_t p) { return static_cast<size_t>(c.passages[p].window_end); };
    for (const Group& found : best_groups(query, k, c.passages.size(), end_of)) {
      hits.push_back(hit(hits.size() + 1, found.score, document_of(found.group), found.group, found.window));
    }
    return hits;
  }
};

LibraryReport Library::build(const std::vector<std::string>& paths, const Embedder& model, const std::string& output,
                             const LibraryOptions& options) {
  if (std::filesystem::is_regular_file(output) && std::filesystem::file_size(output) > 0 &&
      !engine::looks_like_library(output)) {
    throw Error(ErrorCode::already_exists, fmt::format("{}: exists and is not a library; it is left as it is", output));
  }
  io::DocumentReader reader(paths, {.file_bytes_max = options.file_bytes_max});
  Builder builder(model, options);
  std::vector<io::Document> batch;
  size_t batch_bytes = 0;
  io::Document document;
  bool any = false;
  while (reader.next(document)) {
    any = true;
    batch_bytes += document.text.size();
    batch.push_back(std::move(document));
    if (batch.size() < kBatchDocuments && batch_bytes < kBatchBytes) continue;
    builder.add(batch);
    batch_bytes = 0;
    if (options.progress) options.progress(reader.file_index(), reader.file_count());
  }
  if (!any) {
    std::string first = reader.skipped().empty()
                            ? ""
                            : fmt::format("; {} were skipped, the first, {}: {}", reader.skipped().size(),
                                          reader.skipped()[0].path, reader.skipped()[0].reason);
    throw Error(ErrorCode::not_found, fmt::format("{}: no documents (.txt .md .html .pdf) there{}",
                                                  paths.empty() ? "no path" : paths[0], first));
  }
  builder.add(batch);
  if (options.progress) options.progress(reader.file_count(), reader.file_count());
  LibraryReport report = builder.finish(output);
  for (const io::SkippedFile& file : reader.skipped()) report.skipped.push_back({file.path, file.reason});
  return report;
}

Library::Library(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Library::Library(Library&&) noexcept = default;
Library& Library::operator=(Library&&) noexcept = default;
Library::~Library() = default;

Library Library::open(const std::string& path) { return Library(std::make_unique<const Impl>(path)); }

SearchResult Library::search(std::string_view query, const Embedder& model, const SearchOptions& options) const {
  const engine::LibraryMeta& meta = impl_->contents().meta;
  if (model.hash() != meta.model_hash || model.dim() != meta.dim) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the library was built with model '{}' ({}), not with '{}' ({}); search with that model or "
                            "build it again",
                            meta.model_name, meta.model_hash.substr(0, 12), model.name(), model.hash().substr(0, 12)));
  }
  SearchResult result;
  auto start = std::chrono::steady_clock::now();
  std::vector<float> vector(model.dim());
  EmbedReport report;
  model.embed({&query, 1}, {.normalize = true, .prompt = engine::query_prompt(model)}, vector, &report);
  result.embed_ms = milliseconds_since(start);
  result.query_is_empty = !report.empty.empty();
  if (result.query_is_empty) return result;
  start = std::chrono::steady_clock::now();
  result.hits =
      options.all_passages ? impl_->best_passages(vector, options.limit) : impl_->best_documents(vector, options.limit);
  result.search_ms = milliseconds_since(start);
  return result;
}

size_t Library::document_count() const { return impl_->contents().documents.size(); }
size_t Library::passage_count() const { return impl_->contents().passages.size(); }
size_t Library::window_count() const { return impl_->contents().windows.size(); }
size_t Library::dim() const { return impl_->contents().meta.dim; }
const std::string& Library::model_name() const { return impl_->contents().meta.model_name; }
const std::string& Library::model_hash() const { return impl_->contents().meta.model_hash; }

std::string_view Library::document_path(size_t document) const {
  return impl_->contents().text_of(impl_->contents().documents[document].path);
}
std::string_view Library::document_title(size_t document) const {
  return impl_->contents().text_of(impl_->contents().documents[document].title);
}
std::string_view Library::document_text(size_t document) const {
  return impl_->contents().text_of(impl_->contents().documents[document].text);
}

}  // namespace sextant
