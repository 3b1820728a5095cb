// sextant::Collection: requests as programs make them into those of the store, and its answers back.
#include "engine/public_collection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sextant/error.h"

namespace sextant {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

std::optional<store::Filter> filter_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return store::parse_filter(text);
}

store::Fields fields_of(const PointFields& fields) {
  return {.payload = fields.payload, .all_vectors = fields.all_vectors, .vectors = fields.vectors};
}

StoredPoint shown(store::StoredPoint&& point) { return std::move(point); }

// OPERATION on what is selected.
template <class Operation>
Written change(query::Points& points, const PointSelection& selection, Operation operation) {
  if (!selection.filter.empty()) {
    if (!selection.ids.empty()) refuse("selection: ids and a filter, expected one of the two");
    return points.write_where(store::parse_filter(selection.filter), std::move(operation));
  }
  operation.ids = selection.ids;
  return points.write(std::move(operation));
}

store::SearchRequest request_of(const PointSearchOptions& options, const query::Points& points) {
  if (!(options.target_recall > 0 && options.target_recall <= 1)) {
    refuse(fmt::format("target_recall is {}, expected above 0 and at most 1", options.target_recall));
  }
  if (options.score_threshold && std::isnan(*options.score_threshold)) {
    refuse("score_threshold is nan, expected a number");
  }
  store::SearchRequest request;
  request.vector = options.vector;
  // Room is made for so many.
  request.limit = std::min<uint64_t>(options.limit, points.count(std::nullopt));
  request.target_recall = options.target_recall;
  request.breadth = options.breadth;
  request.exact = options.exact;
  request.filter = filter_of(options.filter);
  request.score_threshold = options.score_threshold;
  request.fields = fields_of(options.fields);
  return request;
}

PointSearchResult search_points(const query::Points& points, const store::SearchRequest& request) {
  store::SearchAnswer answer = points.search(request);
  PointSearchResult result;
  result.hits.reserve(answer.points.size());
  for (store::FoundPoint& found : answer.points) result.hits.push_back({shown(std::move(found.point)), found.score});
  result.exact = answer.exact;
  result.parts = std::move(answer.parts);
  result.payloads_read = answer.payloads_read;
  result.without_index = std::move(answer.without_index);
  return result;
}

}  // namespace

Written Collection::upsert(std::vector<Point> points, const UpsertOptions& options) {
  store::UpsertPoints operation;
  operation.points = std::move(points);
  operation.mode = options.mode;
  operation.expected_version = options.expected_version;
  return impl_->points().write(std::move(operation));
}

Written Collection::update_vectors(std::vector<Point> points) {
  for (const Point& point : points) {
    if (!point.payload.empty() || point.expires_ms != 0) {
      refuse(fmt::format("point {}: a {}, expected vectors alone", point.id.text(),
                         point.payload.empty() ? "time of expiry" : "payload"));
    }
  }
  return impl_->points().write(store::UpdateVectors{.points = std::move(points)});
}

Written Collection::remove_vectors(const PointSelection& selection, const std::vector<std::string>& names) {
  return change(impl_->points(), selection, store::DeleteVectors{.ids = {}, .names = names});
}

Written Collection::merge_payload(const PointSelection& selection, std::string payload, std::string key) {
  store::ChangePayload operation;
  operation.change = store::PayloadChange::merge;
  operation.payload = std::move(payload);
  operation.key = std::move(key);
  return change(impl_->points(), selection, std::move(operation));
}

Written Collection::replace_payload(const PointSelection& selection, std::string payload) {
  store::ChangePayload operation;
  operation.change = store::PayloadChange::overwrite;
  operation.payload = std::move(payload);
  return change(impl_->points(), selection, std::move(operation));
}

Written Collection::remove_payload_keys(const PointSelection& selection, std::vector<std::string> keys) {
  store::ChangePayload operation;
  operation.change = store::PayloadChange::remove;
  operation.keys = std::move(keys);
  return change(impl_->points(), selection, std::move(operation));
}

Written Collection::clear_payload(const PointSelection& selection) {
  store::ChangePayload operation;
  operation.change = store::PayloadChange::clear;
  return change(impl_->points(), selection, std::move(operation));
}

Written Collection::remove(const PointSelection& selection) {
  return change(impl_->points(), selection, store::DeletePoints{});
}

PointSearchResult Collection::search(const VectorValue& query, const PointSearchOptions& options) const {
  store::SearchRequest request = request_of(options, impl_->points());
  request.query = query;
  return search_points(impl_->points(), request);
}

PointSearchResult Collection::search(std::string_view text, const Embedder& model,
                                     const PointSearchOptions& options) const {
  if (!options.vector.empty()) {
    refuse(fmt::format("vector '{}': a text is compared with the vector '', expected no other", options.vector));
  }
  impl_->collection.check_model(model);
  store::SearchRequest request = request_of(options, impl_->points());
  request.query.values = impl_->collection.query_vector(text, model);
  request.expected_slot = impl_->collection.vector_slot();
  if (!request.query.values.empty()) return search_points(impl_->points(), request);
  PointSearchResult nothing;
  nothing.query_is_empty = true;
  return nothing;
}

std::vector<std::optional<StoredPoint>> Collection::get(std::span<const PointId> ids, const PointFields& fields) const {
  std::vector<std::optional<StoredPoint>> out;
  for (std::optional<store::StoredPoint>& point : impl_->points().get(ids, fields_of(fields))) {
    out.push_back(point ? std::optional(shown(std::move(*point))) : std::nullopt);
  }
  return out;
}

ScrollPage Collection::scroll(const ScrollOptions& options) const {
  // A page without points has no end to go on from.
  if (options.limit == 0) refuse("limit is 0, expected at least 1");
  store::ScrollRequest request;
  request.from = options.from;
  request.limit = std::min<size_t>(options.limit, SIZE_MAX / 2);
  request.filter = filter_of(options.filter);
  request.fields = fields_of(options.fields);
  store::ScrollAnswer answer = impl_->points().scroll(request);
  ScrollPage page;
  for (store::StoredPoint& point : answer.points) page.points.push_back(shown(std::move(point)));
  page.next = answer.next;
  return page;
}

std::vector<OrderedPoint> Collection::scroll_ordered(const OrderedScrollOptions& options) const {
  store::OrderRequest request;
  request.key = store::KeyPath::parse(options.key);
  request.descending = options.descending;
  request.start_from = options.start_from;
  request.limit = options.limit;
  request.filter = filter_of(options.filter);
  request.fields = fields_of(options.fields);
  std::vector<OrderedPoint> out;
  for (store::OrderedPoint& found : impl_->points().ordered(request)) {
    out.push_back({shown(std::move(found.point)), found.value});
  }
  return out;
}

std::vector<StoredPoint> Collection::sample(size_t limit, uint64_t seed, const std::string& filter,
                                            const PointFields& fields) const {
  std::vector<StoredPoint> out;
  for (store::StoredPoint& point : impl_->points().sample(limit, filter_of(filter), seed, fields_of(fields))) {
    out.push_back(shown(std::move(point)));
  }
  return out;
}

uint64_t Collection::count(const std::string& filter) const { return impl_->points().count(filter_of(filter)); }

std::vector<FacetCount> Collection::facet(std::string_view key, size_t limit, const std::string& filter) const {
  std::vector<FacetCount> out;
  for (store::FacetCount& count : impl_->points().facet(store::KeyPath::parse(key), filter_of(filter), limit)) {
    out.push_back({std::move(count.value), count.count});
  }
  return out;
}

}  // namespace sextant
