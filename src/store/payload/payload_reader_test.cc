#include "store/payload/payload_reader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <simdjson.h>

#include "errors.h"

namespace sextant::store {
namespace {

using testing::HasSubstr;

std::string payload_refusal(std::string_view text) {
  return tests::error_of(ErrorCode::invalid_argument, [&] { check_payload(text); });
}

std::string nested_payload(size_t depth) {
  return R"({"a":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + '}';
}

TEST(Payloads, AreObjectsOfValidJson) {
  for (const char* text : {"{}", R"({"a": {"b": [1, 2.5, null, true, "é\u0000"]}, "c": {"b": 1}})", " {\"a\":1}\n"}) {
    EXPECT_NO_THROW(check_payload(text)) << text;
  }
  EXPECT_THAT(payload_refusal(""), HasSubstr("payload: not valid JSON: "));
  EXPECT_THAT(payload_refusal(std::string_view()), HasSubstr("payload: not valid JSON: "));
  EXPECT_THAT(payload_refusal("{\"a\": }"), HasSubstr("not valid JSON"));
  EXPECT_THAT(payload_refusal("{\"a\": 1} x"), HasSubstr("not valid JSON"));
  EXPECT_THAT(payload_refusal("{\"a\": \"\xff\"}"), HasSubstr("not valid JSON"));
  EXPECT_EQ(payload_refusal("[1]"), "payload: expected an object, found a list");
  EXPECT_EQ(tests::error_of([] { check_payload("1", "points[3].payload"); }),
            "invalid_argument: points[3].payload: expected an object, found 1");
  EXPECT_EQ(payload_refusal(R"({"a": [{"b": 1, "c": 2, "b": 3}]})"), "payload: an object has the key \"b\" twice");
}

TEST(Payloads, HaveLimits) {
  EXPECT_NO_THROW(check_payload(nested_payload(kPayloadDepthMax)));
  EXPECT_EQ(payload_refusal(nested_payload(kPayloadDepthMax + 1)),
            "payload: lists and objects lie more than 64 deep in each other");
  const std::string largest = fmt::format(R"({{"a":"{}"}})", std::string(kPayloadBytesMax - 8, 'x'));
  ASSERT_EQ(largest.size(), kPayloadBytesMax);
  EXPECT_NO_THROW(check_payload(largest));
  EXPECT_THAT(payload_refusal(largest + ' '), HasSubstr("it has 33554433 bytes, at most 33554432 expected"));
}

TEST(Payloads, AreReadAgainAndAgain) {
  PayloadReader reader;
  EXPECT_EQ(reader.read(""), nullptr);
  for (const size_t size : {10u, 3'000'000u, 20u, 100'000u}) {
    const simdjson::dom::element* root = reader.read(fmt::format(R"({{"a":"{}"}})", std::string(size, 'x')));
    ASSERT_NE(root, nullptr);
    EXPECT_EQ(root->at_key("a").get_string().value().size(), size);
  }
  EXPECT_THAT(tests::error_of(ErrorCode::corrupted, [&] { reader.read("{"); }),
              HasSubstr("a stored payload: not valid JSON"));
}

}  // namespace
}  // namespace sextant::store
