// engine/reembed.h: the vectors of a collection made again by another model, while it is in use.
//
// The new vectors are written beside the old ones, as the named vector kReembedVector; the collection's metadata says
// to which model a re-embedding is under way. Until all points have one, the old model and its vectors are searched and
// added to as before. Then, in one step, the new vectors take the place of the old ones and the new model that of the
// old. What was written before a process ended is not done again: the same call goes on. A point is embedded from what
// Collection made it of: its payload's "text", that of a passage below its title and headings.     Threads: from one at
// a time; others may write and search meanwhile.
#pragma once

#include <cstdint>
#include <functional>

#include "base/progress.h"
#include "engine/passages.h"
#include "engine/text_embedder.h"
#include "sextant/embed.h"
#include "store/point_store.h"

namespace sextant::engine {

inline constexpr const char* kReembedVector = ".reembed";

struct ReembedOptions {
  size_t threads = 0;
  size_t batch_points = 1000;  // that are acknowledged together
  // As they were when documents were added, where the collection does not say: titles and headings are cut to fit.
  PassageOptions passages = {};
  // Told, from the calling thread, how many points this call has written safely so far.
  std::function<void(uint64_t points)> acknowledged = {};
  base::Progress* progress = nullptr;
};

struct ReembedReport : TextCounts {
  uint64_t points = 0;       // written; more than once where they changed meanwhile
  uint64_t done_before = 0;  // had a new vector already: an earlier call was cut off
  bool was_done = false;     // the collection's vectors are of this model already
};

// Throws invalid_argument where a point has a vector and no text (before anything is written; also later, where such a
// point is added meanwhile), or one to another model is under way; unavailable where the store cannot be written, or
// others write faster than this catches up: what was done stays, and the same call goes on.
ReembedReport reembed(store::PointStore& points, const Embedder& model, const ReembedOptions& options);

// The collection stays with the model that it has, and the vectors made so far go. Throws invalid_argument where none
// is under way.
void abandon_reembed(store::PointStore& points);

}  // namespace sextant::engine
