// engine/collection.h: a collection of points and the model whose vectors it holds: texts, rows and documents go in,
// texts are searched.
//
// The store keeps points; which model made their vectors, with which prompts, stands in the collection's metadata, and
// another model is refused unless forced. Adding the same things again changes nothing: rows and passages have ids of
// their own, and what is there as it is is left alone.
// Threads: all const members from many; adding from one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "engine/collection_model.h"
#include "engine/passages.h"
#include "engine/text_embedder.h"
#include "io/documents.h"
#include "io/rows.h"
#include "query/points.h"
#include "sextant/embed.h"
#include "store/database.h"

namespace sextant::engine {

struct CreateOptions {
  const Embedder* model = nullptr;  // gives dim; its vectors are of unit length
  size_t dim = 0;                   // where there is no model
  Metric metric = Metric::cosine;
  ElementType type = ElementType::float32;
  IndexKind index = IndexKind::graph;
  store::Durability durability = store::Durability::sync;
  uint64_t ttl_seconds = 0;
  // More vectors. One named "" says of that one what dim, metric, type and index do not count for then; where there is
  // no model, no dim and no such one, there is none. Slots are given.
  std::vector<store::VectorConfig> vectors = {};
  // For documents: how they are cut, whenever some are added. With windows, each passage has the vectors of its windows
  // (metric and type are then dot and float32). Their fields "path" and "passage" are indexed.
  std::optional<PassageOptions> passages = {};
};

struct AddOptions {
  size_t threads = 0;
  size_t batch_points = 1000;    // that are acknowledged together
  bool force = false;            // also with another model than the collection's
  PassageOptions passages = {};  // where the collection has none of its own
  bool remove_others = false;    // documents that are not among those that are added now go
  uint64_t file_bytes_max = uint64_t{64} << 20;
  // Told, from the adding thread, how many points are safe so far.
  std::function<void(uint64_t points)> acknowledged = {};
  base::Progress* progress = nullptr;
};

// What became of what was added; nothing is silent.
struct AddReport : TextCounts {
  uint64_t points = 0;          // written
  uint64_t unchanged = 0;       // that were there as they are
  uint64_t removed = 0;         // passages that their document does not have any more
  uint64_t documents = 0;       // read
  uint64_t documents_same = 0;  // of them, those that were there as they are
  uint64_t documents_removed = 0;
  uint64_t windows = 0;       // vectors of the passages that were written
  uint64_t source_bytes = 0;  // of the files that became documents
  uint64_t replaced = 0;      // invalid UTF-8 sequences that became U+FFFD
  std::vector<io::SkippedFile> skipped;
};

class Collection {
 public:
  // Throws already_exists, invalid_argument.
  static Collection create(store::Database& database, std::string_view name, const CreateOptions& options);
  explicit Collection(std::shared_ptr<store::PointStore> store);

  // What asks and writes goes through this.
  query::Points& points() const { return *points_; }
  // What keeps them: for chores.
  store::PointStore& store() const { return *store_; }
  const std::optional<CollectionModel>& model() const { return model_; }
  const std::optional<PassageOptions>& passages() const { return passages_; }
  // Where that model's vectors are: for SearchRequest and UpsertPoints, so that none meet those of a model that took
  // its place (engine/reembed.h) since this was made.
  std::optional<uint16_t> vector_slot() const { return vector_slot_; }
  // Throws invalid_argument where MODEL is not the one whose vectors are here.
  void check_model(const Embedder& model) const;

  // Rows with a vector, or with a text that MODEL embeds; nullptr where rows bring their vectors.
  // An id that is neither a number nor a UUID becomes the UUID of its hash and stays in the payload as "id"; a row
  // without one is called by its file's name and number. Its text is the payload's "text".
  AddReport add_rows(io::RowSource& rows, const Embedder* model, const AddOptions& options) const;
  // Files and folders, a point a passage. Its payload: path, title, heading, text, begin and end (bytes of the
  // document's text), passage and passages (which of how many), document_hash, windows (begin and end of each of its
  // vectors, where it has several). A document is replaced as a whole.
  AddReport add_documents(const std::vector<std::string>& paths, const Embedder& model,
                          const AddOptions& options) const;

  // The vector [dim] that TEXT is searched with; empty where the model knows nothing of it.
  std::vector<float> query_vector(std::string_view text, const Embedder& model) const;

 private:
  std::shared_ptr<store::PointStore> store_;
  std::shared_ptr<query::Points> points_;
  std::optional<CollectionModel> model_;
  std::optional<PassageOptions> passages_;
  std::optional<uint16_t> vector_slot_;
};

}  // namespace sextant::engine
