#include "engine/collection.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "base/threads.h"
#include "sextant/error.h"
#include "store/payload_edit.h"

namespace sextant::engine {
namespace {

using nlohmann::ordered_json;
using store::Point;
using store::PointId;

constexpr size_t kDocumentsAtOnce = 256;
constexpr size_t kDocumentBytesAtOnce = size_t{8} << 20;

// The same parts, the same id.
PointId id_of_parts(std::initializer_list<std::string_view> parts) {
  std::string bytes;
  for (std::string_view part : parts) {
    bytes += fmt::format("{}:", part.size());
    bytes += part;
  }
  return *PointId::read_uuid(base::hash128_hex(bytes));
}

// Writes one batch while the next is made ready.
class Writer {
 public:
  Writer(store::PointStore& points, std::optional<uint16_t> slot, const AddOptions& options, AddReport& report)
      : points_(points), slot_(slot), options_(options), report_(report) {}
  ~Writer() {
    if (running_.valid()) running_.wait();
  }

  void write(store::UpsertPoints&& upsert) {
    wait();
    count_ = upsert.points.size();
    if (upsert.points.empty() && upsert.remove.empty()) return;
    upsert.expected_slot = slot_;
    running_ = std::async(std::launch::async, [this, upsert = std::move(upsert)] { return points_.write(upsert); });
  }
  void wait() {
    if (!running_.valid()) return;
    report_.removed += running_.get().removed;
    report_.points += count_;
    if (options_.acknowledged) options_.acknowledged(report_.points);
  }

 private:
  store::PointStore& points_;
  std::optional<uint16_t> slot_;
  const AddOptions& options_;
  AddReport& report_;
  std::future<store::Written> running_;
  size_t count_ = 0;
};

}  // namespace

Collection Collection::create(store::Database& database, std::string_view name, const CreateOptions& options) {
  store::StoreConfig config;
  store::VectorConfig vector;
  vector.slot = config.next_slot++;
  vector.dim = options.model != nullptr ? options.model->dim() : options.dim;
  vector.metric = options.metric;
  vector.type = options.metric == Metric::hamming ? ElementType::bit : options.type;
  config.vectors.push_back(vector);
  config.durability = options.durability;
  config.ttl_seconds = options.ttl_seconds;
  if (options.model != nullptr) {
    config.metadata = with_models(config.metadata, {.now = model_of(*options.model), .next = std::nullopt});
  }
  return Collection(database.create(name, config));
}

Collection::Collection(std::shared_ptr<store::PointStore> points) : points_(std::move(points)) {
  const auto config = points_->config();
  model_ = read_models(config->metadata, points_->folder().string()).now;
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
  Writer writer(*points_, vector_slot_, options, report);
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
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("{}: row {} has neither a vector nor a text", rows.name(), row.number));
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

AddReport Collection::add_documents(const std::vector<std::string>& paths, const Embedder& model,
                                    const AddOptions& options) const {
  if (!options.force) check_model(model);
  AddReport report;
  const TextEmbedder embedder(model, model_ ? model_->document_prompt : document_prompt(model), options.threads,
                              report);
  PassageCutter cutter(model, options.passages, embedder.pool().thread_count());
  const std::string settings = fmt::format("{} {}", cutter.tokens_max(), cutter.overlap_tokens());
  io::DocumentReader reader(paths, {.file_bytes_max = options.file_bytes_max});
  Writer writer(*points_, vector_slot_, options, report);
  if (options.progress != nullptr) options.progress->begin("adding", "files", reader.file_count());
  auto passage_id = [](const std::string& path, size_t passage) {
    return id_of_parts({"passage", path, fmt::format("{}", passage)});
  };
  std::vector<io::Document> batch;
  size_t batch_bytes = 0;
  auto flush = [&] {
    // The first passage tells what a document was when it was added.
    std::vector<PointId> firsts;
    for (const io::Document& document : batch) firsts.push_back(passage_id(document.path, 0));
    const auto known = points_->get(firsts);
    std::vector<size_t> changed;
    std::vector<std::string> hashes;
    std::vector<size_t> passages_before;
    for (size_t i = 0; i < batch.size(); ++i) {
      std::string hash = base::hash128_hex(fmt::format("{}\n{}\n{}", settings, batch[i].title, batch[i].text));
      size_t before = 0;
      bool same = false;
      if (known[i]) {
        const nlohmann::json payload = base::parse_json(known[i]->payload);
        before = payload.value("passages", size_t{0});
        same = payload.value("document_hash", "") == hash;
      }
      report.documents_same += same ? 1 : 0;
      report.unchanged += same ? before : 0;
      if (same) continue;
      changed.push_back(i);
      hashes.push_back(std::move(hash));
      passages_before.push_back(before);
    }
    std::vector<PassageCutter::Cut> cuts(changed.size());
    embedder.pool().parallel_for(changed.size(),
                                 [&](size_t i, size_t thread) { cuts[i] = cutter.cut(batch[changed[i]], thread); });
    std::vector<std::string> texts;
    for (size_t i = 0; i < changed.size(); ++i) {
      for (size_t c = 0; c < cuts[i].chunks.size(); ++c) texts.push_back(cuts[i].embedded_text(batch[changed[i]], c));
    }
    const std::vector<float> vectors = embedder.embed(std::vector<std::string_view>(texts.begin(), texts.end()));
    // Documents are written whole, so a batch may be larger than asked for.
    store::UpsertPoints upsert;
    size_t next = 0;
    for (size_t i = 0; i < changed.size(); ++i) {
      const io::Document& document = batch[changed[i]];
      const PassageCutter::Cut& cut = cuts[i];
      for (size_t c = 0; c < cut.chunks.size(); ++c) {
        const text::Chunk& chunk = cut.chunks[c];
        Point point;
        point.id = passage_id(document.path, c);
        point.vectors = vectors_of(std::span(vectors).subspan(next++ * embedder.dim(), embedder.dim()));
        point.payload =
            base::json_text(ordered_json{{"path", document.path},
                                         {"title", document.title},
                                         {"heading", cut.sections[chunk.section].headings},
                                         {"text", document.text.substr(chunk.begin, chunk.end - chunk.begin)},
                                         {"begin", chunk.begin},
                                         {"end", chunk.end},
                                         {"passage", c},
                                         {"passages", cut.chunks.size()},
                                         {"document_hash", hashes[i]}});
        upsert.points.push_back(std::move(point));
      }
      for (size_t c = cut.chunks.size(); c < passages_before[i]; ++c)
        upsert.remove.push_back(passage_id(document.path, c));
      if (upsert.points.size() >= options.batch_points) {
        writer.write(std::move(upsert));
        upsert = {};
      }
    }
    writer.write(std::move(upsert));
    report.documents += batch.size();
    for (const io::Document& document : batch) report.replaced += document.replaced_count;
    batch.clear();
    batch_bytes = 0;
    if (options.progress != nullptr) options.progress->report(reader.file_index());
  };
  io::Document document;
  while (reader.next(document)) {
    batch_bytes += document.text.size();
    batch.push_back(std::move(document));
    if (batch.size() >= kDocumentsAtOnce || batch_bytes >= kDocumentBytesAtOnce) flush();
  }
  if (!batch.empty()) flush();
  writer.wait();
  report.skipped = reader.skipped();
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
