#include "io/jsonl.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>

#include "base/files.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

class Jsonl : public testing::Test {
 protected:
  std::string put(const std::string& bytes) {
    std::string path = (folder.path() / "a.jsonl").string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  base::TemporaryFolder folder;
};

template <class Body>
void expect_corrupted(Body body, const std::string& part) {
  try {
    body();
    ADD_FAILURE() << "no error about " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupted);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST_F(Jsonl, GivesFieldsByKeyAndByPointer) {
  JsonLineReader reader(
      put("{\"text\": \"caf\\u00e9 \\\"x\\\"\", \"n\": 2.5, \"m\": {\"t\": [\"deep\"]}, \"z\": null}\n\n"
          "  \r\n{\"text\":\"last\"}"));
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.text("text"), "caf\xC3\xA9 \"x\"");
  EXPECT_EQ(reader.text("/m/t/0"), "deep");
  EXPECT_EQ(reader.find_number("n"), 2.5);
  EXPECT_EQ(reader.find_text("z"), std::nullopt);
  EXPECT_EQ(reader.find_text("absent"), std::nullopt);
  EXPECT_TRUE(reader.has("m"));
  std::string seen;
  reader.for_each_text([&](std::string_view field, std::string_view) { seen += field; });
  EXPECT_EQ(seen, "text");
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.text("text"), "last");
  EXPECT_EQ(reader.line_number(), 4u) << "blank lines count";
  EXPECT_FALSE(reader.next());
}

TEST_F(Jsonl, ErrorsNameTheLineAndTheField) {
  JsonLineReader reader(put("{\"a\": 1}\n{\"a\": \n[1]\n{\"a\":\"\xFF\"}\n{\"a\":1} {\"a\":2}\n"));
  ASSERT_TRUE(reader.next());
  expect_corrupted([&] { reader.text("b"); }, "line 1: has no field 'b'");
  expect_corrupted([&] { reader.text("a"); }, "field 'a' is not a string");
  expect_corrupted([&] { reader.next(); }, "line 2: not valid JSON");
  expect_corrupted([&] { reader.next(); }, "line 3: is not a JSON object");
  expect_corrupted([&] { reader.next(); }, "line 4: not valid JSON");
  expect_corrupted([&] { reader.next(); }, "line 5: not valid JSON");
}

TEST_F(Jsonl, AbsurdNestingIsAnErrorAndNotACrash) {
  JsonLineReader reader(put("{\"a\":" + std::string(200000, '[') + std::string(200000, ']') + "}"));
  expect_corrupted([&] { reader.next(); }, "line 1");
}

TEST(JsonWriting, EscapesWhatMustBeAndRepairsTheRest) {
  std::string out;
  append_json_string(out, std::string_view("q\" b\\ n\n t\t \x01 \0 \xC3\xA9 \xFF", 20));
  EXPECT_EQ(out, "\"q\\\" b\\\\ n\\n t\\t \\u0001 \\u0000 \xC3\xA9 \xEF\xBF\xBD\"");
}

TEST(JsonWriting, NumbersReadBackAsTheSameFloat) {
  for (float value : {0.1f, 1.0f, -3.4e38f, 1e-45f, 0.33333334f, 16777217.0f}) {
    std::string out;
    append_json_number(out, value);
    EXPECT_EQ(std::strtof(out.c_str(), nullptr), value) << out;
  }
  std::string out;
  append_json_number(out, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(out, "null");
}

}  // namespace
}  // namespace sextant::io
