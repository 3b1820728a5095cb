#include <gtest/gtest.h>

#include "store/testing_model.h"

namespace sextant::store {
namespace {

TEST(StoreModels, AgreeWithAPlainMap) {
  use_memory();
  const base::TemporaryFolder folder;
  EXPECT_EQ(testing_model::run_model({.steps = 1500, .seed = 20261122, .folder = folder.path(), .steps_a_world = 500}),
            "");
}

}  // namespace
}  // namespace sextant::store
