// store/testing_points.h: small collections for tests.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/files.h"
#include "store/point_store.h"

namespace sextant::store {

// Where it does not matter whether anything is synced, temporary folders lie in memory from now on.
inline bool use_memory() {
  std::error_code error;
  return std::filesystem::is_directory("/dev/shm", error) && ::setenv("TMPDIR", "/dev/shm", 1) == 0;
}

inline const TruthResources& testing_resources() {
  static const TruthResources resources(size_t{32} << 20);
  return resources;
}

inline StoreConfig testing_config(size_t dim, size_t tail_rows_max = 64, Metric metric = Metric::l2) {
  StoreConfig config;
  VectorConfig vector;
  vector.slot = config.next_slot++;
  vector.dim = dim;
  vector.metric = metric;
  config.vectors.push_back(vector);
  config.tail_rows_max = tail_rows_max;
  // Waiting for the disk is what most tests would do otherwise.
  config.durability = Durability::periodic;
  return config;
}

inline std::vector<float> random_vector(std::mt19937_64& random, size_t dim) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dim);
  for (float& value : vector) value = normal(random);
  return vector;
}

inline Point testing_point(uint64_t id, std::vector<float> vector, std::string payload = {}) {
  Point point;
  point.id = PointId::of(id);
  point.vectors = {{"", {std::move(vector), {}}}};
  point.payload = std::move(payload);
  return point;
}

// A collection in a folder of its own.
struct TestingStore {
  base::TemporaryFolder folder;
  StoreOptions options;
  std::unique_ptr<PointStore> store;

  explicit TestingStore(const StoreConfig& config, const StoreOptions& given = {.background = false}) : options(given) {
    PointStore::create(path(), config, testing_resources());
    open();
  }
  std::filesystem::path path() const { return folder.path() / "points"; }
  void open() {
    store.reset();
    store = std::make_unique<PointStore>(path(), testing_resources(), options);
  }
  PointStore* operator->() const { return store.get(); }
};

}  // namespace sextant::store
