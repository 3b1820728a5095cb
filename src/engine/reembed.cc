#include "engine/reembed.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/json.h"
#include "engine/collection_model.h"
#include "sextant/error.h"

namespace sextant::engine {
namespace {

using store::PointId;
using store::StoredPoint;

// Passes over what others wrote meanwhile; each takes as long as that takes to embed.
constexpr size_t kPassesMax = 1000;

// What a point was made of.
struct PointText {
  std::string text;
  bool is_passage = false;
  std::string title, headings;       // of a passage
  std::vector<std::string> windows;  // likewise, where it is compared by them
};

// The parts of TEXT that its payload names; all of it where there is none. What was changed since names nothing.
std::vector<std::string> windows_of(const nlohmann::json& payload, const std::string& text) {
  std::vector<std::string> out;
  const auto begin = payload.find("begin"), windows = payload.find("windows");
  if (begin != payload.end() && begin->is_number_unsigned() && windows != payload.end() && windows->is_array()) {
    const auto offset = begin->get<uint64_t>();
    for (const nlohmann::json& window : *windows) {
      if (!window.is_array() || window.size() != 2 || !window[0].is_number_unsigned() ||
          !window[1].is_number_unsigned())
        continue;
      const auto from = window[0].get<uint64_t>(), to = window[1].get<uint64_t>();
      if (from < offset || to < from || to - offset > text.size()) continue;
      out.push_back(text.substr(from - offset, to - from));
    }
  }
  if (out.empty()) out.push_back(text);
  return out;
}

// Nothing where there is no text, or only white space.
std::optional<PointText> text_of(const StoredPoint& point) {
  const nlohmann::json payload = base::parse_json(point.payload);
  auto string_at = [&](const char* key) -> const std::string* {
    const auto at = payload.find(key);
    return at == payload.end() ? nullptr : at->get_ptr<const std::string*>();
  };
  const std::string* text = string_at("text");
  if (text == nullptr || text->find_first_not_of(" \t\r\n\f\v") == std::string::npos) return std::nullopt;
  PointText out;
  out.text = *text;
  const std::string* title = string_at("title");
  const std::string* headings = string_at("heading");
  if (title != nullptr && headings != nullptr && payload.contains("passage") && string_at("document_hash") != nullptr) {
    out.is_passage = true;
    out.title = *title;
    out.headings = *headings;
    out.windows = windows_of(payload, *text);
  }
  return out;
}

bool has_slot(const StoredPoint& point, uint16_t slot) {
  return std::binary_search(point.slots.begin(), point.slots.end(), slot);
}

std::string shown(const CollectionModel& model) {
  return fmt::format("'{}' ({})", model.name, model.hash.substr(0, 12));
}

class Reembedding {
 public:
  Reembedding(store::PointStore& points, const Embedder& model, const ReembedOptions& options)
      : points_(points), model_(model), options_(options) {}

