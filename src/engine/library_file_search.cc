// Searching library files: every window is compared, in the order of documents.
#include <algorithm>
#include <limits>

#include "engine/library_file.h"
#include "engine/library_impl.h"
#include "index/flat.h"
#include "simd/top_k.h"

namespace sextant::engine {
namespace {

constexpr size_t kScanBlock = 2048;

class FileLibrary final : public Library::Impl {
 public:
  explicit FileLibrary(const std::string& path) : file_(path) {
    model_name = contents().meta.model_name;
    model_hash = contents().meta.model_hash;
    dim = contents().meta.dim;
  }

  size_t document_count() const override { return contents().documents.size(); }
  size_t passage_count() const override { return contents().passages.size(); }

  Found search(std::span<const float> query, const SearchOptions& options) const override {
    const LibraryContents& c = contents();
    // Windows of a group are consecutive; a document without a passage ends where the one before it does.
    auto passage_end = [&](size_t p) { return static_cast<size_t>(c.passages[p].window_end); };
    auto document_end = [&](size_t d) {
      const size_t end = c.documents[d].passage_end;
      return end == 0 ? size_t{0} : passage_end(end - 1);
    };
    Found found;
    found.windows_compared = c.windows.size();
    const std::vector<Group> groups = options.all_passages
                                          ? best_groups(query, options.limit, c.passages.size(), passage_end)
                                          : best_groups(query, options.limit, c.documents.size(), document_end);
    for (const Group& group : groups) {
      const size_t passage = passage_of(group.window);
      found.hits.push_back(hit(found.hits.size() + 1, group.score, document_of(passage), passage, group.window));
    }
    return found;
  }

 private:
  const LibraryContents& contents() const { return file_.contents(); }

  Hit hit(size_t rank, float score, size_t document, size_t passage, size_t window) const {
    const LibraryContents& c = contents();
    const DocumentRecord& d = c.documents[document];
    const PassageRecord& p = c.passages[passage];
    Hit out;
    out.rank = rank;
    out.score = score;
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

  // The k groups with the best window, best first, each with that window. Group g ends before window end_of(g).
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

  LibraryFile file_;
};

}  // namespace

std::unique_ptr<const Library::Impl> open_library_file(const std::string& path) {
  return std::make_unique<const FileLibrary>(path);
}

}  // namespace sextant::engine
