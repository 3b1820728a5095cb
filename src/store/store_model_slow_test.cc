#include <gtest/gtest.h>

#include "store/testing_model.h"

namespace sextant::store {
namespace {

// tests/torture/store_model.cc takes as many steps as there is time for.
TEST(StoreModelsSlowly, AgreeWithAPlainMap) {
  use_memory();
  const base::TemporaryFolder folder;
  EXPECT_EQ(testing_model::run_model({.steps = 20'000, .seed = 1, .folder = folder.path()}), "");
}

}  // namespace
}  // namespace sextant::store
