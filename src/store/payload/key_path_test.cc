#include "store/payload/key_path.h"

#include <gmock/gmock.h>

#include "errors.h"

namespace sextant::store {
namespace {

TEST(KeyPaths, ReadKeysElementsAndAllElements) {
  const KeyPath path = KeyPath::parse("foo[1][50].bar-baz[].\"qux[.]quux\"");
  ASSERT_EQ(path.steps().size(), 6u);
  EXPECT_EQ(path.steps()[0], (PathStep{PathStep::Kind::key, "foo", 0}));
  EXPECT_EQ(path.steps()[2], (PathStep{PathStep::Kind::element, "", 50}));
  EXPECT_EQ(path.steps()[4], (PathStep{PathStep::Kind::each, "", 0}));
  EXPECT_EQ(path.steps()[5].key, "qux[.]quux");
  EXPECT_EQ(path.text(), "foo[1][50].bar-baz[].\"qux[.]quux\"");
  EXPECT_TRUE(path.has_each());
  EXPECT_EQ(KeyPath::parse("größe.価格").steps()[1].key, "価格");
}

TEST(KeyPaths, AreWrittenWithoutQuotesThatTheyDoNotNeed) {
  EXPECT_EQ(KeyPath::parse("\"a\".\"b c\".\"\"").text(), "a.\"b c\".\"\"");
  EXPECT_EQ(KeyPath::parse("\"a\""), KeyPath::parse("a"));
}

TEST(KeyPaths, RefuseWhatIsNone) {
  std::string deep = "a";
  for (int i = 0; i < 64; ++i) deep += ".a";
  for (const std::string& text :
       {std::string(), std::string("."), std::string("a."), std::string("a b"), std::string("[0]"), std::string("a[x]"),
        std::string("a[1"), std::string("a[-1]"), std::string("\"a"), std::string("\"a\\\"\""), std::string("a\xff"),
        std::string("a]"), std::string("a[18446744073709551616]"), std::string(5000, 'a'), deep}) {
    EXPECT_FALSE(KeyPath::read(text)) << text;
  }
  EXPECT_EQ(
      tests::error_of([] { KeyPath::parse("a b"); }),
      "invalid_argument: 'a b' is no path into a payload: expected keys as in a.b, a[].b, a[0] or \"two words\".b");
}

TEST(KeyPaths, AreJoined) {
  EXPECT_EQ(KeyPath::parse("a.b").each().with(KeyPath::parse("c")).text(), "a.b[].c");
  EXPECT_EQ(KeyPath::parse("a[]").each().text(), "a[]");
  EXPECT_FALSE(KeyPath::parse("a[0].b").has_each());
}

}  // namespace
}  // namespace sextant::store
