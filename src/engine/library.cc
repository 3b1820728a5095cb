#include "sextant/library.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/threads.h"
#include "engine/library_file.h"
#include "engine/sections.h"
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

constexpr size_t kChunkTokensDefault = 256;
// Documents that are cut and embedded together: enough to keep the threads busy, few enough to hold in memory.
constexpr size_t kBatchDocuments = 256;
constexpr size_t kBatchBytes = size_t{8} << 20;
constexpr size_t kEmbedSlice = 64;
constexpr size_t kScanBlock = 2048;

std::string prompt_named(const Embedder& model, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    for (const auto& [key, prompt] : model.prompts()) {
      if (key == name) return prompt;
    }
  }
  return {};
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Cuts and embeds documents and gathers what the file will hold.
class Builder {
 public:
  Builder(const Embedder& model, const LibraryOptions& options)
      : model_(model), options_(options), pool_(options.thread_count) {
    embed_options_.prompt = prompt_named(model, {"document", "passage", "corpus"});
    size_t tokens_max = options.chunk_tokens_max;
    if (tokens_max == 0) {
      tokens_max = kChunkTokensDefault;
      if (model.max_length() > 0) tokens_max = std::min(tokens_max, model.max_length());
    } else if (model.max_length() > 0 && tokens_max > model.max_length()) {
      throw Error(ErrorCode::invalid_argument, fmt::format("passages of {} tokens, but model '{}' takes at most {}",
                                                           tokens_max, model.name(), model.max_length()));
    }
    meta_ = {model.name(), model.hash(), model.dim(), tokens_max, std::min(options.overlap_tokens, tokens_max / 2)};
    // The prompt takes its share of every passage.
    std::vector<TokenId> ids;
    if (!embed_options_.prompt.empty()) {
      model.tokenizer().encode_ids(embed_options_.prompt, {.add_special_tokens = false}, ids);
    }
    text::ChunkOptions chunk{tokens_max - std::min(tokens_max, ids.size()), 0};
    chunk.overlap_tokens = std::min<size_t>(meta_.overlap_tokens, chunk.tokens_max / 2);
    for (size_t i = 0; i < pool_.thread_count(); ++i) chunkers_.emplace_back(model.tokenizer(), chunk);
  }

  void add(std::vector<io::Document>& batch) {
    struct Cut {
      std::vector<engine::DocumentSection> sections;
      std::vector<std::string> contexts;
      std::vector<text::Chunk> chunks;
    };
    std::vector<Cut> cuts(batch.size());
    pool_.parallel_for(batch.size(), [&](size_t i, size_t thread) {
      Cut& cut = cuts[i];
      cut.sections = engine::sections_of(batch[i]);
      for (const auto& section : cut.sections) {
        cut.contexts.push_back(chunkers_[thread].fit_context(engine::context_of(batch[i], section)));
      }
      std::vector<text::Section> sections;
      for (size_t s = 0; s < cut.sections.size(); ++s) {
        sections.push_back({cut.sections[s].begin, cut.sections[s].end, cut.contexts[s]});
      }
      cut.chunks = chunkers_[thread].chunk(batch[i].text, sections);
    });
    std::vector<std::string> texts;
    for (size_t i = 0; i < batch.size(); ++i) {
      append_document(batch[i], cuts[i].sections, cuts[i].chunks);
      for (const text::Chunk& chunk : cuts[i].chunks) {
        texts.push_back(
            text::with_context(cuts[i].contexts[chunk.section],
                               std::string_view(batch[i].text).substr(chunk.begin, chunk.end - chunk.begin)));
      }
    }
    embed(texts);
    batch.clear();
  }

  LibraryReport finish(const std::string& output) {
    LibraryContents contents{meta_, strings_, documents_, passages_, vectors_};
    report_.library_bytes = engine::write_library(output, contents);
    report_.document_count = documents_.size();
    report_.passage_count = passages_.size();
    return std::move(report_);
  }

 private:
  StringRange store(std::string_view text) {
    StringRange range{strings_.size(), strings_.size() + text.size()};
    strings_ += text;
    return range;
  }

