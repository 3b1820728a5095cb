// engine/public_collection.h: what stands behind the handles of sextant/collection.h.
#pragma once

#include <memory>

#include "engine/collection.h"
#include "sextant/collection.h"
#include "store/database.h"

namespace sextant {

struct Collection::Impl {
  std::shared_ptr<store::Database> database;  // outlives the collection, whose memory it lends
  engine::Collection collection;
  size_t threads;

  query::Points& points() const { return collection.points(); }
};

namespace engine {

// A metric that is not said follows from the rest.
store::VectorConfig vector_config(const VectorOptions& options);
VectorOptions vector_options(const store::VectorConfig& config);

}  // namespace engine
}  // namespace sextant
