// store/testing_plain_points.h: a collection as a plain map, and the slow twin of everything that a PointStore answers.
//
// Every operation is done point by point, every filter asked of every payload, every vector compared in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sextant/error.h"
#include "store/operation.h"
#include "store/payload/facet_counter.h"
#include "store/payload/order_values.h"
#include "store/payload/payload_match.h"
#include "store/payload/payload_reader.h"
#include "store/payload_edit.h"
#include "store/point_store.h"

namespace sextant::store::testing_model {

struct PlainPoint {
  uint64_t version = 0;
  uint64_t expires_ms = 0;
  std::map<std::string, VectorValue> vectors;
  std::string payload;

  // The payload, taken apart once.
  PointView view(const PointId& id) const {
    if (!reader_) {
      reader_ = std::make_shared<PayloadReader>();
      element_ = reader_->read(payload);
    }
    names_.clear();
    for (const auto& [name, value] : vectors) names_.push_back(name);
    return {id, element_, names_};
  }
  void set_payload(std::string text) {
    payload = std::move(text);
    reader_.reset();
  }

 private:
  mutable std::shared_ptr<PayloadReader> reader_;
  mutable const simdjson::dom::element* element_ = nullptr;
  mutable std::vector<std::string_view> names_;
};

inline double similarity(Metric metric, const float* a, const float* b, size_t dim) {
  double squares = 0, dot = 0, a_dot = 0, b_dot = 0;
  for (size_t d = 0; d < dim; ++d) {
    squares += (double{a[d]} - b[d]) * (double{a[d]} - b[d]);
    dot += double{a[d]} * b[d];
    a_dot += double{a[d]} * a[d];
    b_dot += double{b[d]} * b[d];
  }
  if (metric == Metric::l2) return std::sqrt(squares);
  if (metric == Metric::dot) return dot;
  return dot / std::sqrt(a_dot * b_dot);
}

// nullopt: a sparse vector that has nothing in common with the query is not found.
inline std::optional<double> plain_score(const VectorConfig& config, const VectorValue& query,
                                         const VectorValue& value) {
  if (config.kind == VectorKind::dense) {
    return similarity(config.metric, query.values.data(), value.values.data(), config.dim);
  }
  double sum = 0;
  if (config.kind == VectorKind::multi) {
    for (size_t q = 0; q < query.values.size(); q += config.dim) {
      double best = -INFINITY;
      for (size_t v = 0; v < value.values.size(); v += config.dim) {
        best = std::max(best, similarity(config.metric, query.values.data() + q, value.values.data() + v, config.dim));
      }
      sum += best;
    }
    return sum;
  }
  bool any = false;
  for (size_t q = 0; q < query.indices.size(); ++q) {
    const auto at = std::lower_bound(value.indices.begin(), value.indices.end(), query.indices[q]);
    if (at == value.indices.end() || *at != query.indices[q]) continue;
    sum += double{query.values[q]} * double{value.values[static_cast<size_t>(at - value.indices.begin())]};
    any = true;
  }
  // In the order of the components, and rounded once: exactly what a collection says.
  return any ? std::optional<double>(static_cast<float>(sum)) : std::nullopt;
}

class PlainPoints {
 public:
  explicit PlainPoints(StoreConfig config) : config_(std::move(config)) {}

  const StoreConfig& config() const { return config_; }
  PayloadSchema& payload_schema() { return config_.payload_schema; }
  const std::map<PointId, PlainPoint>& points() const { return points_; }
  const PlainPoint* find(const PointId& id) const {
    const auto found = points_.find(id);
    return found == points_.end() ? nullptr : &found->second;
  }

  void forget_expired(uint64_t now_ms) {
    std::erase_if(points_,
                  [&](const auto& entry) { return entry.second.expires_ms != 0 && entry.second.expires_ms <= now_ms; });
  }

