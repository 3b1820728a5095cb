#include "train/tokenizer_train.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/json.h"
#include "base/random.h"
#include "io/bytes.h"
#include "sextant/error.h"
#include "sextant/tokenizer.h"
#include "train/tokenizer_json.h"

namespace sextant::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr VocabularyModel kModels[] = {VocabularyModel::wordpiece, VocabularyModel::bpe, VocabularyModel::unigram};

// A page of text of our own with some of everything: case, accents, numbers, punctuation, other scripts.
std::string sample_text() {
  std::string text;
  const std::vector<std::string> lines = {
      "The tap drips at night, and the tap dripped all winter.",
      "Turn the water off before you take the old tap apart!",
      "A new washer costs 45 cents; the plumber costs 90 euros.",
      "Caf\u00e9 owners na\u00efvely asked: \"Why isn't it dripping now?\"",
      "\u041a\u0440\u0430\u043d \u043a\u0430\u043f\u0430\u0435\u0442, \u043a\u0440\u0430\u043d "
      "\u0442\u0435\u0447\u0451\u0442.",
      "\u6c34\u9f99\u5934\u6f0f\u6c34\u3002 \U0001F6B0 drip-drip-drip\u2026",
      "Dripping taps waste 12,000 litres of water a year.",
  };
  for (int i = 0; i < 3; ++i) {
    for (const std::string& line : lines) text += line + "\n";
  }
  return text;
}