  ReembedReport run() {
    const auto config = points_.config();
    const CollectionModels models = read_models(config->metadata, points_.folder().string());
    if (models.next && models.next->hash != model_.hash()) {
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("the collection is being re-embedded with model {}, not with {}: go on with that model, or "
                      "give it up with --abandon",
                      shown(*models.next), shown(model_of(model_))));
    }
    if (!models.next && models.now && models.now->hash == model_.hash()) {
      report_.was_done = true;
      return report_;
    }
    const store::VectorConfig& old = config->at("");
    by_window_ = old.kind == store::VectorKind::multi && read_passages(config->metadata, points_.folder().string());
    if (old.kind != store::VectorKind::dense && !by_window_) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the collection's vectors are {}, expected dense ones or those of passages' windows",
                              name(old.kind)));
    }
    old_slot_ = old.slot;
    if (const store::VectorConfig* next = config->find(kReembedVector)) next_slot_ = next->slot;
    check_texts();
    if (!models.next) begin(models, old);
    const CollectionModels state = read_models(points_.config()->metadata, points_.folder().string());
    embedder_.emplace(model_, state.next->document_prompt, options_.threads, report_);
    if (options_.progress != nullptr) options_.progress->begin("re-embedding", "points", to_embed_);
    const uint64_t row_begin = points_.lacking(kReembedVector, UINT64_MAX).next_row;
    for_pages([&](std::vector<StoredPoint>&& page) { embed(std::move(page)); });
    finish(row_begin);
    if (options_.progress != nullptr) options_.progress->end();
    return report_;
  }

 private:
  // All points in the order of ids.
  template <class Take>
  void for_pages(const Take& take) const {
    std::optional<PointId> from;
    do {
      store::ScrollAnswer page = points_.scroll({.from = from, .limit = options_.batch_points});
      from = page.next;
      take(std::move(page.points));
    } while (from);
  }

  // Reads only: what cannot be embedded is found before anything is written.
  void check_texts() {
    uint64_t textless = 0;
    std::optional<PointId> first;
    for_pages([&](const std::vector<StoredPoint>& page) {
      for (const StoredPoint& point : page) {
        if (next_slot_ && has_slot(point, *next_slot_)) {
          ++report_.done_before;
        } else if (text_of(point)) {
          ++to_embed_;
        } else if (has_slot(point, old_slot_)) {
          if (textless++ == 0) first = point.id;
        }
      }
    });
    if (textless > 0) fail_without_text(textless, *first);
  }

  [[noreturn]] void fail_without_text(uint64_t count, const PointId& first) const {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{} points have a vector and no text in their payload, so they cannot be embedded again; the "
                    "first is {}: give them a \"text\", or delete them",
                    count, first.text()));
  }

  void begin(const CollectionModels& models, const store::VectorConfig& old) {
    store::VectorConfig next = old;
    next.name = kReembedVector;
    next.dim = model_.dim();
    store::VectorsChange change;
    change.add.push_back(next);
    change.metadata = with_models(points_.config()->metadata, {.now = models.now, .next = model_of(model_)});
    points_.change_vectors(change);
    next_slot_ = points_.config()->at(kReembedVector).slot;
  }

  // Those that have no new vector get one, made of what they are when it is written.
  void embed(std::vector<StoredPoint> points) {
    std::vector<PointText> texts;
    while (true) {
      take_texts(points, texts);
      if (points.empty()) return;
      store::UpdateVectors update = embedded(points, texts);
      if (update.points.empty()) return;
      const store::Written written = points_.write(update);
      report_.points += written.updated;
      if (options_.acknowledged) options_.acknowledged(report_.points);
      if (options_.progress != nullptr) options_.progress->report(std::min(report_.points, to_embed_));
      if (written.missing == 0) return;
      // Some were deleted or changed since they were read. Those that are there are embedded as they are now.
      std::vector<PointId> ids;
      for (const store::Point& point : update.points) ids.push_back(point.id);
      const auto now = points_.get(ids);
      points.clear();
      for (size_t i = 0; i < ids.size(); ++i) {
        if (now[i] && now[i]->version != update.expected_versions[i]) points.push_back(std::move(*now[i]));
      }
    }
  }

  // Leaves in POINTS those that are to be embedded, and makes TEXTS what they were made of.
  void take_texts(std::vector<StoredPoint>& points, std::vector<PointText>& texts) const {
    texts.clear();
    uint64_t textless = 0;
    std::optional<PointId> first;
    std::erase_if(points, [&](const StoredPoint& point) {
      if (has_slot(point, *next_slot_)) return true;
      std::optional<PointText> text = text_of(point);
      if (!text) {
        if (has_slot(point, old_slot_) && textless++ == 0) first = point.id;
        return true;
      }
      texts.push_back(std::move(*text));
      return false;
    });
    if (textless > 0) fail_without_text(textless, *first);
  }

  // Points of which the model knows nothing are left out.
  store::UpdateVectors embedded(const std::vector<StoredPoint>& points, const std::vector<PointText>& texts) {
    const bool passages =
        std::any_of(texts.begin(), texts.end(), [](const PointText& text) { return text.is_passage; });
    if (passages && !cutter_) {
      const PassageOptions options =
          read_passages(points_.config()->metadata, points_.folder().string()).value_or(options_.passages);
      cutter_.emplace(model_, options, embedder_->pool().thread_count());
    }
    std::vector<std::string> contents(texts.size());
    embedder_->pool().parallel_for(texts.size(), [&](size_t i, size_t thread) {
      const PointText& text = texts[i];
      contents[i] = text.is_passage ? cutter_->embedded_text(text.title, text.headings, text.text, thread) : text.text;
    });
    const size_t dim = embedder_->dim();
    const std::vector<float> vectors =
        embedder_->embed(std::vector<std::string_view>(contents.begin(), contents.end()));
    std::vector<std::string_view> windows;
    for (const PointText& text : texts) {
      if (by_window_ && text.is_passage) windows.insert(windows.end(), text.windows.begin(), text.windows.end());
    }
    const uint64_t empty = report_.empty;
    const std::vector<float> of_windows = embedder_->embed(windows);
    report_.empty = empty;  // those of whole texts count
    const float* next_windows = of_windows.data();
    store::UpdateVectors update;
    for (size_t i = 0; i < points.size(); ++i) {
      store::Point point;
      point.id = points[i].id;
      const std::span<const float> of_text = std::span(vectors).subspan(i * dim, dim);
      if (by_window_ && texts[i].is_passage) {
        const size_t count = texts[i].windows.size() * dim;
        std::vector<bool> kept;
        store::VectorValue value = window_vectors(of_text, {next_windows, count}, kept);
        next_windows += count;
        if (!value.values.empty()) point.vectors = {{kReembedVector, std::move(value)}};
      } else {
        point.vectors = vectors_of(of_text, kReembedVector);
      }
      if (point.vectors.empty()) continue;
      update.points.push_back(std::move(point));
      update.expected_versions.push_back(points[i].version);
    }
    return update;
  }

  // Points from ROW_BEGIN on were written while others were embedded. Once there are none the new vectors take the
  // place of the old ones, unless one is written at that very moment.
  void finish(uint64_t row_begin) {
    for (size_t pass = 0; pass < kPassesMax; ++pass) {
      const store::PointStore::Lacking lacking = points_.lacking(kReembedVector, row_begin);
      row_begin = lacking.next_row;
      for (size_t begin = 0; begin < lacking.ids.size(); begin += options_.batch_points) {
        const size_t count = std::min(options_.batch_points, lacking.ids.size() - begin);
        std::vector<StoredPoint> points;
        for (auto& point : points_.get(std::span(lacking.ids).subspan(begin, count))) {
          if (point) points.push_back(std::move(*point));
        }
        embed(std::move(points));
      }
      const std::string metadata = points_.config()->metadata;
      const CollectionModels models = read_models(metadata, points_.folder().string());
      if (!models.next || models.next->hash != model_.hash()) {
        throw Error(ErrorCode::unavailable, "the re-embedding was given up by another while it was under way");
      }
      store::VectorsChange change;
      change.replace.push_back({"", kReembedVector});
      change.metadata = with_models(metadata, {.now = models.next, .next = std::nullopt});
      change.complete = {kReembedVector, row_begin};
      if (points_.change_vectors(change)) return;
    }
    throw Error(ErrorCode::unavailable,
                fmt::format("{}: after {} passes others still write points faster than their new vectors can be made; "
                            "what was done stays: go on when fewer write",
                            points_.folder().string(), kPassesMax));
  }

  store::PointStore& points_;
  const Embedder& model_;
  const ReembedOptions& options_;
  ReembedReport report_;
  uint16_t old_slot_ = 0;
  bool by_window_ = false;
  std::optional<uint16_t> next_slot_;
  uint64_t to_embed_ = 0;
  std::optional<TextEmbedder> embedder_;
  std::optional<PassageCutter> cutter_;
};

}  // namespace

ReembedReport reembed(store::PointStore& points, const Embedder& model, const ReembedOptions& options) {
  return Reembedding(points, model, options).run();
}

void abandon_reembed(store::PointStore& points) {
  const auto config = points.config();
  const CollectionModels models = read_models(config->metadata, points.folder().string());
  if (!models.next) throw Error(ErrorCode::invalid_argument, "no re-embedding is under way, so none can be given up");
  store::VectorsChange change;
  change.remove.push_back(kReembedVector);
  change.metadata = with_models(config->metadata, {.now = models.now, .next = std::nullopt});
  points.change_vectors(change);
}

}  // namespace sextant::engine
