// The program as its users meet it: exit statuses, the one-line form of errors, what goes to which stream.
#include "program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace sextant {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;
using tests::Outcome;
using tests::run_sextant;

// One line, of the form `sextant: <code's name>: <message>`.
void expect_error(const Outcome& outcome, int status, const std::string& code, const std::string& part) {
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, StartsWith("sextant: " + code + ": "));
  EXPECT_THAT(outcome.err, HasSubstr(part));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST(Program, WithoutArgumentsItShowsItsCommands) {
  Outcome outcome = run_sextant({});
  EXPECT_EQ(outcome.status, 0);
  for (const char* command : {"search", "index", "embed", "similarity", "train", "eval", "tokenize", "explain"}) {
    EXPECT_THAT(outcome.out, HasSubstr(command));
  }
  EXPECT_THAT(outcome.err, IsEmpty());
}

TEST(Program, EveryCommandHasAHelpPage) {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"similarity"},
                                                  {"nearest"},
                                                  {"analogy"},
                                                  {"explain"},
                                                  {"tokenize"},
                                                  {"info"},
                                                  {"pull"},
                                                  {"embed"},
                                                  {"index"},
                                                  {"search"},
                                                  {"demo"},
                                                  {"train", "static"},
                                                  {"train", "tokenizer"},
                                                  {"eval", "sts"},
                                                  {"eval", "retrieval"},
                                                  {"eval", "classify"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--help");
    Outcome outcome = run_sextant(arguments);
    EXPECT_EQ(outcome.status, 0) << command.front();
    EXPECT_THAT(outcome.out, HasSubstr("Usage:")) << command.front();
  }
}

TEST(Program, WrongUsageIsInvalidArgumentAndExitsWithTwo) {
  expect_error(run_sextant({"fly"}), 2, "invalid_argument", "fly");
  expect_error(run_sextant({"similarity", "one"}), 2, "invalid_argument", "B");
  expect_error(run_sextant({"similarity", "a", "b", "--metric", "vibes"}), 2, "invalid_argument", "vibes");
  expect_error(run_sextant({"train"}), 2, "invalid_argument", "ubcommand");
}

TEST(Program, WhatIsMissingIsNotFoundAndExitsWithThree) {
  expect_error(run_sextant({"similarity", "a", "b", "--model", "/nowhere"}), 3, "not_found", "/nowhere");
  expect_error(run_sextant({"tokenize", "--tokenizer", "/nowhere/tokenizer.json", "x"}), 3, "not_found", "/nowhere");
}

TEST(Program, DamagedFilesAreCorruptedAndExitWithFour) {
  base::TemporaryFolder folder;
  std::ofstream(folder.path() / "tokenizer.json") << "{\"version\": \"1.0\", \"model\": {\"type\": \"WordPi";
  expect_error(run_sextant({"tokenize", "--tokenizer", folder.path() / "tokenizer.json", "x"}), 4, "corrupted",
               "tokenizer.json");
}

