// sextant/collection.h: points kept durably in collections, and searched: vectors or texts in, with payloads, the
// nearest that a filter allows out.
//
//   auto model = sextant::Embedder::load("builtin");
//   auto database = sextant::Database::open("my.db");
//   auto docs = database.create_collection("docs", {.model = model.get()});
//   docs.add_texts({{sextant::PointId::of(1), "a dripping tap", R"({"room": "kitchen"})"},
//                   {sextant::PointId::of(2), "a blown fuse", R"({"room": "hall"})"}}, *model);
//   auto kitchen = R"({"must": {"key": "room", "match": {"value": "kitchen"}}})";
//   for (const auto& hit : docs.search("a leaking faucet", *model, {.limit = 3, .filter = kitchen}).hits)
//     std::cout << hit.score << ' ' << hit.point.id.text() << ' ' << hit.point.payload << '\n';
//
// A database is a folder of collections (docs/collections.md); `sextant collection`, `add` and `search --db` work on
// the same ones. Filters are JSON texts (docs/filters.md), payloads JSON objects.
// Durability: a write returns when it is on the disk (Durability::sync); each is there whole or not at all, also after
// a crash. Indexes are made in the background, and every search sees all that was written before it began.
// Processes: one at a time writes to a database, any number of others read it beside that one.
// Threads: all members from many, but for add_*, of which a collection takes one at a time. A Database and a Collection
// are handles: copies are the same thing, which is closed when the last of them is gone; the closing waits for what is
// being written.
// Errors: sextant::Error. Besides what members say: invalid_argument names the point, field or place in the filter, and
// nothing of that write was done; unsupported: a change of what was opened for reading; exhausted (the disk is full)
// and unavailable: a write that is not acknowledged, there as a whole or not at all, which may safely be done again;
// corrupted: what is on the disk is damaged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "sextant/embed.h"
#include "sextant/index.h"
#include "sextant/metric.h"
#include "sextant/points.h"

