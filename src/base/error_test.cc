#include "sextant/error.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(Error, EachCodeHasItsNameAndExitStatus) {
  EXPECT_EQ(name(ErrorCode::invalid_argument), "invalid_argument");
  EXPECT_EQ(exit_status(ErrorCode::invalid_argument), 2);
  EXPECT_EQ(exit_status(ErrorCode::not_found), 3);
  EXPECT_EQ(exit_status(ErrorCode::corrupted), 4);
  EXPECT_EQ(exit_status(ErrorCode::unavailable), 5);
  for (ErrorCode other :
       {ErrorCode::already_exists, ErrorCode::exhausted, ErrorCode::unsupported, ErrorCode::internal}) {
    EXPECT_EQ(exit_status(other), 1) << name(other);
  }
  EXPECT_EQ(http_status(ErrorCode::not_found), 404);
}

TEST(Error, KeepsItsCodeAndMessageWhenCaughtAsStdException) {
  try {
    throw Error(ErrorCode::corrupted, "model.safetensors: header is 12 bytes, expected at least 16");
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "model.safetensors: header is 12 bytes, expected at least 16");
    EXPECT_EQ(dynamic_cast<const Error&>(e).code(), ErrorCode::corrupted);
  }
}

}  // namespace
}  // namespace sextant