class TokenizerTraining : public ::testing::Test {
 protected:
  std::string write(const std::string& name, std::string_view bytes) const {
    std::string path = folder_.path() / name;
    base::write_file_atomically(path, bytes);
    return path;
  }
  // The tokenizer.json of a training.
  std::string train(std::vector<std::string> files, const TokenizerTrainOptions& options,
                    TokenizerTrainReport* report = nullptr) const {
    TokenizerTrainReport made = train_tokenizer(files, folder_.path() / "out", options);
    if (report != nullptr) *report = made;
    return base::read_file(folder_.path() / "out" / "tokenizer.json");
  }
  static TokenizerTrainOptions options(VocabularyModel model, size_t vocabulary_size) {
    TokenizerTrainOptions result;
    result.model = model;
    result.vocabulary_size = vocabulary_size;
    result.thread_count = 1;
    return result;
  }
  // The error's message; fails when there is none or it has another code.
  std::string error_of(std::vector<std::string> files, const TokenizerTrainOptions& with, ErrorCode code) const {
    try {
      train(files, with);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  base::TemporaryFolder folder_;
};

TEST_F(TokenizerTraining, WritesTheFieldsOfTheFormatInItsOrder) {
  std::string text = write("text.txt", sample_text());
  for (VocabularyModel model : kModels) {
    auto file = base::parse_ordered_json(train({text}, options(model, 400)));
    std::vector<std::string> keys;
    for (const auto& [key, value] : file.items()) keys.push_back(key);
    EXPECT_THAT(keys, ElementsAre("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                                  "post_processor", "decoder", "model"))
        << name(model);
    EXPECT_EQ(file["added_tokens"].size(), 5u);
    EXPECT_EQ(file["added_tokens"][1]["id"], 1);
  }
  EXPECT_THAT(base::read_file(folder_.path() / "out" / "tokenizer_config.json"), HasSubstr("\"unk_token\": \"<unk>\""));
}

TEST_F(TokenizerTraining, NumbersTheVocabularyWithoutGapsAndAgreesWithTheReport) {
  std::string text = write("text.txt", sample_text());
  for (VocabularyModel model : kModels) {
    TokenizerTrainReport report;
    auto file = base::parse_ordered_json(train({text}, options(model, 360), &report));
    const auto& vocabulary = file["model"]["vocab"];
    ASSERT_EQ(vocabulary.size(), report.vocabulary_size) << name(model);
    EXPECT_LE(report.vocabulary_size, 360u);
    EXPECT_EQ(report.words.texts, 21u);
    if (model == VocabularyModel::unigram) continue;
    size_t next = 0;
    for (const auto& [token, id] : vocabulary.items()) EXPECT_EQ(id, next++) << token;
  }
}

TEST_F(TokenizerTraining, MakesTokenizersThatGiveTheTextBack) {
  std::string text = write("text.txt", sample_text());
  for (VocabularyModel model : kModels) {
    Tokenizer tokenizer = Tokenizer::from_json(train({text}, options(model, 400)));
    Encoding encoding = tokenizer.encode("the tap drips");
    ASSERT_GE(encoding.ids.size(), 5u);
    EXPECT_EQ(encoding.special_mask.front(), 1) << name(model);
    EXPECT_EQ(encoding.special_mask.back(), 1) << name(model);
    EXPECT_EQ(tokenizer.decode(encoding.ids), "the tap drips") << name(model);
    EXPECT_EQ(tokenizer.vocabulary_size(),
              base::parse_json(base::read_file(folder_.path() / "out/tokenizer.json"))["model"]["vocab"].size());
  }
}

TEST_F(TokenizerTraining, LeavesNoWordOfTheCorpusUnknown) {
  std::string text = write("text.txt", sample_text());
  for (VocabularyModel model : kModels) {
    Tokenizer tokenizer = Tokenizer::from_json(train({text}, options(model, 400)));
    std::optional<TokenId> unknown = tokenizer.unknown_id();
    if (!unknown) continue;
    EXPECT_THAT(tokenizer.encode(sample_text()).ids, ::testing::Not(::testing::Contains(*unknown))) << name(model);
  }
}

TEST_F(TokenizerTraining, GivesTheSameBytesForAnyNumberOfThreads) {
  base::Random random(2);
  std::string long_text;
  for (int i = 0; i < 40'000; ++i) {
    uint64_t word = random.below(1 + random.below(3000));
    for (; word > 0; word /= 5) long_text += static_cast<char>('a' + word % 23);
    long_text += random.below(12) == 0 ? ".\n" : " ";
  }
  std::string text = write("text.txt", long_text);
  for (VocabularyModel model : kModels) {
    TokenizerTrainOptions one = options(model, 700);
    TokenizerTrainOptions two = one;
    two.thread_count = 2;
    EXPECT_EQ(train({text}, one), train({text}, two)) << name(model);
  }
}

TEST_F(TokenizerTraining, LowersCaseUnlessToldOtherwise) {
  std::string text = write("text.txt", "Tap TAP tap Tap TAP tap\n");
  TokenizerTrainOptions cased = options(VocabularyModel::wordpiece, 100);
  EXPECT_THAT(train({text}, cased), ::testing::Not(HasSubstr("\"TAP\"")));
  cased.lowercase = false;
  EXPECT_THAT(train({text}, cased), HasSubstr("\"TAP\""));
  TokenizerTrainOptions lowered = options(VocabularyModel::bpe, 400);
  EXPECT_THAT(train({text}, lowered), HasSubstr("\"\u0120TAP\""));
  lowered.lowercase = true;
  EXPECT_THAT(train({text}, lowered), ::testing::Not(HasSubstr("TAP")));
}

TEST_F(TokenizerTraining, ReadsTheStringFieldsOfJsonLines) {
  std::string pairs = write("pairs.jsonl",
                            "{\"a\": \"alpha alpha\", \"b\": \"beta beta\", \"source\": \"sourceword sourceword\"}\n"
                            "{\"text\": \"gamma gamma\", \"n\": 7, \"title\": \"delta delta\"}\n");
  std::string all = train({pairs}, options(VocabularyModel::wordpiece, 200));
  for (const char* word : {"\"alpha\"", "\"beta\"", "\"gamma\"", "\"delta\""}) EXPECT_THAT(all, HasSubstr(word));
  EXPECT_THAT(all, ::testing::Not(HasSubstr("sourceword")));
  TokenizerTrainOptions chosen = options(VocabularyModel::wordpiece, 200);
  chosen.fields = {"source"};
  EXPECT_THAT(train({pairs}, chosen), HasSubstr("sourceword"));
  chosen.fields = {"body"};
  EXPECT_THAT(error_of({pairs}, chosen, ErrorCode::invalid_argument),
              HasSubstr("none of its objects has a string field body"));
}

TEST_F(TokenizerTraining, TakesItsOwnSpecialTokens) {
  std::string text = write("text.txt", sample_text());
  TokenizerTrainOptions own = options(VocabularyModel::wordpiece, 400);
  own.special_tokens = {{"[UNK]", "[Q]"}};
  auto file = base::parse_json(train({text}, own));
  EXPECT_EQ(file["model"]["vocab"]["[Q]"], 1);
  EXPECT_TRUE(file["post_processor"].is_null());
  own.special_tokens = {{"[Q]"}};
  EXPECT_THAT(error_of({text}, own, ErrorCode::invalid_argument), HasSubstr("needs an unknown token"));
  own.special_tokens = {{"[UNK]", "[UNK]"}};
  EXPECT_THAT(error_of({text}, own, ErrorCode::invalid_argument), HasSubstr("[UNK] is named twice"));
}

TEST_F(TokenizerTraining, RefusesFilesWithoutText) {
  std::string empty = write("empty.txt", "");
  std::string blank = write("blank.txt", "\n  \n\n");
  for (VocabularyModel model : kModels) {
    EXPECT_THAT(error_of({empty}, options(model, 400), ErrorCode::invalid_argument), HasSubstr("empty.txt: no text"));
  }
  EXPECT_THAT(error_of({blank}, options(VocabularyModel::wordpiece, 400), ErrorCode::invalid_argument),
              HasSubstr("blank.txt: no text"));
  error_of({folder_.path() / "missing.txt"}, options(VocabularyModel::bpe, 400), ErrorCode::not_found);
  error_of({}, options(VocabularyModel::bpe, 400), ErrorCode::invalid_argument);
}

TEST_F(TokenizerTraining, TakesATextOfOneCharacter) {
  std::string text = write("one.txt", "a");
  for (VocabularyModel model : kModels) {
    TokenizerTrainReport report;
    Tokenizer tokenizer = Tokenizer::from_json(train({text}, options(model, 400), &report));
    EXPECT_EQ(tokenizer.decode(tokenizer.encode("a").ids), "a") << name(model);
    EXPECT_LT(report.vocabulary_size, 400u) << name(model);
  }
}

TEST_F(TokenizerTraining, RefusesAVocabularySmallerThanTheAlphabet) {
  std::string text = write("text.txt", sample_text());
  for (VocabularyModel model : kModels) {
    EXPECT_THAT(error_of({text}, options(model, 20), ErrorCode::invalid_argument),
                HasSubstr("vocabulary size 20 is too small"))
        << name(model);
  }
  error_of({text}, options(VocabularyModel::bpe, 0), ErrorCode::invalid_argument);
}

TEST_F(TokenizerTraining, SurvivesNulsInvalidBytesAndEndlessWords) {
  std::string bytes = sample_text();
  bytes += std::string("nul\0nul \0\0 \xff\xfe \xc3 \xed\xa0\x80 \xf8 end\n", 26);
  bytes += std::string(300'000, 'x') + "\n";
  std::string text = write("hostile.txt", bytes);
  for (VocabularyModel model : kModels) {
    TokenizerTrainReport report;
    Tokenizer tokenizer = Tokenizer::from_json(train({text}, options(model, 500), &report));
    EXPECT_EQ(report.words.texts_repaired, 1u) << name(model);
    EXPECT_EQ(report.words.words_cut, 1u) << name(model);
    EXPECT_FALSE(tokenizer.encode("the tap").ids.empty()) << name(model);
  }
}

TEST(VocabularyModelNames, AreReadBackAndOthersRefused) {
  for (VocabularyModel model : kModels) EXPECT_EQ(parse_vocabulary_model(name(model)), model);
  EXPECT_THROW(parse_vocabulary_model("WordPiece"), Error);
}

}  // namespace
}  // namespace sextant::train