namespace sextant {

struct DatabaseOptions {
  bool read_only = false;         // nothing on the disk is changed; what is seen is what there was at the opening
  bool create_if_missing = true;  // not where read_only
  // Of blocks and of what is not yet in files, for all collections together, and as much again in each for new rows
  // that wait for an index; then writers wait. Indexes are mapped: they take what the system has to spare.
  size_t memory_bytes = size_t{256} << 20;
  size_t threads = 0;  // of builds of indexes and of embedding; 0: all processors
};

// A space of vectors that each point of a collection may have one value in.
struct VectorOptions {
  std::string name = {};  // "" is a name like others: that of the only vector, and of what a model makes
  VectorKind kind = VectorKind::dense;
  size_t dim = 0;                           // components, 1 to 65,536; 0 for sparse, and where a model says it
  std::optional<Metric> metric = {};        // unset: cosine; dot for sparse, the only one; hamming for bits, likewise
  ElementType type = ElementType::float32;  //
  IndexKind index = IndexKind::graph;       // of dense and multi
  CodeKind codes = CodeKind::automatic;     // likewise, as are degree and build_breadth: see IndexOptions
  size_t degree = 32;                       //
  size_t build_breadth = 150;               //
};

// How documents are cut.
struct PassageOptions {
  size_t tokens_max = 0;  // of a passage with its title and headings; 0: 256, or the model's limit if lower
  size_t overlap_tokens = 32;
  size_t window_tokens = 0;  // 0: no windows
  bool operator==(const PassageOptions&) const = default;
};

struct CollectionOptions {
  // Whose vectors, of unit length, the vector "" holds. The collection remembers its name, hash and prompts; another is
  // refused. Used in the call alone.
  const Embedder* model = nullptr;
  // With a model, one named "" may say of the model's vector what the model does not: metric, type, index.
  std::vector<VectorOptions> vectors = {};
  Durability durability = Durability::sync;
  uint64_t ttl_seconds = 0;  // after which points go that say nothing else; 0: they stay
  // With a model, for add_documents(). With windows, each passage has the vectors of its windows, compared by dot as
  // float32. The payload fields "path" and "passage" are indexed.
  std::optional<PassageOptions> passages = {};
};

// Which points a change is about: one of the two; where there is neither, none.
struct PointSelection {
  std::vector<PointId> ids = {};
  std::string filter = {};  // those that it finds at that moment; "{}" finds all
};

struct UpsertOptions {
  WriteMode mode = WriteMode::upsert;
  // Where it has a value, every point must have this version (0: not be there), or nothing is written:
  // invalid_argument.
  std::optional<uint64_t> expected_version = {};
};

// What to return of points.
struct PointFields {
  bool payload = true;
  bool all_vectors = false;
  std::vector<std::string> vectors = {};  // names
};

struct PointSearchOptions {
  size_t limit = 10;
  std::string filter = {};                    // empty: all points
  std::optional<float> score_threshold = {};  // worse scores are left out: lower ones, of distances higher ones
  bool exact = false;                         // compare every point
  double target_recall = 0.95;                // share of the true nearest to find on average, in (0, 1]
  size_t breadth = 0;                         // of walks, instead of what target_recall needs
  std::string vector = {};                    // the name of the vector that is compared
  PointFields fields = {};                    //
};

struct ScoredPoint {
  StoredPoint point;
  float score = 0;  // Metric's: distances are lower for nearer points
};

struct PointSearchResult {
  std::vector<ScoredPoint> hits;  // best first; of equal scores, the smaller id
  bool exact = true;
  bool query_is_empty = false;             // the model knows no token of the text, so nothing is near it
  std::vector<PartPlan> parts;             // how each part of the collection was searched
  uint64_t payloads_read = 0;              // by the filter, where no index could answer it
  std::vector<std::string> without_index;  // paths of the filter that no index helped with
};

struct ScrollOptions {
  std::optional<PointId> from = {};  // the first id that may be on the page
  size_t limit = 10;                 // at least 1
  std::string filter = {};
  PointFields fields = {};
};

struct ScrollPage {
  std::vector<StoredPoint> points;  // ascending ids
  std::optional<PointId> next;      // where to go on; nothing at the end
};

// A number, or a moment in microseconds since 1970.
using OrderValue = std::variant<int64_t, double>;

struct OrderedScrollOptions {
  std::string key;  // a dotted path to a number or moment; points without one are left out
  bool descending = false;
  std::optional<OrderValue> start_from = {};
  size_t limit = 10;
  std::string filter = {};
  PointFields fields = {};
};

struct OrderedPoint {
  StoredPoint point;
  OrderValue value;  // the first in that order, where the point has several
};

struct FacetCount {
  std::variant<bool, int64_t, std::string> value;
  uint64_t count = 0;  // points that have it
  bool operator==(const FacetCount&) const = default;
};

// A text, for a collection with a model.
struct TextPoint {
  PointId id;
  std::string text;     // embedded, and kept as the payload's "text"
  std::string payload;  // a JSON object; empty: none
};

struct AddOptions {
  size_t batch_points = 1000;  // that are acknowledged together
  bool force = false;          // also with another model than the collection's
  // Told, from the adding thread, how many points are safe so far.
  std::function<void(uint64_t points)> acknowledged = {};

  // Of rows: which field is which; unset: "id", "text", "vector" or "embedding", where there are such; "": none.
  std::optional<std::string> id_column = {}, text_column = {}, vector_column = {};

