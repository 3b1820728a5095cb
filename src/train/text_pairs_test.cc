#include "train/text_pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant::train {
namespace {

using testing::ElementsAre;
using testing::Pair;

std::vector<std::pair<std::string, std::string>> pairs(std::string_view title, std::string_view text,
                                                       const TextPairOptions& options) {
  std::vector<std::pair<std::string, std::string>> found;
  pairs_of_document(title, text, options,
                    [&](std::string a, std::string b) { found.emplace_back(std::move(a), std::move(b)); });
  return found;
}

constexpr std::string_view kText =
    "The first paragraph has enough words in it to count as one that matters here.\n\n"
    "# Care\n\n"
    "Below the heading\nstands another paragraph, long enough to be kept by the rule of twelve words.\n\n"
    "Too short.\n\n";

TEST(TextPairs, ATitleLeadsToItsFirstParagraph) {
  TextPairOptions only{.title = true, .heading = false, .neighbour = false, .halves = false};
  EXPECT_THAT(
      pairs("Taps", kText, only),
      ElementsAre(Pair("Taps", "The first paragraph has enough words in it to count as one that matters here.")));
}

TEST(TextPairs, AHeadingWithItsTitleLeadsToTheParagraphBelow) {
  TextPairOptions only{.title = false, .heading = true, .neighbour = false, .halves = false};
  EXPECT_THAT(pairs("Taps", kText, only),
              ElementsAre(Pair("Taps: Care",
                               "Below the heading stands another paragraph, long enough to be kept by the "
                               "rule of twelve words.")));
}

TEST(TextPairs, NeighboursAndHalvesFollowTheSentencesOfAParagraph) {
  const std::string a = "One two three four five six.", b = "Seven eight nine ten eleven twelve.";
  const std::string c = "Thirteen is the number of this one.", d = "Fourteen comes after it as it should.";
  const std::string text = a + " " + b + " " + c + " " + d;
  TextPairOptions neighbours{.title = false, .heading = false, .neighbour = true, .halves = false, .keep = 1.0};
  EXPECT_THAT(pairs("", text, neighbours), ElementsAre(Pair(a, b), Pair(b, c), Pair(c, d)));
  TextPairOptions halves{.title = false, .heading = false, .neighbour = false, .halves = true, .keep = 1.0};
  EXPECT_THAT(pairs("", text, halves), ElementsAre(Pair(a + " " + b, c + " " + d)));
  halves.keep = neighbours.keep = 0.0;
  EXPECT_TRUE(pairs("", text, halves).empty());
  EXPECT_TRUE(pairs("", text, neighbours).empty());
}

TEST(TextPairs, AWordLeadsToTheRestOfItsSentence) {
  TextPairOptions only{
      .title = false, .heading = false, .neighbour = false, .halves = false, .words = true, .keep = 1.0};
  auto found = pairs("", "It is as if on an old mat by a big red fox we sat in the sun, purring.", only);
  EXPECT_THAT(found, ElementsAre(Pair("purring", "It is as if on an old mat by a big red fox we sat in the sun, .")));
}

TEST(TextPairs, SentencesEndBeforeACapitalADigitOrAnOpeningQuote) {
  EXPECT_THAT(sentences_of("He left at 3 p.m. and came back. \"Why?\" she asked. 12 men saw it. e.g. this"),
              ElementsAre("He left at 3 p.m. and came back.", "\"Why?\" she asked.", "12 men saw it. e.g. this"));
  EXPECT_THAT(sentences_of(""), ElementsAre());
}

}  // namespace
}  // namespace sextant::train
