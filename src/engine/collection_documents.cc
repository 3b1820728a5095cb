// Documents into a collection: cut into passages, embedded, and written as a whole each.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/hash.h"
#include "base/json.h"
#include "engine/adding.h"
#include "engine/collection.h"
#include "sextant/error.h"

namespace sextant::engine {
namespace {

constexpr size_t kDocumentsAtOnce = 256;
constexpr size_t kDocumentBytesAtOnce = size_t{8} << 20;
constexpr size_t kScrollAtOnce = 1000;

store::PointId passage_id(const std::string& path, size_t passage) {
  return id_of_parts({"passage", path, fmt::format("{}", passage)});
}

class DocumentAdder {
 public:
  DocumentAdder(const Collection& collection, const Embedder& model, const AddOptions& options, AddReport& report)
      : points_(collection.points()),
        options_(options),
        report_(report),
        embedder_(model, collection.model() ? collection.model()->document_prompt : document_prompt(model),
                  options.threads, report),
        passages_(collection.passages().value_or(options.passages)),
        cutter_(model, passages_, embedder_.pool().thread_count()),
        settings_(fmt::format("{} {} {}", cutter_.tokens_max(), cutter_.overlap_tokens(), passages_.window_tokens)),
        writer_(points_, collection.vector_slot(), options.acknowledged, report) {
    // Windows are for collections that keep several vectors a passage.
    has_windows_ = points_.config()->at("").kind == store::VectorKind::multi && cutter_.has_windows();
  }

  void add(const std::vector<io::Document>& documents) {
    const std::vector<Changed> changed = changed_of(documents);
    std::vector<std::string> texts;
    std::vector<std::string_view> windows;
    for (const Changed& one : changed) {
      for (size_t c = 0; c < one.cut.chunks.size(); ++c) {
        texts.push_back(one.cut.embedded_text(*one.document, c));
        if (!has_windows_) continue;
        for (const text::Chunk& window : one.cut.windows[c]) {
          windows.push_back(std::string_view(one.document->text).substr(window.begin, window.end - window.begin));
        }
      }
    }
    const uint64_t empty_before = report_.empty;
    const std::vector<float> of_texts = embedder_.embed(std::vector<std::string_view>(texts.begin(), texts.end()));
    const std::vector<float> of_windows = embedder_.embed(windows);
    // A window whose words nobody knows still has its passage's vector, if the passage has one.
    if (has_windows_) report_.empty = empty_before;
    const float* passage = of_texts.data();
    const float* window = of_windows.data();
    store::UpsertPoints upsert;
    for (const Changed& one : changed) {
      for (size_t c = 0; c < one.cut.chunks.size(); ++c) {
        store::Point point;
        point.id = passage_id(one.document->path, c);
        nlohmann::ordered_json payload = payload_of(one, c);
        if (has_windows_) {
          point.vectors = vectors_by_window(one.cut.windows[c], passage, window, payload);
          window += one.cut.windows[c].size() * embedder_.dim();
        } else {
          point.vectors = vectors_of({passage, embedder_.dim()});
          report_.windows += point.vectors.size();
        }
        passage += embedder_.dim();
        point.payload = base::json_text(payload);
        upsert.points.push_back(std::move(point));
      }
      for (size_t c = one.cut.chunks.size(); c < one.passages_before; ++c) {
        upsert.remove.push_back(passage_id(one.document->path, c));
      }
      // Documents are written whole, so a batch may be larger than asked for.
      if (upsert.points.size() >= options_.batch_points) {
        writer_.write(std::move(upsert));
        upsert = {};
      }
    }
    writer_.write(std::move(upsert));
    report_.documents += documents.size();
    for (const io::Document& document : documents) {
      report_.replaced += document.replaced_count;
      report_.source_bytes += document.source_bytes;
      if (options_.remove_others) read_.insert(document.path);
    }
  }

  void finish() {
    writer_.wait();
    if (options_.remove_others) remove_others();
  }

 private:
  struct Changed {
    const io::Document* document;
    std::string hash;
    size_t passages_before = 0;
    PassageCutter::Cut cut = {};
  };

