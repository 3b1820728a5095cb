#include "sextant/metric.h"

#include <gtest/gtest.h>

#include "sextant/error.h"

namespace sextant {
namespace {

TEST(Metric, every_name_and_alias_is_read) {
  for (Metric metric : {Metric::cosine, Metric::dot, Metric::l2, Metric::l1, Metric::hamming}) {
    EXPECT_EQ(parse_metric(name(metric)), metric);
  }
  EXPECT_EQ(parse_metric("ip"), Metric::dot);
  EXPECT_EQ(parse_metric("euclidean"), Metric::l2);
  EXPECT_EQ(parse_metric("manhattan"), Metric::l1);
}

TEST(Metric, an_unknown_name_is_an_invalid_argument_that_lists_the_known_ones) {
  try {
    parse_metric("Cosine");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_STREQ(error.what(),
                 "metric 'Cosine' is unknown; expected cosine, dot (ip), l2 (euclidean), l1 (manhattan) or hamming");
  }
}

TEST(Metric, similarities_are_nearer_when_higher_and_distances_when_lower) {
  EXPECT_TRUE(higher_is_nearer(Metric::cosine));
  EXPECT_TRUE(higher_is_nearer(Metric::dot));
  EXPECT_FALSE(higher_is_nearer(Metric::l2));
  EXPECT_FALSE(higher_is_nearer(Metric::l1));
  EXPECT_FALSE(higher_is_nearer(Metric::hamming));
}

}  // namespace
}  // namespace sextant
