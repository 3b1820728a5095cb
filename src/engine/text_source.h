// engine/text_source.h: where texts to embed come from: arguments, lines, JSON lines, CSV columns, folders.
//
// Memory: one item at a time. Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "io/documents.h"

namespace sextant::engine {

struct SourceItem {
  std::string text;
  std::string name;  // for messages: "line 12", "notes/a.md", "text 3"
};

class TextSource {
 public:
  virtual ~TextSource() = default;
  virtual bool next(SourceItem& item) = 0;
  // Files that gave no item, with their reasons.
  virtual std::vector<io::SkippedFile> skipped() const { return {}; }
  // How many items there will be; 0 when that is not known.
  virtual uint64_t expected_count() const { return 0; }
};

struct SourceOptions {
  std::vector<std::string> texts = {};  // given themselves; then `input` must be empty
  std::string input = {};               // a file, "-" for standard input, or a folder
  std::string field = {};               // of JSON; "text" where it is empty
  std::string column = {};  // of CSV, by name or number, and Parquet; "text", else CSV's only one, where it is empty
};

// Every item of SOURCE to ADD, with a bar over them.
template <class Add>
void for_each_item(TextSource& source, base::Progress* progress, Add add) {
  if (progress) progress->begin("embedding", "texts", source.expected_count());
  uint64_t done = 0;
  SourceItem item;
  while (source.next(item)) {
    add(std::move(item));
    if (progress) progress->report(++done);
  }
  if (progress) progress->end();
}

// A folder gives its documents (.txt .md .html .pdf), a .md, .html or .pdf file one document, .jsonl, .ndjson and .json
// a field of each object, .csv, .tsv and .parquet a column, anything else its lines; text may be compressed as .zst or
// .gz. FIELD or COLUMN decide where the ending does not. Throws invalid_argument when the options contradict one
// another, and what the readers do.
std::unique_ptr<TextSource> open_text_source(const SourceOptions& options);

}  // namespace sextant::engine
