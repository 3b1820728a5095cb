// sextant::Database: its options into those of the store, and the collections that it makes.
#include <fmt/format.h>

#include <algorithm>

#include "engine/public_collection.h"
#include "sextant/error.h"

namespace sextant {
namespace {

// Refuses what a collection of MODEL cannot be; REQUIRES: options.model is there or not, as the messages say.
engine::CreateOptions create_options(const CollectionOptions& options) {
  auto refuse = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, what); };
  if (options.passages && options.model == nullptr) refuse("passages: only with a model, which cuts documents");
  engine::CreateOptions create;
  create.model = options.model;
  create.durability = options.durability;
  create.ttl_seconds = options.ttl_seconds;
  create.passages = options.passages;
  for (const VectorOptions& vector : options.vectors) create.vectors.push_back(engine::vector_config(vector));
  if (options.model == nullptr) return create;
  for (store::VectorConfig& vector : create.vectors) {
    if (!vector.name.empty()) continue;
    if (vector.kind != VectorKind::dense) {
      refuse(
          fmt::format("vector '': {}, expected dense: model '{}' makes it", name(vector.kind), options.model->name()));
    }
    if (vector.dim != 0 && vector.dim != options.model->dim()) {
      refuse(fmt::format("vector '': dim {}, expected {}, that of model '{}', or 0", vector.dim, options.model->dim(),
                         options.model->name()));
    }
    if (options.passages && options.passages->window_tokens > 0) {
      refuse("vector '': windows are compared by dot as float32, expected none where passages have window_tokens");
    }
    vector.dim = options.model->dim();
  }
  return create;
}

SnapshotInfo snapshot_info(const store::SnapshotReport& report) {
  return {report.points, report.version, report.bytes};
}

}  // namespace

namespace engine {

store::VectorConfig vector_config(const VectorOptions& options) {
  store::VectorConfig config;
  config.name = options.name;
  config.kind = options.kind;
  config.dim = options.dim;
  config.type = options.type;
  config.index = options.index;
  config.codes = options.codes;
  config.degree = options.degree;
  config.build_breadth = options.build_breadth;
  Metric metric = Metric::cosine;
  if (options.type == ElementType::bit) metric = Metric::hamming;
  if (options.kind == VectorKind::sparse) metric = Metric::dot;
  config.metric = options.metric.value_or(metric);
  return config;
}

VectorOptions vector_options(const store::VectorConfig& config) {
  return {.name = config.name,
          .kind = config.kind,
          .dim = config.dim,
          .metric = config.metric,
          .type = config.type,
          .index = config.index,
          .codes = config.codes,
          .degree = config.degree,
          .build_breadth = config.build_breadth};
}

}  // namespace engine

struct Database::Impl {
  std::shared_ptr<store::Database> database;
  size_t threads;
};

Database Database::open(const std::filesystem::path& folder, const DatabaseOptions& options) {
  store::DatabaseOptions inner;
  inner.memory_bytes = options.memory_bytes;
  inner.create_if_missing = options.create_if_missing;
  inner.store.read_only = options.read_only;
  inner.store.threads = options.threads;
  return Database(std::make_shared<Impl>(Impl{std::make_shared<store::Database>(folder, inner), options.threads}));
}

Collection Database::create_collection(std::string_view name, const CollectionOptions& options) {
  auto collection = engine::Collection::create(*impl_->database, name, create_options(options));
  return Collection(
      std::make_shared<Collection::Impl>(Collection::Impl{impl_->database, std::move(collection), impl_->threads}));
}

Collection Database::collection(std::string_view name) const {
  engine::Collection collection(impl_->database->open(name));
  return Collection(
      std::make_shared<Collection::Impl>(Collection::Impl{impl_->database, std::move(collection), impl_->threads}));
}

bool Database::contains(std::string_view name) const { return impl_->database->contains(name); }
std::vector<std::string> Database::collection_names() const { return impl_->database->names(); }
void Database::remove_collection(std::string_view name) { impl_->database->remove(name); }

SnapshotInfo Database::restore(std::string_view name, const std::filesystem::path& file) {
  return snapshot_info(impl_->database->restore(name, file));
}

std::map<std::string, std::string> Database::aliases() const {
  std::map<std::string, std::string> out;
  for (const auto& [alias, collection] : impl_->database->aliases()) out.emplace(alias, collection);
  return out;
}

void Database::change_aliases(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<store::Database::Alias> inner;
  for (const auto& [alias, collection] : changes) inner.push_back({alias, collection});
  impl_->database->change_aliases(inner);
}

SnapshotInfo Collection::snapshot(const std::filesystem::path& file) const {
  return snapshot_info(impl_->collection.store().snapshot(file));
}

}  // namespace sextant
