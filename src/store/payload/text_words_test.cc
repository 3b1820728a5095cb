#include "store/payload/text_words.h"

#include <gmock/gmock.h>

namespace sextant::store {
namespace {

using testing::ElementsAre;

std::vector<std::string> words(std::string_view text, const WordRules& rules = {}) {
  WordReader reader;
  reader.begin(rules, text);
  std::vector<std::string> out;
  std::string_view word;
  while (reader.next(word)) out.emplace_back(word);
  return out;
}

bool words_match(TextQuery::Mode mode, std::string_view query, std::string_view text, const WordRules& rules = {}) {
  WordReader reader;
  return TextQuery(rules, mode, query).matches(text, reader);
}

WordRules rules_of(std::string_view parameters) {
  return WordRules(parse_field_schema(R"({"type":"text",)" + std::string(parameters) + "}"));
}

constexpr TextQuery::Mode kAll = TextQuery::Mode::all, kAny = TextQuery::Mode::any, kPhrase = TextQuery::Mode::phrase;

TEST(TextWords, AreSplitAtWhatIsNeitherLetterNorDigit) {
  EXPECT_THAT(words("Hello, world-wide WEB2!"), ElementsAre("hello", "world", "wide", "web2"));
  EXPECT_THAT(words("Привет, МИР"), ElementsAre("привет", "мир"));
  EXPECT_THAT(words("ΌΣΟΣ"), ElementsAre("όσος"));
  EXPECT_THAT(words(" .. "), ElementsAre());
  EXPECT_THAT(words("x\0y", rules_of(R"("lowercase": false)")), ElementsAre("x"));
}

TEST(TextWords, FollowTheIndexesParameters) {
  EXPECT_THAT(words("Hello, World!", rules_of(R"("tokenizer": "whitespace")")), ElementsAre("hello,", "world!"));
  EXPECT_THAT(words("Hello\u00a0World", rules_of(R"("tokenizer": "whitespace", "lowercase": false)")),
              ElementsAre("Hello", "World"));
  EXPECT_THAT(words("a bc déf ghij", rules_of(R"("min_token_len": 2, "max_token_len": 3)")), ElementsAre("bc", "déf"));
  EXPECT_THAT(words("Ação ÆØ ﬁn", rules_of(R"("ascii_folding": true)")), ElementsAre("acao", "aeo", "fin"));
  EXPECT_THAT(words("The end", rules_of(R"("stopwords": {"custom": ["THE"]})")), ElementsAre("end"));
  EXPECT_THAT(words("Été fini", rules_of(R"("ascii_folding": true, "stopwords": {"custom": ["été"]})")),
              ElementsAre("fini"));
  EXPECT_THAT(words("今天是星期一", rules_of(R"("tokenizer": "multilingual")")), testing::Contains("星期一"));
  EXPECT_THAT(words("What are you, waiting?", rules_of(R"("tokenizer": "multilingual")")),
              ElementsAre("what", "are", "you", "waiting"));
}

TEST(TextWords, AllMustBeThereForTextAndOneForTextAny) {
  EXPECT_TRUE(words_match(kAll, "cheap GOOD", "a good, cheap bike"));
  EXPECT_FALSE(words_match(kAll, "cheap good car", "a good, cheap bike"));
  EXPECT_FALSE(words_match(kAll, "chea", "cheap"));  // no substrings
  EXPECT_TRUE(words_match(kAny, "car bike", "a bike"));
  EXPECT_FALSE(words_match(kAny, "car plane", "a bike"));
  for (const auto mode : {kAll, kAny, kPhrase}) EXPECT_FALSE(words_match(mode, " ,. ", "a bike"));
  std::string many, half;
  for (int i = 0; i < 200; ++i)
    (i % 2 == 0 ? many += "w" + std::to_string(i) + ' ' : half) += "w" + std::to_string(i) + ' ';
  EXPECT_TRUE(words_match(kAll, many, many + half));
  EXPECT_FALSE(words_match(kAll, many + half, many));
}

TEST(TextWords, OfAPhraseFollowEachOther) {
  EXPECT_TRUE(words_match(kPhrase, "brown fox", "The quick brown Fox."));
  EXPECT_FALSE(words_match(kPhrase, "quick fox", "The quick brown fox."));
  EXPECT_TRUE(words_match(kPhrase, "a a b", "a a a b"));
  EXPECT_TRUE(words_match(kPhrase, "a b a c", "a b a b a c"));
  EXPECT_FALSE(words_match(kPhrase, "a b a c", "a b a b a"));
  EXPECT_TRUE(words_match(kPhrase, "fox", "fox"));
  // What was left out of both is no gap.
  EXPECT_TRUE(words_match(kPhrase, "end the world", "end world", rules_of(R"("stopwords": {"custom": ["the"]})")));
}

TEST(TextWords, CountByTheirBeginningsWithPrefix) {
  const WordRules rules = rules_of(R"("tokenizer": "prefix", "min_token_len": 2, "max_token_len": 4)");
  EXPECT_TRUE(words_match(kAll, "he wor", "hello world", rules));
  EXPECT_TRUE(words_match(kAll, "hellxyz", "hello", rules));  // the first four letters count
  EXPECT_FALSE(words_match(kAll, "h", "hello", rules));       // too short
  EXPECT_FALSE(words_match(kAll, "el", "hello", rules));
  EXPECT_TRUE(words_match(kAny, "x мир", "мирный", rules));
  EXPECT_TRUE(words_match(kPhrase, "hello wo", "say hello world", rules));
  EXPECT_FALSE(words_match(kPhrase, "hell world", "say hello world", rules));
  EXPECT_TRUE(words_match(kPhrase, "aa aa aab", "aa aa aa aabc", rules));
  // A stop word may be the beginning of another one.
  const WordRules stop = rules_of(R"("tokenizer": "prefix", "stopwords": {"custom": ["the"]})");
  EXPECT_TRUE(words_match(kAll, "the", "theory", stop));
  EXPECT_FALSE(words_match(kAll, "the", "the end", stop));
  // Words without end take no time.
  EXPECT_TRUE(words_match(kAll, std::string(1'000'000, 'a'), std::string(2'000'000, 'a'),
                          rules_of(R"("tokenizer": "prefix")")));
}

TEST(TextWords, AreFoundAsFastInTextsMadeToBeSlow) {
  std::string text, query;
  for (int i = 0; i < 100'000; ++i) text += "a ";
  for (int i = 0; i < 50'000; ++i) query += "a ";
  EXPECT_FALSE(words_match(kPhrase, query + "b", text));
  EXPECT_TRUE(words_match(kPhrase, query, text));
}

}  // namespace
}  // namespace sextant::store
