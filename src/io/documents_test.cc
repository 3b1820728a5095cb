#include "io/documents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/random.h"
#include "base/utf8.h"
#include "io/html.h"
#include "io/markdown.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

std::vector<std::string> headings(const ExtractedText& text) {
  std::vector<std::string> out;
  for (const Heading& h : text.headings) {
    out.push_back(std::to_string(h.level) + " " + text.text.substr(h.begin, h.end - h.begin));
  }
  return out;
}

using Strings = std::vector<std::string>;

TEST(Html, GivesTitleHeadingsAndTextWithBreaks) {
  ExtractedText page = extract_html(
      "<!doctype html><html><head><title> The  Page &amp; more</title><style>p{}</style></head><body>"
      "<nav>Home | About</nav><h1>First <em>one</em></h1><p>A paragraph\n  with  <b>bold</b> text.<br>New line</p>"
      "<ul><li>one<li>two <img alt='a cat' src=x></ul><script>var x = '<p>no</p>';</script>"
      "<div hidden>hidden</div><div style='color:red; display: none'>hidden too</div>"
      "<table><tr><td>Weight<td>2 kg</table><h2>Second</h2><pre>  keep\n    this</pre>caf&eacute; &#x20AC;</body>");
  EXPECT_EQ(page.title, "The Page & more");
  EXPECT_EQ(page.text,
            "First one\n\nA paragraph with bold text.\nNew line\n\none\ntwo a cat\n\nWeight\t2 kg\n\nSecond\n\n"
            "  keep\n    this\n\ncaf\xC3\xA9 \xE2\x82\xAC");
  EXPECT_EQ(headings(page), (Strings{"1 First one", "2 Second"}));
}

TEST(Html, WithoutAnyTagIsText) {
  EXPECT_EQ(extract_html("just text").text, "just text");
  EXPECT_EQ(extract_html("").text, "");
  EXPECT_EQ(extract_html("<h1></h1><h2> </h2>x").headings.size(), 0u);
}

TEST(Html, NestedAbsurdlyIsRefusedInBoundedTime) {
  std::string deep;
  for (int i = 0; i < 300000; ++i) deep += "<div>";
  try {
    extract_html(deep, {.cpu_seconds_max = 0.3});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
  }
  // Every paragraph repeats all open fonts: the tree grows with the square of the page.
  std::string fonts;
  for (int i = 0; i < 3000; ++i) fonts += "<p><font size=" + std::to_string(i) + ">x";
  try {
    extract_html(fonts, {.cpu_seconds_max = 60});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("bytes"), std::string::npos) << error.what();
  }
}

TEST(Html, DeepPagesWithinTheLimitsAreReadWithoutRecursion) {
  std::string deep;
  for (int i = 0; i < 20000; ++i) deep += "<b><i>";
  deep += "bottom";
  EXPECT_EQ(extract_html(deep, {.cpu_seconds_max = 100}).text, "bottom");
}

TEST(Markdown, HeadingsAreStructureAndMarkupIsGone) {
  ExtractedText page = extract_markdown(
      "# Title *here*\n\nSome **bold** text with a [link](http://example.org/x) and\nanother line.\n\n"
      "```sh\n# not a heading\n    indented\n\nend\n```\n\nSetext\n------\n\n- one\n- two\n  - nested\n\n"
      "| a | b |\n|---|---|\n| 1 | 2 |\n\nx &amp; y &#233; &eacute;<br>z <span>w</span>\n\n<div><p>raw "
      "<b>html</b></p></div>\n");
  EXPECT_EQ(page.title, "Title here");
  EXPECT_EQ(headings(page), (Strings{"1 Title here", "2 Setext"}));
  EXPECT_EQ(page.text,
            "Title here\n\nSome bold text with a link and another line.\n\n# not a heading\n    indented\n\nend\n\n"
            "Setext\n\none\ntwo\nnested\n\na\tb\n1\t2\n\nx & y \xC3\xA9 \xC3\xA9\nz w\n\nraw html");
}

TEST(Markdown, FrontMatterGivesTheTitleAndIsLeftOut) {
  ExtractedText page = extract_markdown("---\ntitle: \"From the top\"\ntags: [a]\n---\n# Other\n\nbody");
  EXPECT_EQ(page.title, "From the top");
  EXPECT_EQ(page.text, "Other\n\nbody");
  EXPECT_EQ(extract_markdown("---\n\ntext\n\n---\n").text, "text") << "a rule is not front matter";
  EXPECT_EQ(extract_markdown("---\nnever closed\n").text, "never closed");
}

TEST(Markdown, PathologicalInputsEnd) {
  for (const std::string& piece :
       {std::string("["), std::string("*a _b "), std::string("> "), std::string("`a``"), std::string("- "),
        std::string("<x"), std::string("![a]("), std::string("|"), std::string("&#"), std::string("\\")}) {
    std::string text;
    while (text.size() < 60000) text += piece;
    try {
      extract_markdown(text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::exhausted) << piece;
    }
  }
}

