// engine/embed_stream.h: many texts into a file of vectors: what `sextant embed` does.
//
// In: a TextSource.   Out: .npy [rows, dim], .jsonl {"index", "embedding"}, .csv or .tsv (index, v0, v1, ...), or JSON
// lines on standard output; .parquet (id, vector) of float32 where DuckDB's library is there (io/duckdb.h). Rows are in
// the order of the items, whatever the number of threads. With OnOverflow::chunk an item may give several rows: JSON
// and CSV get an "item" column, Parquet a payload {"item"}, OUT.npy a second array OUT.items.npy [rows] beside it.
// Files appear complete or not at all. Memory: one batch. int8 and uint8 without calibration keep the float vectors in
// a temporary file between two passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "engine/quantize.h"
#include "engine/text_source.h"
#include "sextant/embed.h"

namespace sextant::engine {

// What becomes of a text with more tokens than the model or max_length takes.
enum class OnOverflow {
  truncate,  // its end is dropped, counted and named
  error,     // the whole run stops
  chunk,     // it is cut into pieces with a row each
};
// Throws invalid_argument for other names.
OnOverflow parse_on_overflow(std::string_view name);

struct EmbedStreamOptions {
  EmbedOptions embed = {};
  Precision precision = Precision::float32;
  OnOverflow on_overflow = OnOverflow::truncate;
  std::string output = {};  // empty or "-": JSON lines on standard output
  std::string calibration =
      {};  // .npy whose columns give the ranges of int8 and uint8; empty: those of the whole input
  size_t thread_count = 0;
};

struct EmbedStreamReport {
  struct Truncation {
    std::string name;  // of the item
    uint64_t item;
    uint64_t tokens_dropped;
  };
  uint64_t item_count = 0;
  uint64_t row_count = 0;
  uint64_t token_count = 0;
  uint64_t unknown_count = 0;
  uint64_t truncated_count = 0;
  uint64_t tokens_dropped = 0;
  std::vector<Truncation> truncated;  // the first kTruncationsNamedMax
  uint64_t empty_count = 0;           // rows of zeros: no token that the model knows
  std::string items_output;           // the second array, where one was written
  std::vector<io::SkippedFile> skipped;
};

inline constexpr size_t kTruncationsNamedMax = 1000;

// Counts and names one truncation; under OnOverflow::error throws invalid_argument instead. TOKENS_MAX, where known, is
// named in it.
void note_truncation(EmbedStreamReport& report, OnOverflow on_overflow, const std::string& name, uint64_t item,
                     uint64_t tokens_dropped, size_t tokens_max);

EmbedStreamReport embed_stream(const Embedder& model, TextSource& source, const EmbedStreamOptions& options,
                               base::Progress* progress = nullptr);

}  // namespace sextant::engine