  // Whether it would be done; everything else about it is right.
  bool accepts(const UpsertPoints& operation) const {
    return !operation.expected_version || std::all_of(operation.points.begin(), operation.points.end(), [&](auto& p) {
      const PlainPoint* there = find(p.id);
      return (there == nullptr ? 0 : there->version) == *operation.expected_version;
    });
  }

  // VERSION: what the collection calls it.
  Written apply(const Operation& operation, uint64_t version, uint64_t now_ms) {
    Written written;
    written.version = version;
    std::visit([&](const auto& one) { apply_one(one, now_ms, written); }, operation);
    return written;
  }

  std::vector<PointId> matching(const Filter& filter) const {
    PayloadMatcher matcher(filter, config_.payload_schema);
    std::vector<PointId> ids;
    for (const auto& [id, point] : points_) {
      if (matcher.matches(point.view(id))) ids.push_back(id);
    }
    return ids;
  }

  // All of those with a score, best first; of equal scores, the smaller id.
  struct Scored {
    double score;
    PointId id;
  };
  std::vector<Scored> search(const std::string& vector, const VectorValue& query,
                             const std::optional<Filter>& filter) const {
    const VectorConfig& config = config_.at(vector);
    const bool higher = higher_is_nearer(config.metric);
    std::vector<Scored> out;
    for (const PointId& id : matching(filter.value_or(Filter()))) {
      const auto& vectors = points_.at(id).vectors;
      const auto found = vectors.find(vector);
      if (found == vectors.end()) continue;
      if (const auto score = plain_score(config, query, found->second)) out.push_back({*score, id});
    }
    std::sort(out.begin(), out.end(), [&](const Scored& a, const Scored& b) {
      if (a.score != b.score) return higher ? a.score > b.score : a.score < b.score;
      return a.id < b.id;
    });
    return out;
  }

  // Throws as PointStore::facet does.
  std::vector<FacetCount> facet(const KeyPath& path, const std::optional<Filter>& filter, size_t limit) const {
    std::vector<FacetCounter> counters;
    if (const FieldSchema* schema = config_.payload_schema.find(path.text())) {
      counters.emplace_back(path, *schema);
    } else {
      for (const FieldKind kind : {FieldKind::boolean, FieldKind::integer, FieldKind::keyword}) {
        counters.emplace_back(path, FieldSchema{.kind = kind});
      }
    }
    std::vector<FacetCount> out;
    const std::vector<PointId> ids = matching(filter.value_or(Filter()));
    for (FacetCounter& counter : counters) {
      for (const PointId& id : ids) counter.add(points_.at(id).view(id));
      for (FacetCount& count : counter.top(SIZE_MAX)) out.push_back(std::move(count));
    }
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
    out.resize(std::min(out.size(), limit));
    return out;
  }

  // nullopt: points cannot be ordered by such a field.
  std::optional<std::vector<std::pair<OrderValue, PointId>>> ordered(const OrderRequest& request) const {
    const FieldSchema* known = config_.payload_schema.find(request.key.text());
    FieldSchema schema;
    schema.kind = FieldKind::floating;
    if (known != nullptr) schema = *known;
    const bool orders = schema.kind == FieldKind::floating || schema.kind == FieldKind::datetime ||
                        (schema.kind == FieldKind::integer && schema.has_range());
    if (!orders) return std::nullopt;
    const auto before = [](const OrderValue& a, const OrderValue& b) {
      return std::visit(
          [](auto x, auto y) {
            if constexpr (std::is_same_v<decltype(x), decltype(y)>) return x < y;
            return static_cast<double>(x) < static_cast<double>(y);
          },
          a, b);
    };
    std::vector<std::pair<OrderValue, PointId>> out;
    for (const PointId& id : matching(request.filter.value_or(Filter()))) {
      std::optional<OrderValue> best;
      for (const OrderValue& value : order_values(request.key, schema, points_.at(id).view(id))) {
        const bool is_out = request.start_from && (request.descending ? before(*request.start_from, value)
                                                                      : before(value, *request.start_from));
        if (is_out) continue;
        if (!best || (request.descending ? before(*best, value) : before(value, *best))) best = value;
      }
      if (best) out.emplace_back(*best, id);
    }
    std::sort(out.begin(), out.end(), [&](const auto& a, const auto& b) {
      if (before(a.first, b.first) || before(b.first, a.first)) {
        return request.descending ? before(b.first, a.first) : before(a.first, b.first);
      }
      return a.second < b.second;
    });
    out.resize(std::min(out.size(), request.limit));
    return out;
  }