TEST(Program, SimilarityPrintsTheNumberFirst) {
  Outcome outcome = run_sextant({"similarity", "dog", "puppy"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, ContainsRegex("^0\\.[0-9]+ "));
  for (const auto& [name, alias] : {std::pair("dot", "ip"), {"l2", "euclidean"}, {"l1", "manhattan"}}) {
    std::string by_name = run_sextant({"similarity", "dog", "puppy", "--metric", name}).out;
    EXPECT_THAT(by_name, ContainsRegex("^[0-9.]+ "));
    EXPECT_EQ(by_name, run_sextant({"similarity", "dog", "puppy", "--metric", alias}).out);
  }
}

TEST(Program, QuietDropsNotesAndJsonIsForPrograms) {
  Outcome outcome = run_sextant({"similarity", "dog", "\xF0\x9F\xAB\xA8", "--json"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, StartsWith("{\"score\":"));
  EXPECT_THAT(run_sextant({"similarity", "dog", "", "--quiet"}).err, IsEmpty());
  EXPECT_THAT(run_sextant({"similarity", "dog", ""}).err, HasSubstr("note:"));
}

TEST(Program, TextsInBracketsArriveWhole) {
  auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  Outcome outcome = run_sextant({"tokenize", "[a, b]", "[]", "c]\x1f"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(lines(outcome.out), 3);
  EXPECT_THAT(outcome.out, HasSubstr("{\"text\": \"[a, b]\""));
  EXPECT_THAT(outcome.out, HasSubstr("{\"text\": \"[]\""));
  EXPECT_THAT(outcome.out, HasSubstr("{\"text\": \"c]\\u001f\""));
  EXPECT_EQ(lines(run_sextant({"embed", "[one, two]", "[three]"}).out), 2);
  EXPECT_THAT(run_sextant({"search", "[a, dripping, tap]", "--json"}).out, HasSubstr("\"[a, dripping, tap]\""));
  expect_error(run_sextant({"embed", "--metric=[x]"}), 2, "invalid_argument", "--metric=[x] (see");
}

TEST(Program, TokenizePrintsAnObjectForEachLineOfEachForm) {
  const std::string input = "\"Dripping tap\"\n{\"a\": \"tap\", \"b\": \"pipe\"}\nplain text\n{\"text\": \"x\"}\n";
  Outcome outcome = run_sextant({"tokenize", "--no-special-tokens"}, input);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 4);
  EXPECT_THAT(outcome.out, HasSubstr("{\"text\": \"Dripping tap\", \"ids\": ["));
  EXPECT_THAT(outcome.out, HasSubstr("\"offsets\": [[0, 8], [9, 12]]"));
  EXPECT_THAT(outcome.out, HasSubstr("\"a\": \"tap\", \"b\": \"pipe\""));
  EXPECT_THAT(outcome.out, HasSubstr("{\"text\": \"plain text\""));
  EXPECT_THAT(run_sextant({"tokenize", "--plain"}, "{\"text\": 1}\n").out,
              HasSubstr("{\"text\": \"{\\\"text\\\": 1}\""));
}

TEST(Program, TokenizeNamesTheLineThatIsWrong) {
  Outcome outcome = run_sextant({"tokenize"}, "fine\n{\"text\": \n");
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("line 2"));
}

TEST(Program, AnalogyTakesItsTermsAsPeopleWriteThem) {
  Outcome outcome = run_sextant({"analogy", "king", "-", "man", "+", "woman", "--limit", "5"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("lady"));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("king "))) << "the terms themselves are left out";
  expect_error(run_sextant({"analogy", "king", "man"}), 2, "invalid_argument", "+ or -");
}

TEST(Program, ExplainShowsEachStep) {
  Outcome outcome = run_sextant({"explain", "Where is my PARCEL?"});
  EXPECT_EQ(outcome.status, 0);
  for (const char* part : {"Normalised", "where is my parcel?", "Tokens", "parcel", "Pooled", "256 components"}) {
    EXPECT_THAT(outcome.out, HasSubstr(part));
  }
}

TEST(Program, SearchesTheSampleLibraryWhenNoneIsNamed) {
  Outcome outcome = run_sextant({"search", "how do I stop my tap from dripping", "--limit", "3", "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("household/dripping-tap.md"));
}

TEST(Program, IndexesAFolderAndFindsWhatIsInIt) {
  base::TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "docs");
  std::ofstream(folder.path() / "docs" / "cats.md") << "# Cats\n\nKittens sleep most of the day.\n";
  std::ofstream(folder.path() / "docs" / "cars.txt") << "Motors\n\nChange the oil of the engine every year.\n";
  const std::string library = folder.path() / "my.sextant";
  EXPECT_EQ(run_sextant({"index", folder.path() / "docs", "--output", library}).status, 0);
  Outcome outcome = run_sextant({"search", library, "young feline pets", "--limit", "1"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("Cats"));
  EXPECT_THAT(outcome.out, HasSubstr("Kittens sleep"));
}

}  // namespace
}  // namespace sextant