  void append_document(const io::Document& document, const std::vector<engine::DocumentSection>& sections,
                       const std::vector<text::Chunk>& chunks) {
    DocumentRecord record;
    record.path = store(document.path);
    record.title = store(document.title);
    record.text = store(document.text);
    record.passage_begin = passages_.size();
    StringRange heading;
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (i == 0 || chunks[i].section != chunks[i - 1].section) heading = store(sections[chunks[i].section].headings);
      passages_.push_back({chunks[i].begin, chunks[i].end, heading});
    }
    record.passage_end = passages_.size();
    documents_.push_back(record);
    report_.source_bytes += document.source_bytes;
    report_.replaced_count += document.replaced_count;
  }

  void embed(const std::vector<std::string>& texts) {
    const size_t dim = model_.dim();
    size_t first = vectors_.size();
    vectors_.resize(first + texts.size() * dim);
    size_t slices = (texts.size() + kEmbedSlice - 1) / kEmbedSlice;
    std::vector<EmbedReport> reports(slices);
    pool_.parallel_for(slices, [&](size_t slice, size_t) {
      size_t begin = slice * kEmbedSlice;
      size_t end = std::min(texts.size(), begin + kEmbedSlice);
      std::vector<std::string_view> views(texts.begin() + static_cast<std::ptrdiff_t>(begin),
                                          texts.begin() + static_cast<std::ptrdiff_t>(end));
      model_.embed(views, embed_options_, std::span(vectors_).subspan(first + begin * dim, (end - begin) * dim),
                   &reports[slice]);
    });
    for (size_t slice = 0; slice < slices; ++slice) {
      const EmbedReport& report = reports[slice];
      // NaN rows are in no search's results; zeros would stand before everything with a negative score.
      for (size_t item : report.empty) {
        float* row = vectors_.data() + first + (slice * kEmbedSlice + item) * dim;
        std::fill(row, row + dim, std::numeric_limits<float>::quiet_NaN());
      }
      report_.token_count += report.token_count;
      report_.truncated_count += report.truncated.size();
      report_.empty_count += report.empty.size();
    }
  }

  const Embedder& model_;
  const LibraryOptions& options_;
  base::ThreadPool pool_;
  EmbedOptions embed_options_;
  engine::LibraryMeta meta_;
  std::vector<text::Chunker> chunkers_;  // one a thread
  std::string strings_;
  std::vector<DocumentRecord> documents_;
  std::vector<PassageRecord> passages_;
  std::vector<float> vectors_;
  LibraryReport report_;
};

}  // namespace

struct Library::Impl {
  engine::LibraryFile file;

  explicit Impl(const std::string& path) : file(path) {}
  const LibraryContents& contents() const { return file.contents(); }

  Hit hit(size_t rank, float score, size_t document, size_t passage) const {
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
    return out;
  }

  size_t document_of(size_t passage) const {
    auto documents = contents().documents;
    auto after = std::upper_bound(documents.begin(), documents.end(), passage,
                                  [](size_t p, const DocumentRecord& d) { return p < d.passage_end; });
    return static_cast<size_t>(after - documents.begin());
  }

  // The best passage of each document, the k best documents.
  std::vector<Hit> best_documents(std::span<const float> query, size_t k) const {
    const LibraryContents& c = contents();
    index::FlatIndex index(c.vectors, c.meta.dim, Metric::dot);
    simd::TopK best(std::min(k, c.documents.size()), simd::Nearer::higher);
    std::vector<float> scores(std::min(kScanBlock, c.passages.size()));
    std::vector<size_t> best_passage;
    size_t document = 0;
    float best_score = -std::numeric_limits<float>::infinity();
    for (size_t first = 0; first < c.passages.size(); first += scores.size()) {
      size_t count = std::min(scores.size(), c.passages.size() - first);
      index.score_rows(query, first, {scores.data(), count});
      for (size_t i = 0; i < count; ++i) {
        while (first + i >= c.documents[document].passage_end) {
          push(best, document, best_score);
          best_score = -std::numeric_limits<float>::infinity();
          ++document;
        }
        if (scores[i] > best_score) best_score = scores[i];
      }
    }
    if (document < c.documents.size()) push(best, document, best_score);
    std::vector<Hit> hits;
    for (const simd::Scored& found : best.take()) {
      // Which passage it was is found again: cheaper for k documents than to remember for all.
      const DocumentRecord& d = c.documents[found.id];
      std::vector<float> own(d.passage_end - d.passage_begin);
      index.score_rows(query, d.passage_begin, own);
      size_t at = 0;
      for (size_t i = 1; i < own.size(); ++i) {
        if (!(own[at] >= own[i])) at = std::isnan(own[i]) ? at : i;
      }
      hits.push_back(hit(hits.size() + 1, found.score, found.id, d.passage_begin + at));
    }
    return hits;
  }

  static void push(simd::TopK& best, size_t document, float score) {
    if (score > -std::numeric_limits<float>::infinity()) best.push(document, score);
  }

  std::vector<Hit> best_passages(std::span<const float> query, size_t k) const {
    const LibraryContents& c = contents();
    index::FlatIndex index(c.vectors, c.meta.dim, Metric::dot);
    std::vector<Hit> hits;
    for (const simd::Scored& found : index.search(query, k)) {
      hits.push_back(hit(hits.size() + 1, found.score, document_of(found.id), found.id));
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
    throw Error(ErrorCode::not_found,
                fmt::format("{}: no documents (.txt .md .html) there{}", paths.empty() ? "no path" : paths[0], first));
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
  model.embed({&query, 1}, {.prompt = prompt_named(model, {"query"})}, vector, &report);
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
