// engine/embed_outputs.h: sparse weights, token vectors and dense vectors of many texts, from one pass, as JSON lines.
//
// A line a text, in the order of the input, whatever the number of threads:
//   {"index", "embedding"?: [...], "sparse"?: {"indices": [...], "values": [...]}, "multi"?: [[...], ...]}
// or, for the hidden states of single tokens,
//   {"index", "tokens": [...], "ids": [...], "offsets": [[begin, end], ...] in bytes, "vectors": [[...], ...]}
// Memory: one batch.
#pragma once

#include <string>

#include "base/progress.h"
#include "engine/embed_stream.h"
#include "engine/text_source.h"
#include "sextant/embed.h"

namespace sextant::engine {

// "dense,sparse,multi", or some of them. Throws invalid_argument for other names.
OutputSet parse_outputs(std::string_view list);

struct EmbedOutputsOptions {
  EmbedOptions embed = {};
  OutputSet wanted = {};
  bool tokens = false;                            // hidden states of single tokens instead of all else
  OnOverflow on_overflow = OnOverflow::truncate;  // not chunk
  std::string output = {};                        // a .jsonl file; empty or "-": standard output
  size_t thread_count = 0;
};

// Throws unsupported for what the model does not give.
EmbedStreamReport embed_outputs(const Embedder& model, TextSource& source, const EmbedOutputsOptions& options,
                                base::Progress* progress = nullptr);

}  // namespace sextant::engine
