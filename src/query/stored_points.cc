#include "query/stored_points.h"

#include <utility>

namespace sextant::query {
namespace {

class StoredPoints final : public Points {
 public:
  explicit StoredPoints(std::shared_ptr<store::PointStore> store) : store_(std::move(store)) {}

  std::string where() const override { return store_->folder().string(); }
  std::shared_ptr<const store::StoreConfig> config() const override { return store_->config(); }

  store::Written write(const store::Operation& operation) override { return store_->write(operation); }
  store::Written write_where(const store::Filter& filter, store::Operation operation) override {
    return store_->write_where(filter, std::move(operation));
  }

  store::SearchAnswer search(const store::SearchRequest& request) const override { return store_->search(request); }
  std::vector<std::optional<store::StoredPoint>> get(std::span<const store::PointId> ids,
                                                     const store::Fields& fields) const override {
    return store_->get(ids, fields);
  }
  store::ScrollAnswer scroll(const store::ScrollRequest& request) const override { return store_->scroll(request); }
  std::vector<store::OrderedPoint> ordered(const store::OrderRequest& request) const override {
    return store_->ordered(request);
  }
  std::vector<store::StoredPoint> sample(size_t limit, const std::optional<store::Filter>& filter, uint64_t seed,
                                         const store::Fields& fields) const override {
    return store_->sample(limit, filter, seed, fields);
  }
  uint64_t count(const std::optional<store::Filter>& filter) const override {
    return filter ? store_->count(*filter) : store_->count();
  }
  std::vector<store::FacetCount> facet(const store::KeyPath& path, const std::optional<store::Filter>& filter,
                                       size_t limit) const override {
    return store_->facet(path, filter, limit);
  }

 private:
  std::shared_ptr<store::PointStore> store_;
};

}  // namespace

std::unique_ptr<Points> stored_points(std::shared_ptr<store::PointStore> store) {
  return std::make_unique<StoredPoints>(std::move(store));
}

}  // namespace sextant::query
