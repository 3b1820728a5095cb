#include "io/pdf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "base/random.h"
#include "base/utf8.h"
#include "errors.h"
#include "io/documents.h"
#include "io/testing_pdf.h"

namespace sextant::io {
namespace {

using testing::HasSubstr;
using tests::error_of;

std::string error(std::string_view bytes, const PdfOptions& options = {}) {
  return error_of([&] { extract_pdf(bytes, options); });
}

TEST(Pdf, GivesTheTextOfItsPagesInOrderAndWhereEachBegins) {
  const TestingPdf pdf{
      .contents = {TestingPdf::lines({"The first page", "has two lines."}), "", TestingPdf::lines({"The third."})},
      .title = "(A  title of its own)"};
  const ExtractedText text = extract_pdf(pdf.bytes());
  EXPECT_EQ(text.title, "A title of its own");
  EXPECT_EQ(text.text, "The first page\nhas two lines.\n\nThe third.");
  EXPECT_EQ(text.page_begins, (std::vector<size_t>{0, 29, 31}));
  EXPECT_TRUE(text.headings.empty());
}

TEST(Pdf, LettersBeyondAsciiAndLigaturesAreUtf8) {
  const TestingPdf pdf{.contents = {TestingPdf::lines({"caf\\351 na\\357ve \\200 5"})},
                       .title = "<FEFF00DC0062006500720073006900630068007400>"};
  const ExtractedText text = extract_pdf(pdf.bytes());
  EXPECT_EQ(text.text, "caf\xC3\xA9 na\xC3\xAFve \xE2\x82\xAC 5");
  EXPECT_THAT(text.title, testing::StartsWith("\xC3\x9C"
                                              "bersicht"));
}

TEST(Pdf, ColumnsAreReadOneAfterTheOther) {
  std::string two = "BT /F1 10 Tf 12 TL 72 720 Td\n";
  for (int i = 0; i < 8; ++i) two += "(left column line " + std::to_string(i) + ") Tj T*\n";
  two += "ET\nBT /F1 10 Tf 12 TL 330 720 Td\n";
  for (int i = 0; i < 8; ++i) two += "(right column line " + std::to_string(i) + ") Tj T*\n";
  const std::string text = extract_pdf(TestingPdf{.contents = {two + "ET"}}.bytes()).text;
  EXPECT_LT(text.find("left column line 7"), text.find("right column line 0")) << text;
}

TEST(Pdf, ThatNeedsAPasswordIsSaidToBeEncrypted) {
  const TestingPdf pdf{.contents = {TestingPdf::lines({"secret"})},
                       .trailer = "/ID [<00><00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O (" +
                                  std::string(32, 'o') + ") /U (" + std::string(32, 'u') + ") >>"};
  EXPECT_EQ(error(pdf.bytes()), "unsupported: is encrypted: a password is needed to read it");
}

TEST(Pdf, ThatIsBrokenIsRepairedOrRefused) {
  const std::string whole = TestingPdf{.contents = {TestingPdf::lines({"still here"})}}.bytes();
  // A table of places that is gone is made anew.
  std::string lost = whole;
  lost.replace(lost.find("startxref\n") + 10, 3, "999");
  EXPECT_EQ(extract_pdf(lost).text, "still here");
  EXPECT_EQ(extract_pdf("junk before it\n" + whole).text, "still here");
  EXPECT_EQ(error("%PDF-1.4\n"), "corrupted: is not a readable PDF: its structure cannot be repaired");
  EXPECT_EQ(error(""), "corrupted: is not a PDF: has no %PDF- at its beginning");
  EXPECT_EQ(error("<html>"), "corrupted: is not a PDF: has no %PDF- at its beginning");
}

TEST(Pdf, ReachesNoLimitUnsaid) {
  const std::string bytes =
      TestingPdf{.contents = std::vector<std::string>(30, TestingPdf::lines({"a page of text"}))}.bytes();
  EXPECT_EQ(extract_pdf(bytes).page_begins.size(), 30u);
  EXPECT_EQ(error(bytes, {.pages_max = 29}), "exhausted: is a PDF of 30 pages, the limit is 29");
  EXPECT_EQ(error(bytes, {.text_bytes_max = 100}), "exhausted: is a PDF with more than the limit of 100 bytes of text");
  EXPECT_THAT(error(bytes, {.cpu_seconds_max = 0}),
              HasSubstr("exhausted: is a PDF that takes more than the limit of 0 s"));
  // A number of pages that is made up.
  std::string many = bytes;
  many.replace(many.find("/Count 30"), 9, "/Count 2147483647");
  EXPECT_EQ(error(many), "corrupted: is a PDF without pages");
}

TEST(Pdf, ThatIsDamagedAtRandomIsTextOrAnError) {
  const TestingPdf pdf{.contents = {TestingPdf::lines({"one line", "two lines"}), TestingPdf::lines({"another page"})},
                       .title = "(Damaged)"};
  const std::string whole = pdf.bytes();
  base::Random random(9);
  for (int round = 0; round < 400; ++round) {
    std::string bytes = whole;
    for (size_t n = 1 + random.below(4); n > 0; --n) {
      const size_t at = random.below(bytes.size());
      switch (random.below(3)) {
        case 0:
          bytes[at] ^= static_cast<char>(1u << random.below(8));
          break;
        case 1:
          bytes.erase(at, 1 + random.below(20));
          break;
        default:
          bytes.insert(at, bytes.substr(random.below(bytes.size()), random.below(40)));
      }
    }
    try {
      const ExtractedText text = extract_pdf(bytes);
      ASSERT_TRUE(base::is_valid_utf8(text.text)) << round;
      size_t last = 0;
      for (size_t begin : text.page_begins) {
        ASSERT_LE(last, begin);
        ASSERT_LE(begin, text.text.size());
        last = begin;
      }
    } catch (const Error&) {
    }
  }
}

TEST(Pdf, InAFolderIsADocumentAndABrokenOneIsSkippedByName) {
  base::TemporaryFolder folder;
  auto put = [&](const char* name, const std::string& bytes) {
    std::ofstream(folder.path() / name, std::ios::binary) << bytes;
  };
  const std::vector<std::string> pages = {TestingPdf::lines({"Page one."}), TestingPdf::lines({"Page two."})};
  put("a-report_2.PDF", TestingPdf{.contents = pages}.bytes());
  put("broken.pdf", "%PDF-1.7\nnothing");
  put("image.pdf", TestingPdf{.contents = {"0 0 100 100 re f"}}.bytes());
  put("plain.pdf", "only named so");
  DocumentReader reader({folder.path().string()});
  Document document;
  ASSERT_TRUE(reader.next(document));
  EXPECT_EQ(document.title, "a report 2");
  EXPECT_EQ(document.text, "Page one.\n\nPage two.");
  EXPECT_EQ(page_number(document, 0), 1u);
  EXPECT_EQ(page_number(document, document.text.find("two")), 2u);
  EXPECT_FALSE(reader.next(document));
  std::vector<std::string> skipped;
  for (const SkippedFile& file : reader.skipped()) skipped.push_back(file.path + ": " + file.reason);
  EXPECT_THAT(skipped,
              testing::ElementsAre("broken.pdf: is not a readable PDF: its structure cannot be repaired",
                                   "image.pdf: has no text", "plain.pdf: is not a PDF: has no %PDF- at its beginning"));
  EXPECT_EQ(page_number(make_document("a.txt", "x"), 0), 0u);
}

}  // namespace
}  // namespace sextant::io
