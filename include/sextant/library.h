// sextant/library.h: documents in, answers out: files are cut into passages, embedded, saved, and searched by meaning.
//
//   auto model = sextant::Embedder::load("builtin");
//   sextant::Library::build({"docs/"}, *model, "docs.sextant");
//   auto library = sextant::Library::open("docs.sextant");
//   for (const auto& hit : library.search("how do I fix a dripping tap", *model).hits)
//     std::cout << hit.score << ' ' << hit.title << '\n';
//
// A library is a folder, a database of one collection "documents" (docs/collections.md), in which a passage is a point.
// Building it again reads all documents and embeds those that have changed. The search is exact. Files that the first
// version wrote (docs/library-format.md) are searched as before.
// Threads: an open Library does not change, whatever is built in its place; every const member may be called from many
// threads. Any number of processes can have a library open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sextant/embed.h"

namespace sextant {

struct LibraryOptions {
  size_t chunk_tokens_max = 0;  // a passage with its title and headings; 0: 256, or the model's limit if lower
  size_t overlap_tokens = 32;   // repeated from the passage before; at most half of a passage
  // Each passage is searched by windows of a sentence or two: a window's row is the mean of its own vector and the
  // passage's, so that one telling sentence is not drowned by its neighbours, nor understood without them. 0: one row a
  // passage, its own vector. docs/library-search.md has what this was measured to give.
  size_t window_tokens = 24;
  size_t thread_count = 0;                       // 0: all processors
  uint64_t file_bytes_max = uint64_t{64} << 20;  // larger files are skipped, and named
  // Told how many files of how many are done; called from the building thread.
  std::function<void(uint64_t done, uint64_t total)> progress = {};
};

// What became of every file; nothing is silent.
struct LibraryReport {
  struct Skipped {
    std::string path;
    std::string reason;
  };
  uint64_t document_count = 0;
  uint64_t unchanged_count = 0;  // of them, those that the library had as they are; what follows but for
                                 // passage_count, source_bytes and library_bytes is about the others
  uint64_t removed_count = 0;    // documents that the library had and the paths have no more
  uint64_t passage_count = 0;
  uint64_t window_count = 0;
  uint64_t token_count = 0;      // embedded, titles and overlaps included
  uint64_t source_bytes = 0;     // of the files that became documents
  uint64_t library_bytes = 0;    // of the library's files
  uint64_t replaced_count = 0;   // invalid UTF-8 sequences that became U+FFFD
  uint64_t truncated_count = 0;  // passages that the model cut off nevertheless
  uint64_t empty_count =
      0;  // windows, or passages where there are none, without a token that the model knows; no search finds them
  std::vector<Skipped> skipped;
};

struct SearchOptions {
  size_t limit = 10;
  bool all_passages = false;  // false: the best passage of each document
};

struct Hit {
  size_t rank = 0;   // from 1
  float score = 0;   // mean of the cosines of window and passage, higher is nearer
  std::string path;  // relative to the folder that was indexed
  std::string title;
  std::string heading;  // the headings above the passage, "A > B"; empty when there are none
  std::string passage;  // bytes [begin, end) of the document's text
  size_t begin = 0;
  size_t end = 0;
  size_t match_begin = 0;  // the window that was nearest: bytes of the document's text within [begin, end)
  size_t match_end = 0;
};

struct SearchResult {
  std::vector<Hit> hits;        // best first
  bool query_is_empty = false;  // the model knows no token of the query, so nothing is near it
  uint64_t windows_compared = 0;
  double embed_ms = 0;
  double search_ms = 0;
};

class Library {
 public:
  // Reads files and folders (.txt .md .html .pdf), and puts the library in OUTPUT's place in one step: a reader sees
  // the old one or the new one. It is made in OUTPUT.new, where the next call goes on if this one is cut off. Throws
  // not_found for a path that does not exist or when there is no document in any, already_exists when OUTPUT is
  // something else than a library, and unavailable when another process writes to it.
  static LibraryReport build(const std::vector<std::string>& paths, const Embedder& model, const std::string& output,
                             const LibraryOptions& options = {});

  // Throws not_found, corrupted (naming the file) or unsupported (a later version of the format).
  static Library open(const std::string& path);

  Library(Library&&) noexcept;
  Library& operator=(Library&&) noexcept;
  ~Library();

  // MODEL must be the one that built the library, by its hash; throws invalid_argument otherwise.
  SearchResult search(std::string_view query, const Embedder& model, const SearchOptions& options = {}) const;

  size_t document_count() const;
  size_t passage_count() const;
  size_t dim() const;
  const std::string& model_name() const;
  const std::string& model_hash() const;

  struct Impl;

 private:
  explicit Library(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace sextant
