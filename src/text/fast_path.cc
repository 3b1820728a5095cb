#include "text/fast_path.h"

#include "text/pipeline.h"

namespace sextant::text {

std::unique_ptr<FastPath> make_fast_path(const Pipeline& pipeline) {
  // Added tokens in normalized text would have to be looked for in a text that a fast path never writes down.
  if (pipeline.normalizer && pipeline.added.has(true)) return nullptr;
  if (auto path = make_bert_fast_path(pipeline)) return path;
  if (auto path = make_byte_level_fast_path(pipeline)) return path;
  return make_metaspace_fast_path(pipeline);
}

}  // namespace sextant::text