  // Of documents.
  PassageOptions passages = {};                  // where the collection has none of its own
  bool remove_others = false;                    // those that are not among these go
  uint64_t file_bytes_max = uint64_t{64} << 20;  // longer files are skipped, and named
};

// What became of what was added; nothing is silent.
struct AddReport {
  struct Skipped {
    std::string path;
    std::string reason;
  };
  uint64_t points = 0;             // written
  uint64_t unchanged = 0;          // that were there as they are
  uint64_t removed = 0;            // passages that their document does not have any more
  uint64_t documents = 0;          // read
  uint64_t documents_same = 0;     // of them, those that were there as they are
  uint64_t documents_removed = 0;  //
  uint64_t windows = 0;            // vectors of the passages that were written
  uint64_t tokens = 0;             // embedded
  uint64_t truncated = 0;          // texts that the model cut off
  uint64_t empty = 0;         // texts of which the model knows nothing: kept without a vector, no search finds them
  uint64_t source_bytes = 0;  // of the files that became documents
  uint64_t replaced = 0;      // invalid UTF-8 sequences that became U+FFFD
  std::vector<Skipped> skipped;
  std::map<std::string, uint64_t, std::less<>> fields_left_out;  // that stood beside a row's payload, and in how many
};

struct CollectionInfo {
  uint64_t points = 0;
  uint64_t version = 0;         // of the last write
  uint64_t indexed_points = 0;  // in segments
  uint64_t newest_rows = 0;     // compared one by one until a segment has them
  uint64_t points_bytes = 0;    // on the disk
  uint64_t index_bytes = 0;     // likewise
  struct SegmentInfo {
    uint64_t number = 0;
    uint64_t rows = 0;
    uint64_t dead = 0;  // of them, those of points that were changed or removed
    uint64_t bytes = 0;
    std::string damage;  // why it is not used; empty: it is
  };
  std::vector<SegmentInfo> segments;
  bool busy = false;       // something is being built
  std::string last_error;  // of the background; empty where there is none

  std::vector<VectorOptions> vectors;
  Durability durability = Durability::sync;
  uint64_t ttl_seconds = 0;
  std::map<std::string, std::string> payload_indexes;  // path -> its schema, as JSON
  std::string model_name, model_hash;                  // empty where there is none
  std::optional<PassageOptions> passages;
};

// Of a file.
struct SnapshotInfo {
  uint64_t points = 0;
  uint64_t version = 0;  // of the last write in it
  uint64_t bytes = 0;
};

class Collection {
 public:
  // Replaces or inserts points as a whole. A point may lack any of the collection's vectors. Of equal ids the last one
  // counts, the first where the mode is insert.
  Written upsert(std::vector<Point> points, const UpsertOptions& options = {});
  // Sets the named vectors of points, and leaves their others and their payloads.
  Written update_vectors(std::vector<Point> points);
  Written remove_vectors(const PointSelection& selection, const std::vector<std::string>& names);
  // The keys of PAYLOAD, an object, replace those of the points' payloads, or of the object at the dotted path KEY in
  // them.
  Written merge_payload(const PointSelection& selection, std::string payload, std::string key = {});
  Written replace_payload(const PointSelection& selection, std::string payload);
  // KEYS: dotted paths.
  Written remove_payload_keys(const PointSelection& selection, std::vector<std::string> keys);
  Written clear_payload(const PointSelection& selection);
  Written remove(const PointSelection& selection);

  // What follows leaves alone what is there as it is. MODEL must be the collection's by its hash, or any where the
  // collection has none; throws invalid_argument otherwise, unless forced.
  AddReport add_texts(std::vector<TextPoint> texts, const Embedder& model, const AddOptions& options = {});
  // A file of rows (.jsonl .csv .parquet .npy and more: docs/files.md), or "-": standard input. MODEL embeds rows that
  // have a text and no vector; nullptr: all bring vectors. Ids are as docs/collections.md says.
  AddReport add_rows(const std::string& path, const Embedder* model = nullptr, const AddOptions& options = {});
  // Files and folders (.txt .md .html .pdf), a point a passage. A document is replaced as a whole.
  AddReport add_documents(const std::vector<std::string>& paths, const Embedder& model, const AddOptions& options = {});

