// sextant::Collection: what is added to it from texts and files, what is known of it, and how it is kept in order.
#include <fmt/format.h>

#include "base/utf8.h"
#include "engine/public_collection.h"
#include "io/rows.h"
#include "sextant/error.h"
#include "store/payload/payload_reader.h"

namespace sextant {
namespace {

// Texts that are in memory, as the rows of a file.
class TextRows : public io::RowSource {
 public:
  // Throws invalid_argument where one of them cannot be a point.
  explicit TextRows(std::vector<TextPoint> texts) : RowSource("texts", {}), texts_(std::move(texts)) {
    for (const TextPoint& text : texts_) {
      try {
        if (!base::is_valid_utf8(text.text)) throw Error(ErrorCode::invalid_argument, "text: expected UTF-8");
        if (!text.payload.empty()) store::check_payload(text.payload);
      } catch (const Error& error) {
        throw Error(error.code(), fmt::format("point {}: {}", text.id.text(), error.what()));
      }
    }
  }
  std::optional<uint64_t> row_count() const override { return texts_.size(); }

 protected:
  bool read(io::Row& row) override {
    if (number() == texts_.size()) return false;
    TextPoint& text = texts_[number()];
    row.id = text.id.text();
    row.text = std::move(text.text);
    if (!text.payload.empty()) row.payload_json = std::move(text.payload);
    return true;
  }

 private:
  std::vector<TextPoint> texts_;
};

engine::AddOptions add_options(const AddOptions& options, size_t threads) {
  if (options.batch_points == 0) throw Error(ErrorCode::invalid_argument, "batch_points is 0, expected at least 1");
  engine::AddOptions inner;
  inner.threads = threads;
  inner.batch_points = options.batch_points;
  inner.force = options.force;
  inner.passages = options.passages;
  inner.remove_others = options.remove_others;
  inner.file_bytes_max = options.file_bytes_max;
  inner.acknowledged = options.acknowledged;
  return inner;
}

AddReport add_report(const engine::AddReport& inner) {
  AddReport report;
  report.points = inner.points;
  report.unchanged = inner.unchanged;
  report.removed = inner.removed;
  report.documents = inner.documents;
  report.documents_same = inner.documents_same;
  report.documents_removed = inner.documents_removed;
  report.windows = inner.windows;
  report.tokens = inner.tokens;
  report.truncated = inner.truncated;
  report.empty = inner.empty;
  report.source_bytes = inner.source_bytes;
  report.replaced = inner.replaced;
  for (const io::SkippedFile& file : inner.skipped) report.skipped.push_back({file.path, file.reason});
  return report;
}

}  // namespace

AddReport Collection::add_texts(std::vector<TextPoint> texts, const Embedder& model, const AddOptions& options) {
  TextRows rows(std::move(texts));
  return add_report(impl_->collection.add_rows(rows, &model, add_options(options, impl_->threads)));
}

AddReport Collection::add_rows(const std::string& path, const Embedder* model, const AddOptions& options) {
  io::RowOptions columns;
  columns.id_column = options.id_column;
  columns.text_column = options.text_column;
  columns.vector_column = options.vector_column;
  const auto rows = io::open_rows(path, columns);
  AddReport report = add_report(impl_->collection.add_rows(*rows, model, add_options(options, impl_->threads)));
  report.fields_left_out = rows->fields_left_out();
  return report;
}

AddReport Collection::add_documents(const std::vector<std::string>& paths, const Embedder& model,
                                    const AddOptions& options) {
  return add_report(impl_->collection.add_documents(paths, model, add_options(options, impl_->threads)));
}

CollectionInfo Collection::info() const {
  const store::StoreInfo store = impl_->collection.store().info();
  const auto config = impl_->points().config();
  CollectionInfo info;
  info.points = store.points;
  info.version = store.version;
  info.indexed_points = store.indexed_points;
  info.newest_rows = store.tail_rows;
  info.points_bytes = store.truth_bytes;
  for (const auto& segment : store.segments) {
    info.index_bytes += segment.disk_bytes;
    info.segments.push_back({segment.info.number, segment.info.rows, segment.dead, segment.disk_bytes, segment.damage});
  }
  info.busy = store.busy;
  info.last_error = store.last_error;
  for (const store::VectorConfig& vector : config->vectors) info.vectors.push_back(engine::vector_options(vector));
  info.durability = config->durability;
  info.ttl_seconds = config->ttl_seconds;
  for (const auto& [path, field] : config->payload_schema.fields()) {
    info.payload_indexes.emplace(path, store::field_schema_json(field));
  }
  if (const auto& model = impl_->collection.model()) {
    info.model_name = model->name;
    info.model_hash = model->hash;
  }
  info.passages = impl_->collection.passages();
  return info;
}

void Collection::set_payload_index(std::string_view key, std::string_view schema) {
  impl_->collection.store().set_payload_field(store::KeyPath::parse(key), store::read_field_schema(schema, "schema"));
}

void Collection::remove_payload_index(std::string_view key) {
  impl_->collection.store().set_payload_field(store::KeyPath::parse(key), std::nullopt);
}

void Collection::add_vector(const VectorOptions& vector) {
  store::VectorsChange change;
  change.add.push_back(engine::vector_config(vector));
  impl_->collection.store().change_vectors(change);
}

void Collection::remove_vector(const std::string& name) {
  if (name.empty() && impl_->collection.model()) {
    throw Error(ErrorCode::invalid_argument, fmt::format("vector '': holds what model '{}' made, expected another",
                                                         impl_->collection.model()->name));
  }
  store::VectorsChange change;
  change.remove.push_back(name);
  impl_->collection.store().change_vectors(change);
}

void Collection::flush() { impl_->collection.store().flush(); }
void Collection::wait() { impl_->collection.store().wait(); }
void Collection::rebuild() { impl_->collection.store().rebuild(); }
void Collection::compact() { impl_->collection.store().compact(); }
std::vector<std::string> Collection::verify() { return impl_->collection.store().verify(); }

}  // namespace sextant
