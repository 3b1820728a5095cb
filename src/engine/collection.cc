#include "engine/collection.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "engine/adding.h"
#include "query/stored_points.h"
#include "sextant/error.h"
#include "store/payload_edit.h"

namespace sextant::engine {

using nlohmann::ordered_json;
using store::Point;
using store::PointId;

namespace {

// For a message: what a row has instead.
std::string fields_of(const std::string& payload_json) {
  constexpr size_t kNamedMax = 5;
  const ordered_json payload = base::parse_ordered_json(payload_json);
  if (payload.empty()) return "";
  std::vector<std::string> names;
  for (const auto& [field, value] : payload.items()) {
    if (names.size() == kNamedMax) break;
    names.push_back(fmt::format("'{}'", field));
  }
  std::string more;
  if (payload.size() > names.size()) {
    more = fmt::format(" and {} more", payload.size() - names.size());
  } else if (names.size() > 1) {
    more = " and " + names.back();
    names.pop_back();
  }
  return fmt::format(", only {}{}: name the column that holds it", fmt::join(names, ", "), more);
}

}  // namespace

Collection Collection::create(store::Database& database, std::string_view name, const CreateOptions& options) {
  store::StoreConfig config;
  config.vectors = options.vectors;
  const bool has_own = config.find("") != nullptr;
  if (!has_own && (options.model != nullptr || options.dim > 0 || options.vectors.empty())) {
    store::VectorConfig vector;
    vector.dim = options.model != nullptr ? options.model->dim() : options.dim;
    vector.metric = options.metric;
    vector.index = options.index;
    vector.type = options.metric == Metric::hamming ? ElementType::bit : options.type;
    if (options.passages && options.passages->window_tokens > 0) {
      // Each passage has a vector a window, the mean of the window's and the passage's: shorter than they are by what
      // the two differ, so lengths must count. MaxSim of one question is the nearest window.
      vector.kind = store::VectorKind::multi;
      vector.metric = Metric::dot;
    }
    config.vectors.insert(config.vectors.begin(), vector);
  }
  for (store::VectorConfig& vector : config.vectors) vector.slot = config.next_slot++;
  config.durability = options.durability;
  config.ttl_seconds = options.ttl_seconds;
  if (options.model != nullptr) {
    config.metadata = with_models(config.metadata, {.now = model_of(*options.model), .next = std::nullopt});
  }
  if (options.passages) {
    config.metadata = with_passages(config.metadata, *options.passages);
    config.payload_schema.set(store::KeyPath::parse("path"), {.kind = store::FieldKind::keyword});
    config.payload_schema.set(store::KeyPath::parse("passage"), {.kind = store::FieldKind::integer});
  }
  return Collection(database.create(name, config));
}

Collection::Collection(std::shared_ptr<store::PointStore> store)
    : store_(std::move(store)), points_(query::stored_points(store_)) {
  const auto config = points_->config();
  model_ = read_models(config->metadata, points_->where()).now;
  passages_ = read_passages(config->metadata, points_->where());
  if (const store::VectorConfig* vector = config->find("")) vector_slot_ = vector->slot;
}

void Collection::check_model(const Embedder& model) const {
  if (!model_ || model.hash() == model_->hash) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("the collection holds vectors of model '{}' ({}), not of '{}' ({}), which are not comparable",
                          model_->name, model_->hash.substr(0, 12), model.name(), model.hash().substr(0, 12)));
}

AddReport Collection::add_rows(io::RowSource& rows, const Embedder* model, const AddOptions& options) const {
  if (model != nullptr && !options.force) check_model(*model);
  AddReport report;
  std::optional<TextEmbedder> embedder;
  if (model != nullptr) {
    embedder.emplace(*model, model_ ? model_->document_prompt : document_prompt(*model), options.threads, report);
  }
  BatchWriter writer(*points_, vector_slot_, options.acknowledged, report);
  if (options.progress != nullptr) options.progress->begin("adding", "rows", rows.row_count().value_or(0));
  std::vector<io::Row> batch;
  auto flush = [&] {
    std::vector<PointId> ids;
    for (io::Row& row : batch) {
      if (row.text) {
        row.payload_json =
            store::merge_payload(row.payload_json, "", base::json_text(ordered_json{{"text", *row.text}}));
      }
      std::optional<PointId> id;
      if (row.id) id = PointId::read(*row.id);
      if (row.id && !id) {
        row.payload_json = store::merge_payload(row.payload_json, "", base::json_text(ordered_json{{"id", *row.id}}));
        id = id_of_parts({"id", *row.id});
      }
      if (!id) {
        // What comes through a pipe has no name to be called by.
        id = rows.name() == "-" ? id_of_parts({"row", row.payload_json})
                                : id_of_parts({"row", rows.name(), fmt::format("{}", row.number)});
      }
      ids.push_back(*id);
      if (row.vector.empty() && !row.text) {
        throw Error(ErrorCode::invalid_argument, fmt::format("{}: row {} has neither a vector nor a text{}",
                                                             rows.name(), row.number, fields_of(row.payload_json)));
      }
      if (row.vector.empty() && !embedder) {
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: row {} has a text and no vector, and there is no model to embed it: name one",
                                rows.name(), row.number));
      }
    }
    const auto known = points_->get(ids, {.payload = true, .vectors = {""}});
    store::UpsertPoints upsert;
    std::vector<size_t> changed, to_embed;
    std::vector<std::string_view> texts;
    for (size_t i = 0; i < batch.size(); ++i) {
      io::Row& row = batch[i];
      const bool same = known[i] && known[i]->payload == row.payload_json &&
                        (row.vector.empty() || known[i]->vectors == store::NamedVectors{{"", {row.vector, {}}}});
      if (same) {
        ++report.unchanged;
        continue;
      }
      changed.push_back(i);
      if (row.vector.empty()) {
        to_embed.push_back(i);
        texts.push_back(*row.text);
      }
    }
    const std::vector<float> embedded = texts.empty() ? std::vector<float>() : embedder->embed(texts);
    size_t next = 0;
    for (size_t i : changed) {
      Point point;
      point.id = ids[i];
      point.payload = std::move(batch[i].payload_json);
      if (next < to_embed.size() && to_embed[next] == i) {
        point.vectors = vectors_of(std::span(embedded).subspan(next++ * embedder->dim(), embedder->dim()));
      } else {
        point.vectors = {{"", {std::move(batch[i].vector), {}}}};
      }
      upsert.points.push_back(std::move(point));
    }
    writer.write(std::move(upsert));
    batch.clear();
  };
  io::Row row;
  uint64_t read = 0;
  while (rows.next(row)) {
    batch.push_back(std::move(row));
    ++read;
    if (batch.size() < options.batch_points) continue;
    flush();
    if (options.progress != nullptr) options.progress->report(read);
  }
  if (!batch.empty()) flush();
  writer.wait();
  if (options.progress != nullptr) options.progress->end();
  return report;
}

std::vector<float> Collection::query_vector(std::string_view text, const Embedder& model) const {
  std::vector<float> vector(model.dim());
  EmbedReport report;
  model.embed({&text, 1}, {.normalize = true, .prompt = model_ ? model_->query_prompt : query_prompt(model)}, vector,
              &report);
  if (!report.empty.empty()) vector.clear();
  return vector;
}

}  // namespace sextant::engine