  // As it is to be given back.
  StoredPoint stored(const PointId& id, const Fields& fields) const {
    const PlainPoint& point = points_.at(id);
    StoredPoint out;
    out.id = id;
    out.version = point.version;
    out.expires_ms = point.expires_ms;
    if (fields.payload) out.payload = point.payload.empty() ? "{}" : point.payload;
    for (const VectorConfig& config : config_.vectors) {
      const auto found = point.vectors.find(config.name);
      const bool wanted = fields.all_vectors ||
                          std::find(fields.vectors.begin(), fields.vectors.end(), config.name) != fields.vectors.end();
      if (wanted && found != point.vectors.end()) out.vectors.emplace_back(config.name, found->second);
    }
    return out;
  }

 private:
  void apply_one(const UpsertPoints& operation, uint64_t now_ms, Written& written) {
    for (const Point& given : operation.points) {
      const bool there = points_.contains(given.id);
      if (there ? operation.mode == WriteMode::insert : operation.mode == WriteMode::update) {
        ++written.missing;
        continue;
      }
      ++(there ? written.updated : written.inserted);
      PlainPoint point;
      point.version = written.version;
      point.expires_ms = given.expires_ms;
      if (point.expires_ms == 0 && config_.ttl_seconds > 0) point.expires_ms = now_ms + config_.ttl_seconds * 1000;
      for (const auto& [name, value] : given.vectors) point.vectors[name] = value;
      point.payload = given.payload;
      points_[given.id] = std::move(point);
    }
    for (const PointId& id : operation.remove) written.removed += points_.erase(id);
  }
  void apply_one(const UpdateVectors& operation, uint64_t, Written& written) {
    for (const Point& given : operation.points) {
      with(given.id, written, [&](PlainPoint& point) {
        for (const auto& [name, value] : given.vectors) point.vectors[name] = value;
        return true;
      });
    }
  }
  void apply_one(const DeleteVectors& operation, uint64_t, Written& written) {
    for (const PointId& id : operation.ids) {
      with(id, written, [&](PlainPoint& point) {
        size_t gone = 0;
        for (const std::string& name : operation.names) gone += point.vectors.erase(name);
        return gone > 0;
      });
    }
  }
  void apply_one(const ChangePayload& operation, uint64_t, Written& written) {
    for (const PointId& id : operation.ids) {
      with(id, written, [&](PlainPoint& point) {
        switch (operation.change) {
          case PayloadChange::merge:
            point.set_payload(merge_payload(point.payload, operation.key, operation.payload));
            break;
          case PayloadChange::overwrite:
            point.set_payload(operation.payload);
            break;
          case PayloadChange::remove:
            point.set_payload(remove_keys(point.payload, operation.keys));
            break;
          case PayloadChange::clear:
            point.set_payload({});
            break;
        }
        return true;
      });
    }
  }
  void apply_one(const DeletePoints& operation, uint64_t, Written& written) {
    for (const PointId& id : operation.ids) ++(points_.erase(id) > 0 ? written.removed : written.missing);
  }

  template <class Change>
  void with(const PointId& id, Written& written, const Change& change) {
    const auto found = points_.find(id);
    if (found == points_.end()) {
      ++written.missing;
    } else if (change(found->second)) {
      found->second.version = written.version;
      ++written.updated;
    }
  }

  StoreConfig config_;
  std::map<PointId, PlainPoint> points_;
};

}  // namespace sextant::store::testing_model
