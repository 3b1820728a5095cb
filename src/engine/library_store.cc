#include "engine/library_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.h"
#include "base/json.h"
#include "engine/collection.h"
#include "engine/library_file.h"
#include "sextant/error.h"
#include "store/folder_copy.h"

namespace sextant::engine {
namespace {

namespace fs = std::filesystem;

// A document has some passages, so for k documents a few times k passages are asked for at first.
constexpr size_t kPassagesADocument = 4;

class StoredLibrary final : public Library::Impl {
 public:
  explicit StoredLibrary(const std::string& folder)
      : database_(folder, {.store = {.background = false, .read_only = true}}),
        collection_(database_.open(kLibraryCollection)) {
    const auto config = collection_.points().config();
    if (!collection_.model() || !collection_.passages()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: a database and no library; --db and --collection search it", folder));
    }
    model_name = collection_.model()->name;
    model_hash = collection_.model()->hash;
    dim = config->at("").dim;
  }

  size_t passage_count() const override { return collection_.points().count(std::nullopt); }
  size_t document_count() const override {
    return collection_.points().count(store::parse_filter(R"({"must": {"key": "passage", "match": {"value": 0}}})"));
  }

  Found search(std::span<const float> query, const SearchOptions& options) const override {
    store::SearchRequest request;
    request.query.values.assign(query.begin(), query.end());
    request.exact = true;
    request.limit = options.limit;
    if (!options.all_passages)
      request.limit = std::min(options.limit, SIZE_MAX / kPassagesADocument) * kPassagesADocument;
    Found found;
    while (options.limit > 0) {
      const store::SearchAnswer answer = collection_.points().search(request);
      found.windows_compared = 0;
      for (const store::PartPlan& part : answer.parts) found.windows_compared += part.compared;
      found.hits.clear();
      std::vector<store::PointId> ids;
      std::set<std::string> documents;
      for (const store::FoundPoint& point : answer.points) {
        if (found.hits.size() == options.limit) break;
        const nlohmann::json payload = base::parse_json(point.point.payload);
        if (!options.all_passages && !documents.insert(payload.at("path")).second) continue;
        found.hits.push_back(hit_of(payload, point.score));
        found.hits.back().rank = found.hits.size();
        ids.push_back(point.point.id);
      }
      if (found.hits.size() < options.limit && answer.points.size() == request.limit &&
          request.limit <= SIZE_MAX / kPassagesADocument) {
        // One document took the places of others.
        request.limit *= kPassagesADocument;
        continue;
      }
      find_matches(query, ids, found.hits);
      break;
    }
    return found;
  }

 private:
  static Hit hit_of(const nlohmann::json& payload, float score) {
    Hit hit;
    hit.score = score;
    hit.path = payload.at("path");
    hit.title = payload.at("title");
    hit.heading = payload.at("heading");
    hit.passage = payload.at("text");
    hit.begin = hit.match_begin = payload.at("begin");
    hit.end = hit.match_end = payload.at("end");
    return hit;
  }

  // Which window of each passage was the nearest.
  void find_matches(std::span<const float> query, const std::vector<store::PointId>& ids,
                    std::vector<Hit>& hits) const {
    if (collection_.points().config()->at("").kind != store::VectorKind::multi) return;
    const auto points = collection_.points().get(ids, {.vectors = {""}});
    for (size_t i = 0; i < ids.size(); ++i) {
      if (!points[i] || points[i]->vectors.empty()) continue;
      const std::vector<float>& values = points[i]->vectors.front().second.values;
      size_t best = 0;
      double best_score = -2;
      for (size_t w = 0; w < values.size() / dim; ++w) {
        double score = 0;
        for (size_t d = 0; d < dim; ++d) score += double{query[d]} * double{values[w * dim + d]};
        if (score > best_score) {
          best_score = score;
          best = w;
        }
      }
      const nlohmann::json payload = base::parse_json(points[i]->payload);
      const nlohmann::json& windows = payload.at("windows");
      // A passage of which the first model knew nothing has none; another may know it as a whole.
      if (best >= windows.size()) continue;
      hits[i].match_begin = windows.at(best).at(0);
      hits[i].match_end = windows.at(best).at(1);
    }
  }

  mutable store::Database database_;
  Collection collection_;
};

// Tells a function what it is told.
class ProgressFunction final : public base::Progress {
 public:
  explicit ProgressFunction(const std::function<void(uint64_t, uint64_t)>& function) : function_(function) {}
  void begin(std::string_view, std::string_view, uint64_t total) override { total_ = total; }
  void report(uint64_t done) override { function_(done, total_); }
  void remark(std::string_view) override {}
  void end() override { function_(total_, total_); }

