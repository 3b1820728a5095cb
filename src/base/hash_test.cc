#include "base/hash.h"

#include <gtest/gtest.h>

namespace sextant::base {
namespace {

TEST(Hash64, OfPartsIsThatOfTheWhole) {
  std::string bytes;
  for (size_t i = 0; i < 3000; ++i) bytes += static_cast<char>(i * i % 251);
  for (size_t step : {1, 7, 256, 1024, 3000}) {
    Hash64 hash;
    for (size_t i = 0; i < bytes.size(); i += step) hash.add(std::string_view(bytes).substr(i, step));
    EXPECT_EQ(hash.value(), hash64(bytes)) << step;
  }
  EXPECT_EQ(Hash64().value(), hash64(""));
}

}  // namespace
}  // namespace sextant::base