  // The nearest to QUERY: dense [dim], multi [n, dim], or sparse. Throws not_found for a vector that the collection has
  // not, naming those that it has.
  PointSearchResult search(const VectorValue& query, const PointSearchOptions& options = {}) const;
  // The nearest to TEXT, in the vector "". MODEL as above, and there is no forcing it.
  PointSearchResult search(std::string_view text, const Embedder& model, const PointSearchOptions& options = {}) const;

  // In the order of ids; nullopt where one is not there.
  std::vector<std::optional<StoredPoint>> get(std::span<const PointId> ids, const PointFields& fields = {}) const;
  // The same page whenever nothing was written in between.
  ScrollPage scroll(const ScrollOptions& options = {}) const;
  // By a field of the payloads; of equal values the smaller id first. Slow without an index on it.
  std::vector<OrderedPoint> scroll_ordered(const OrderedScrollOptions& options) const;
  // LIMIT points, each as likely as another, in no order; the same seed and points, the same answer.
  std::vector<StoredPoint> sample(size_t limit, uint64_t seed, const std::string& filter = {},
                                  const PointFields& fields = {}) const;
  uint64_t count(const std::string& filter = {}) const;
  // The values of a field (a dotted path), the most frequent first.
  std::vector<FacetCount> facet(std::string_view key, size_t limit = 10, const std::string& filter = {}) const;
  CollectionInfo info() const;

  // Indexes a field of payloads, so that filters on it need not read them: keyword, integer, float, bool, datetime,
  // geo, text, uuid, or an object such as {"type": "text"} (docs/filters.md). Returns when all segments have it.
  void set_payload_index(std::string_view key, std::string_view schema);
  // Throws not_found.
  void remove_payload_index(std::string_view key);
  // Points have none of it until they are written.
  void add_vector(const VectorOptions& vector);
  // With all its values. Throws not_found.
  void remove_vector(const std::string& name);

  // Makes indexes of all points there are now, and waits for them.
  void flush();
  // Waits until the background has nothing left to do.
  void wait();
  // Throws all indexes away and makes them again from the points.
  void rebuild();
  // Makes one index of all points and gives the disk space of what was deleted back.
  void compact();
  // Reads all there is and compares the checksums. Returns what was wrong; damaged indexes are not used any more, and
  // made again in the background.
  std::vector<std::string> verify();
  // What there is now, in one file; others write meanwhile. Not of what was opened for reading: unsupported. The file
  // takes its place whole or not at all.
  SnapshotInfo snapshot(const std::filesystem::path& file) const;

 private:
  friend class Database;
  struct Impl;
  explicit Collection(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

class Database {
 public:
  // Throws not_found (there is none, and it must not be made), already_exists (something else is there), unavailable
  // (another process, or another Database of this one, writes to it).
  static Database open(const std::filesystem::path& folder, const DatabaseOptions& options = {});

  // Names are 1 to 255 bytes of UTF-8 without control characters or slashes. Throws already_exists (also where an alias
  // is called so).
  Collection create_collection(std::string_view name, const CollectionOptions& options);
  // NAME or an alias of it. Throws not_found, naming those that there are.
  Collection collection(std::string_view name) const;
  bool contains(std::string_view name) const;
  std::vector<std::string> collection_names() const;
  // With all its points, and its aliases. Whoever has it open still reads. Throws not_found.
  void remove_collection(std::string_view name);
  // A collection made of a snapshot's file, all of which is read and compared with its checksums first. Throws
  // not_found, corrupted, unsupported (a later version's), already_exists.
  SnapshotInfo restore(std::string_view name, const std::filesystem::path& file);

  std::map<std::string, std::string> aliases() const;  // alias -> collection
  // All of them or none, in this order: alias -> collection; an empty collection takes the alias away. Throws
  // not_found, already_exists (a collection is called so).
  void change_aliases(const std::vector<std::pair<std::string, std::string>>& changes);

 private:
  struct Impl;
  explicit Database(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace sextant