TEST(Documents, AreTextMarkdownOrHtmlByTheirEnding) {
  Document plain = make_document("notes/my-first_note.txt", "\xEF\xBB\xBFline one\r\nline two.\f\r\n\r\n");
  EXPECT_EQ(plain.title, "my first note");
  EXPECT_EQ(plain.text, "line one\nline two.");
  EXPECT_TRUE(plain.headings.empty());

  Document titled = make_document("t.TXT", "Tracking your order\n\nAs soon as a parcel leaves.\n");
  EXPECT_EQ(titled.title, "Tracking your order");
  EXPECT_EQ(titled.headings, (std::vector<Heading>{{0, 19, 1}}));

  EXPECT_EQ(make_document("a.md", "# One\n\ntext").title, "One");
  EXPECT_EQ(make_document("a.md", "text alone").title, "a");
  EXPECT_EQ(make_document("a.HTM", "<h2>Sub</h2>x").title, "Sub");
  EXPECT_EQ(make_document("a.html", "<title>T</title><h1>H</h1>").title, "T");
}

TEST(Documents, CountTheInvalidBytesTheyRepair) {
  Document latin = make_document("a.txt", "caf\xE9 na\xEFve text");
  EXPECT_EQ(latin.text, "caf\xEF\xBF\xBD na\xEF\xBF\xBDve text");
  EXPECT_EQ(latin.replaced_count, 2u);
  EXPECT_EQ(latin.source_bytes, 15u);
}

class Folder : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name, std::ios::binary) << bytes;
  }
  base::TemporaryFolder folder;
};

TEST_F(Folder, IsReadInOrderAndWhatIsSkippedIsNamed) {
  put("b.txt", "second");
  put("a/z.md", "# Z\n\nfirst");
  put("a/.git/config.txt", "no");
  put("c.bin.txt", std::string("x\0y", 3));
  put("d.txt", " \n ");
  put("e.doc", "word");
  put("i.pdf", "%PDF");
  put("f.txt", "\xFF\xFEh\0i\0");
  put("g.txt", std::string(200, 'x'));
  put("h.txt", "last");
  std::filesystem::create_directory_symlink(folder.path(), folder.path() / "loop");
  DocumentReader reader({folder.path().string()}, {.file_bytes_max = 100});
  Document document;
  Strings paths;
  while (reader.next(document)) paths.push_back(document.path);
  EXPECT_EQ(paths, (Strings{"a/z.md", "b.txt", "h.txt"}));
  Strings skipped;
  for (const SkippedFile& file : reader.skipped()) skipped.push_back(file.path + ": " + file.reason.substr(0, 14));
  EXPECT_THAT(skipped, testing::SizeIs(8));
  auto reason = [&](const std::string& path) {
    for (const SkippedFile& file : reader.skipped()) {
      if (file.path == path) return file.reason;
    }
    return std::string("not skipped");
  };
  EXPECT_EQ(reason("a/.git"), "is hidden");
  EXPECT_EQ(reason("loop"), "is a link to a folder");
  EXPECT_EQ(reason("c.bin.txt"), "is binary (has NUL bytes)");
  EXPECT_EQ(reason("d.txt"), "has no text");
  EXPECT_EQ(reason("f.txt"), "is UTF-16, expected UTF-8");
  EXPECT_NE(reason("e.doc").find("endings"), std::string::npos);
  EXPECT_EQ(reason("i.pdf"), "is not a PDF: has no %PDF- at its beginning");
  EXPECT_NE(reason("g.txt").find("the limit is 100"), std::string::npos);
}

TEST_F(Folder, OneFileIsReadWhateverItsEnding) {
  put("README", "plain");
  Document document;
  DocumentReader reader({(folder.path() / "README").string()});
  ASSERT_TRUE(reader.next(document));
  EXPECT_EQ(document.path, "README");
  EXPECT_EQ(document.title, "README");
  EXPECT_FALSE(reader.next(document));
  EXPECT_THROW(DocumentReader({(folder.path() / "absent").string()}), Error);
}

TEST_F(Folder, SeveralPathsKeepTheirNamesApart) {
  put("a/x.txt", "one");
  put("b/x.txt", "two");
  DocumentReader reader({(folder.path() / "a/").string(), (folder.path() / "b").string()});
  Document document;
  ASSERT_TRUE(reader.next(document));
  EXPECT_EQ(document.path, (folder.path() / "a/x.txt").string());
  ASSERT_TRUE(reader.next(document));
  EXPECT_EQ(document.path, (folder.path() / "b/x.txt").string());
}

TEST(Documents, FromRandomBytesAreValidUtf8WithHeadingsInside) {
  const Strings pieces = {"<p>",        "</p>",       "<h1>",      "</h2>",    "<table>",    "<tr>",     "<td>",
                          "<template>", "<svg>",      "<math>",    "<!--",     "-->",        "<b>",      "</b>",
                          "<select>",   "<frameset>", "<title>",   "</title>", "<script>",   "<form>",   "# ",
                          "\n",         "```",        "* ",        "> ",       "|",          "---\n",    "[a](b)",
                          "&amp;",      "&",          "<",         "\xC3",     "\xFF",       "word ",    "<a>",
                          "<pre>",      "\t",         "<![CDATA[", "</html>",  "<body x=y>", "<option>", "<plaintext>",
                          "</svg>"};
  base::Random random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (size_t n = random.below(60); n > 0; --n) bytes += pieces[random.below(pieces.size())];
    for (const char* name : {"a.html", "a.md", "a.txt"}) {
      Document document = make_document(name, bytes);
      ASSERT_TRUE(base::is_valid_utf8(document.text)) << name << " round " << round;
      size_t last = 0;
      for (const Heading& heading : document.headings) {
        ASSERT_LE(last, heading.begin);
        ASSERT_LT(heading.begin, heading.end);
        ASSERT_LE(heading.end, document.text.size());
        last = heading.end;
      }
    }
  }
}

}  // namespace
}  // namespace sextant::io
