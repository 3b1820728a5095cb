#include "base/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sextant::base {
namespace {

TEST(Json, IsTheSameAfterBeingWrittenAndRead) {
  const std::string text = R"({"b":[1,-2.5,true,null],"a":"\u00e9\n"})";
  const nlohmann::ordered_json ordered = parse_ordered_json(text);
  EXPECT_EQ(json_text(ordered), "{\"b\":[1,-2.5,true,null],\"a\":\"\u00e9\\n\"}") << "in the order of the text";
  EXPECT_EQ(json_text(parse_json(text)), "{\"a\":\"\u00e9\\n\",\"b\":[1,-2.5,true,null]}");
  EXPECT_EQ(parse_json(json_text(ordered, 2)), parse_json(text));
  EXPECT_NE(json_text(ordered, 2).find("\n  \"b\""), std::string::npos);
}

TEST(Json, WithBytesThatAreNoUtf8IsWrittenAllTheSame) {
  EXPECT_EQ(json_text(nlohmann::json("a\xFF")), "\"a\xEF\xBF\xBD\"");
}

TEST(Json, ThatIsNoneIsAParseError) {
  for (const char* text : {"", "{", "[1,]", "{\"a\": NaN}", "\"\xFF\""}) {
    EXPECT_THROW(parse_json(text), nlohmann::json::parse_error) << text;
    EXPECT_THROW(parse_ordered_json(text), nlohmann::json::parse_error) << text;
  }
}

}  // namespace
}  // namespace sextant::base