  // The documents that are not there as they are, cut.
  std::vector<Changed> changed_of(const std::vector<io::Document>& documents) {
    // The first passage tells what a document was when it was added.
    std::vector<store::PointId> firsts;
    for (const io::Document& document : documents) firsts.push_back(passage_id(document.path, 0));
    const auto known = points_.get(firsts, {});
    std::vector<Changed> changed;
    for (size_t i = 0; i < documents.size(); ++i) {
      Changed one{&documents[i],
                  base::hash128_hex(fmt::format("{}\n{}\n{}", settings_, documents[i].title, documents[i].text))};
      if (known[i]) {
        const nlohmann::json payload = base::parse_json(known[i]->payload);
        one.passages_before = payload.value("passages", size_t{0});
        if (payload.value("document_hash", "") == one.hash) {
          ++report_.documents_same;
          report_.unchanged += one.passages_before;
          continue;
        }
      }
      changed.push_back(std::move(one));
    }
    embedder_.pool().parallel_for(
        changed.size(), [&](size_t i, size_t thread) { changed[i].cut = cutter_.cut(*changed[i].document, thread); });
    return changed;
  }

  static nlohmann::ordered_json payload_of(const Changed& one, size_t passage) {
    const text::Chunk& chunk = one.cut.chunks[passage];
    return {{"path", one.document->path},
            {"title", one.document->title},
            {"heading", one.cut.sections[chunk.section].headings},
            {"text", one.document->text.substr(chunk.begin, chunk.end - chunk.begin)},
            {"begin", chunk.begin},
            {"end", chunk.end},
            {"passage", passage},
            {"passages", one.cut.chunks.size()},
            {"document_hash", one.hash}};
  }

  // The windows that have a vector are named in PAYLOAD.
  store::NamedVectors vectors_by_window(const std::vector<text::Chunk>& windows, const float* passage,
                                        const float* of_windows, nlohmann::ordered_json& payload) {
    const size_t dim = embedder_.dim();
    std::vector<bool> kept;
    store::VectorValue value = window_vectors({passage, dim}, {of_windows, windows.size() * dim}, kept);
    payload["windows"] = nlohmann::ordered_json::array();
    for (size_t w = 0; w < windows.size(); ++w) {
      if (kept[w]) payload["windows"].push_back({windows[w].begin, windows[w].end});
      ++(kept[w] ? report_.windows : report_.empty);
    }
    if (value.values.empty()) return {};
    return {{"", std::move(value)}};
  }

  // Documents that were not read now.
  void remove_others() {
    std::set<std::string> gone;
    store::DeletePoints remove;
    store::ScrollRequest request{.limit = kScrollAtOnce};
    do {
      const store::ScrollAnswer answer = points_.scroll(request);
      for (const store::StoredPoint& point : answer.points) {
        const nlohmann::json payload = base::parse_json(point.payload);
        if (!payload.contains("document_hash")) continue;
        const std::string path = payload.value("path", "");
        if (read_.contains(path)) continue;
        gone.insert(path);
        remove.ids.push_back(point.id);
      }
      request.from = answer.next;
    } while (request.from);
    if (!remove.ids.empty()) report_.removed += points_.write(remove).removed;
    report_.documents_removed = gone.size();
  }

  query::Points& points_;
  const AddOptions& options_;
  AddReport& report_;
  TextEmbedder embedder_;
  PassageOptions passages_;
  PassageCutter cutter_;
  std::string settings_;  // what cuts a document otherwise makes another document of it
  BatchWriter writer_;
  bool has_windows_ = false;
  std::set<std::string> read_;
};

}  // namespace

AddReport Collection::add_documents(const std::vector<std::string>& paths, const Embedder& model,
                                    const AddOptions& options) const {
  if (!options.force) check_model(model);
  AddReport report;
  io::DocumentReader reader(paths, {.file_bytes_max = options.file_bytes_max});
  DocumentAdder adder(*this, model, options, report);
  if (options.progress != nullptr) options.progress->begin("adding", "files", reader.file_count());
  std::vector<io::Document> batch;
  size_t batch_bytes = 0;
  auto flush = [&] {
    if (batch.empty()) return;
    adder.add(batch);
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
  flush();
  adder.finish();
  report.skipped = reader.skipped();
  if (options.progress != nullptr) options.progress->end();
  return report;
}

}  // namespace sextant::engine
