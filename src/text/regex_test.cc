#include "text/regex.h"

#include <gtest/gtest.h>

#include "sextant/error.h"

namespace sextant::text {
namespace {

std::vector<std::string> matches_of(std::string_view pattern, std::string_view text) {
  std::vector<TokenOffset> found;
  Regex(pattern).find_all(text, found);
  std::vector<std::string> out;
  for (const TokenOffset& match : found) out.emplace_back(text.substr(match.begin, match.end - match.begin));
  return out;
}

using Strings = std::vector<std::string>;

TEST(Regex, ReadsClassesAsRubySyntaxDoes) {
  EXPECT_EQ(matches_of(R"(\s+)", "a\u0085\u3000b"), Strings({"\u0085\u3000"}));
  EXPECT_EQ(matches_of(R"(\w+)", "e\u0301_1-b"), Strings({"e\u0301_1", "b"}));
  EXPECT_EQ(matches_of(R"(\h+)", "xfF0g"), Strings({"fF0"}));
  EXPECT_EQ(matches_of(R"([\w&&[^a]]+)", "bab"), Strings({"b", "b"}));
  EXPECT_EQ(matches_of(R"([[:punct:]]+)", "a+.\u00A2b"), Strings({"+.\u00A2"}));
  EXPECT_EQ(matches_of(R"(^a$)", "a\na"), Strings({"a", "a"}));
  EXPECT_EQ(matches_of(R"((?m:a.b))", "a\nb"), Strings({"a\nb"}));
  EXPECT_EQ(matches_of(R"(\p{Han}+|\p{Lower}+)", "a\u65E5b"), Strings({"a", "\u65E5", "b"}));
}

TEST(Regex, FindsEmptyMatchesButNotRightAfterAnother) {
  EXPECT_EQ(matches_of("a*", "baac"), Strings({"", "aa", ""}));
  EXPECT_EQ(matches_of("", "\u00E9a"), Strings({"", "", ""}));
}

TEST(Regex, EscapesWhatWouldBeSyntax) {
  std::string odd = "a.b*(c)[d]{e}|^$\\-\u00E9 ";
  EXPECT_EQ(matches_of(Regex::escaped(odd), "x" + odd), Strings({odd}));
}

TEST(Regex, RefusesWhatItCannotRun) {
  for (const char* pattern : {"(", "[a", "a\\", R"([\W])", R"(\p{Nothing})", R"(\pL)"}) {
    try {
      Regex regex(pattern);
      ADD_FAILURE() << pattern;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::unsupported);
      EXPECT_NE(std::string(e.what()).find(pattern), std::string::npos) << e.what();
    }
  }
}

TEST(Regex, GivesUpOnPatternsThatNeverEnd) {
  try {
    matches_of("(a+)+$b|(a*)*c", std::string(40, 'a') + "!");
    ADD_FAILURE() << "it came to an end";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::exhausted);
  }
}

}  // namespace
}  // namespace sextant::text