 private:
  const std::function<void(uint64_t, uint64_t)>& function_;
  uint64_t total_ = 0;
};

uint64_t bytes_below(const fs::path& folder) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

// Whether the library in FOLDER, a database, can be the beginning of one of MODEL and PASSAGES.
bool is_made_alike(const fs::path& folder, const Embedder& model, const PassageOptions& passages) {
  try {
    store::Database database(folder, {.store = {.read_only = true}});
    if (!database.contains(kLibraryCollection)) return false;
    const Collection collection(database.open(kLibraryCollection));
    return collection.model() && collection.model()->hash == model.hash() && collection.passages() == passages;
  } catch (const Error& error) {
    // Cut off when it had hardly begun, damaged or of another version: made anew. Somebody who has it is left alone.
    if (error.code() == ErrorCode::unavailable) throw;
    return false;
  }
}

// Throws already_exists where OUTPUT is something else than a library.
void check_output(const fs::path& output) {
  const auto fail = [&](const char* what) {
    throw Error(ErrorCode::already_exists, fmt::format("{}: {}; it is left as it is", output.string(), what));
  };
  if (fs::is_directory(output)) {
    if (fs::is_empty(output)) return;
    if (!fs::is_directory(output / "catalog")) fail("exists and is not a library");
    store::Database database(output, {.store = {.read_only = true}});
    if (database.names() != std::vector<std::string>{std::string(kLibraryCollection)}) {
      fail("a database of other collections");
    }
  } else if (fs::is_regular_file(output) && fs::file_size(output) > 0 && !looks_like_library(output)) {
    fail("exists and is not a library");
  }
}

// FRESH takes the place of OUTPUT in one step; what was there goes.
void put_in_place(const fs::path& fresh, const fs::path& output) {
  const auto fail = [&] {
    throw Error(ErrorCode::unavailable,
                fmt::format("{}: cannot be renamed to {}: {}", fresh.string(), output.string(), std::strerror(errno)));
  };
  if (fs::exists(output)) {
    if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, output.c_str(), RENAME_EXCHANGE) != 0) fail();
  } else if (::rename(fresh.c_str(), output.c_str()) != 0) {
    fail();
  }
  base::sync_folder(fs::absolute(output).parent_path());
  base::remove_all(fresh);
}

}  // namespace

std::unique_ptr<const Library::Impl> open_stored_library(const std::string& folder) {
  return std::make_unique<const StoredLibrary>(folder);
}

LibraryReport build_stored_library(const std::vector<std::string>& paths, const Embedder& model,
                                   const std::string& given, const LibraryOptions& options) {
  // A slash at the end would make NEW a name within it.
  const fs::path output = given.ends_with('/') ? fs::path(given).parent_path() : fs::path(given);
  const fs::path fresh = output.string() + ".new";
  const PassageOptions passages{options.chunk_tokens_max, options.overlap_tokens, options.window_tokens};
  // Whoever would write into the old one meanwhile is kept out: it goes.
  std::optional<store::FolderLock> old;
  const bool is_store = fs::is_directory(output / "catalog");
  if (is_store) old.emplace(output, store::LockMode::read);
  check_output(output);

  AddReport added;
  LibraryReport report;
  try {
    // What was begun and cut off goes on; else the old one is the beginning: what has not changed stays.
    if (fs::exists(fresh) && !is_made_alike(fresh, model, passages)) base::remove_all(fresh);
    if (!fs::exists(fresh) && is_store && is_made_alike(output, model, passages)) store::copy_database(output, fresh);
    store::Database database(fresh, {.store = {.threads = options.thread_count, .background = false}});
    const Collection collection =
        database.contains(kLibraryCollection)
            ? Collection(database.open(kLibraryCollection))
            : Collection::create(database, kLibraryCollection,
                                 {.model = &model, .index = IndexKind::flat, .passages = passages});
    ProgressFunction progress(options.progress);
    AddOptions add;
    add.threads = options.thread_count;
    add.file_bytes_max = options.file_bytes_max;
    add.remove_others = true;
    if (options.progress) add.progress = &progress;
    added = collection.add_documents(paths, model, add);
    if (added.documents == 0) {
      const std::string first = added.skipped.empty()
                                    ? ""
                                    : fmt::format("; {} were skipped, the first, {}: {}", added.skipped.size(),
                                                  added.skipped[0].path, added.skipped[0].reason);
      throw Error(ErrorCode::not_found, fmt::format("{}: no documents (.txt .md .html .pdf) there{}",
                                                    paths.empty() ? "no path" : paths[0], first));
    }
    collection.store().flush();
    report.passage_count = collection.points().count(std::nullopt);
  } catch (const Error& error) {
    // Where the call itself was wrong there is nothing to go on with.
    if (error.code() == ErrorCode::not_found || error.code() == ErrorCode::invalid_argument) base::remove_all(fresh);
    throw;
  }
  report.document_count = added.documents;
  report.unchanged_count = added.documents_same;
  report.removed_count = added.documents_removed;
  report.window_count = added.windows;
  report.token_count = added.tokens;
  report.source_bytes = added.source_bytes;
  report.replaced_count = added.replaced;
  report.truncated_count = added.truncated;
  report.empty_count = added.empty;
  for (const io::SkippedFile& file : added.skipped) report.skipped.push_back({file.path, file.reason});
  report.library_bytes = bytes_below(fresh);
  put_in_place(fresh, output);
  return report;
}

}  // namespace sextant::engine
