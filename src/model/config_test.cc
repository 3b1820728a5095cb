#include "model/config.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/files.h"
#include "errors.h"
#include "model/testing_folder.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

Config parse(std::string_view text) { return Config::parse(text, "here/config.json"); }

using tests::error_of;

void expect_named(const std::string& message, std::initializer_list<std::string_view> parts) {
  for (std::string_view part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' is not in: " << message;
  }
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST(Config, GivesWhatTheFileSays) {
  const Config config = parse(
      R"({"layers": 12, "eps": 1e-6, "whole": 3, "bias": true, "act": "gelu", "kinds": ["a", "b"], "inner": {"x": 5}})");
  EXPECT_EQ(config.size("layers"), 12u);
  EXPECT_EQ(config.count("layers", 12), 12u);
  EXPECT_EQ(config.number("eps"), 1e-6);
  EXPECT_EQ(config.number("whole"), 3.0);
  EXPECT_EQ(config.positive("eps"), 1e-6);
  EXPECT_TRUE(config.flag("bias", false));
  EXPECT_EQ(config.text("act"), "gelu");
  EXPECT_EQ(config.choice("act", "relu", {"relu", "gelu"}), "gelu");
  EXPECT_EQ(config.texts("kinds"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config.object("inner").size("x"), 5u);
  EXPECT_EQ(config.keys().size(), 7u);
  EXPECT_TRUE(config.is_text("act"));
  EXPECT_FALSE(config.is_text("layers"));
}

TEST(Config, AKeyThatIsAbsentOrNullTakesTheFallback) {
  for (const Config& config : {parse("{}"), parse(R"({"k": null})")}) {
    EXPECT_FALSE(config.has("k"));
    EXPECT_FALSE(config.is_text("k"));
    EXPECT_EQ(config.size("k", 7), 7u);
    EXPECT_EQ(config.number("k", 0.5), 0.5);
    EXPECT_EQ(config.positive("k", 0.5), 0.5);
    EXPECT_TRUE(config.flag("k", true));
    EXPECT_EQ(config.text("k", "x"), "x");
    EXPECT_EQ(config.choice("k", "x", {"x"}), "x");
    EXPECT_TRUE(config.texts("k").empty());
    EXPECT_TRUE(config.object("k").empty());
  }
  EXPECT_TRUE(parse("{}").empty());
  EXPECT_FALSE(parse(R"({"k": null})").empty());
}

TEST(Config, AKeyThatMustBeThereIsNamedWhereItIsMissing) {
  const Config config = parse("{}");
  expect_named(error_of(ErrorCode::corrupted, [&] { config.size("layers"); }),
               {"here/config.json", "'layers'", "missing", "whole number"});
  expect_named(error_of(ErrorCode::corrupted, [&] { config.count("layers"); }), {"'layers'", "missing"});
  expect_named(error_of(ErrorCode::corrupted, [&] { config.number("eps"); }), {"'eps'", "missing", "a number"});
  expect_named(error_of(ErrorCode::corrupted, [&] { config.positive("eps"); }), {"'eps'", "missing"});
  expect_named(error_of(ErrorCode::corrupted, [&] { config.text("act"); }), {"'act'", "missing", "a text"});
}

TEST(Config, AValueOfAnotherTypeIsShown) {
  for (const char* value : {"\"12\"", "-1", "1.5", "1e300", "true", "[]", "{}", "36893488147419103232"}) {
    const Config config = parse(std::string("{\"k\": ") + value + "}");
    expect_named(error_of(ErrorCode::corrupted, [&] { config.size("k"); }), {"here/config.json", "'k' is "});
    error_of(ErrorCode::corrupted, [&] { config.size("k", 1); });
    error_of(ErrorCode::corrupted, [&] { config.count("k"); });
  }
  for (const char* value : {"\"12\"", "true", "[]", "{}"}) {
    const Config config = parse(std::string("{\"k\": ") + value + "}");
    error_of(ErrorCode::corrupted, [&] { config.number("k"); });
    error_of(ErrorCode::corrupted, [&] { config.positive("k", 1); });
  }
  for (const char* value : {"0", "1", "\"true\"", "[]", "{}"}) {
    const Config config = parse(std::string("{\"k\": ") + value + "}");
    error_of(ErrorCode::corrupted, [&] { config.flag("k", false); });
  }
  for (const char* value : {"1", "true", "[\"a\"]", "{}"}) {
    const Config config = parse(std::string("{\"k\": ") + value + "}");
    error_of(ErrorCode::corrupted, [&] { config.text("k"); });
    error_of(ErrorCode::corrupted, [&] { config.choice("k", "x", {"x"}); });
  }
  for (const char* value : {"1", "\"a\"", "[1]", "[\"a\", null]", "{\"a\": 1}"}) {
    error_of(ErrorCode::corrupted, [&] { parse(std::string("{\"k\": ") + value + "}").texts("k"); });
  }
  for (const char* value : {"1", "\"a\"", "[{}]", "false"}) {
    error_of(ErrorCode::corrupted, [&] { parse(std::string("{\"k\": ") + value + "}").object("k"); });
  }
}

TEST(Config, CountsAndPositiveNumbersKeepTheirRange) {
  const Config config = parse(R"({"none": 0, "many": 16777217, "huge": 1152921504606846976, "zero": 0.0, "minus": -1e-6,
                                  "tiny": 1e-300, "vast": 1e300})");
  for (const char* key : {"none", "many", "huge"}) {
    expect_named(error_of(ErrorCode::corrupted, [&] { config.count(key); }), {key, "from 1 to 16777216"});
  }
  for (const char* key : {"zero", "minus", "tiny", "vast"}) {
    expect_named(error_of(ErrorCode::corrupted, [&] { config.positive(key); }), {key, "1e-30 to 1e30"});
  }
}

TEST(Config, AChoiceThatIsNotKnownIsUnsupportedAndSaysWhatIs) {
  expect_named(error_of(ErrorCode::unsupported,
                        [] {
                          parse(R"({"act": "mish"})").choice("act", "relu", {"relu", "gelu"});
                        }),
               {"here/config.json", "'act' is \"mish\"", "relu, gelu"});
}

TEST(Config, AnInnerObjectIsNamedByItsPath) {
  const Config inner = parse(R"({"rope": {"factor": "x"}})").object("rope");
  expect_named(error_of(ErrorCode::corrupted, [&] { inner.number("factor"); }), {"here/config.json: rope: 'factor'"});
}

TEST(Config, LongOrStrangeValuesStayOneShortLineOfText) {
  const std::string message = error_of(
      ErrorCode::corrupted, [] { parse("{\"k\": \"\xC3\xA4\\n" + std::string(100000, 'x') + "\"}").size("k"); });
  EXPECT_LT(message.size(), 250u);
  expect_named(message, {"..."});
  for (char c : message) EXPECT_TRUE(c >= 0x20 && c < 0x7F) << message;
}

TEST(Config, WhatIsNotAJsonObjectIsCorrupted) {
  for (const char* text : {"", "[]", "1", "null", "{", "{\"a\":}", "{\"a\": NaN}", "{\"a\": 1e999}", "{} {}", "\xFF"}) {
    expect_named(error_of(ErrorCode::corrupted, [&] { parse(text); }), {"here/config.json"});
  }
}

TEST(Config, DeepNestingIsRefusedBeforeItFillsMemory) {
  expect_named(error_of(ErrorCode::corrupted, [] { parse("{\"a\":" + std::string(8 << 20, '[')); }),
               {"here/config.json", "deep"});
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  expect_named(error_of(ErrorCode::corrupted, [&] { parse(objects); }), {"here/config.json", "deep"});
  EXPECT_TRUE(parse("{\"a\": " + std::string(40, '[') + std::string(40, ']') + "}").has("a"));
}

TEST(Config, ListsAreReadAndTheirItemsNamed) {
  const std::vector<Config> list = Config::parse_list(R"([{"a": 1}, {"a": "x"}])", "modules.json");
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].size("a"), 1u);
  expect_named(error_of(ErrorCode::corrupted, [&] { list[1].size("a"); }), {"modules.json", "item 1", "'a'"});
  expect_named(error_of(ErrorCode::corrupted, [] { Config::parse_list("{}", "modules.json"); }), {"modules.json"});
  expect_named(error_of(ErrorCode::corrupted, [] { Config::parse_list("[{}, 1]", "modules.json"); }),
               {"modules.json", "item 1"});
}

TEST(Config, FilesAreNamedAndTooLargeOnesLeftUnread) {
  base::TemporaryFolder folder;
  const auto path = folder.path() / "config.json";
  expect_named(error_of(ErrorCode::not_found, [&] { Config::load(path); }), {path.string()});
  EXPECT_TRUE(Config::load_if_there(path).empty());
  std::ofstream(path) << "{\"k\": \"" << std::string(17 << 20, 'x') << "\"}";
  expect_named(error_of(ErrorCode::exhausted, [&] { Config::load(path); }), {path.string()});
  std::ofstream(path) << "{\"k\": 1}";
  EXPECT_EQ(Config::load_if_there(path).size("k"), 1u);
}

}  // namespace
}  // namespace sextant::model
