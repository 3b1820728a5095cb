// tests/errors.h: the error that something throws, as text to compare.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "sextant/error.h"

namespace sextant::tests {

// "code's name: message" of the Error that WORK throws, "no error" where it throws none.
template <class Work>
std::string error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return std::string(name(error.code())) + ": " + error.what();
  }
  return "no error";
}

// The message of the Error that WORK throws; the test fails where it throws none, or one of another code.
template <class Work>
std::string error_of(ErrorCode code, Work work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace sextant::tests
