// What every introduction to embeddings promises, held to with the built-in model.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "sextant/embed.h"
#include "simd/kernels.h"

namespace sextant {
namespace {

const Embedder& builtin() {
  static const std::unique_ptr<Embedder> model = Embedder::load("builtin");
  return *model;
}

std::vector<float> embed(std::string_view text) {
  std::vector<float> vector(builtin().dim());
  builtin().embed(std::span(&text, 1), {}, vector);
  return vector;
}

float similarity(std::string_view a, std::string_view b) {
  std::vector<float> x = embed(a), y = embed(b);
  return simd::kernels().cosine_f32(x.data(), y.data(), x.size());
}

std::vector<std::string> example_lines(const std::string& name) {
  std::ifstream file(SEXTANT_SOURCE_DIR "/examples/" + name);
  std::vector<std::string> lines;
  std::string line;
  while (std::getline(file, line)) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

// The lines of a list, nearest to QUERY first.
std::vector<std::string> ranked(std::string_view query, std::vector<std::string> lines) {
  std::vector<std::pair<float, std::string>> scored;
  for (std::string& line : lines) scored.emplace_back(-similarity(query, line), std::move(line));
  std::sort(scored.begin(), scored.end());
  std::vector<std::string> out;
  for (auto& [score, line] : scored) out.push_back(std::move(line));
  return out;
}

TEST(Promises, ADogIsNearerToAPuppyThanToACarOrARefrigerator) {
  EXPECT_GT(similarity("dog", "puppy"), similarity("dog", "car"));
  EXPECT_GT(similarity("dog", "puppy"), similarity("dog", "refrigerator"));
}

TEST(Promises, DeepLearningBasicsFindsMachineLearningAndNotPizza) {
  std::vector<std::string> found =
      ranked("deep learning basics",
             {"How to train a neural network", "Great pizza recipes in Italy", "Machine learning fundamentals"});
  EXPECT_EQ(found.back(), "Great pizza recipes in Italy");
}

TEST(Promises, TwoTicketsAboutAMissingOrderFindEachOtherAmongTwenty) {
  std::vector<std::string> tickets = example_lines("tickets.txt");
  ASSERT_EQ(tickets.size(), 20u);
  const std::string a = "My order hasn't arrived", b = "I haven't received my package";
  for (const auto& [one, other] : {std::pair(a, b), std::pair(b, a)}) {
    std::vector<std::string> rest = tickets;
    ASSERT_EQ(std::erase(rest, one), 1u);
    EXPECT_EQ(ranked(one, rest).front(), other);
  }
}

TEST(Promises, ALeakingFaucetFindsPlumbingAndTapsAmongAHundredTitlesWithoutAWordInCommon) {
  std::vector<std::string> titles = example_lines("titles.txt");
  ASSERT_EQ(titles.size(), 100u);
  std::vector<std::string> found = ranked("how to fix a leaking faucet", titles);
  found.resize(2);
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (std::vector<std::string>{"plumbing repair", "water tap maintenance"}));
}

TEST(Promises, RelatedThingsAreNearerThanUnrelatedOnes) {
  EXPECT_GT(similarity("cat", "dog"), similarity("cat", "quantum physics"));
  EXPECT_GT(similarity("myocardial infarction", "chest pain"), similarity("myocardial infarction", "gastritis"));
  EXPECT_GT(similarity("wireless bluetooth headphones", "noise cancelling earbuds"),
            similarity("wireless bluetooth headphones", "leather hiking boots"));
}

TEST(Promises, TheWeatherIsFurtherFromEveryShopIntentThanShopQuestionsAre) {
  std::vector<std::string> intents;
  for (const std::string& line : example_lines("shop-intents.jsonl")) {
    const std::string key = "\"text\": \"";
    size_t begin = line.find(key);
    ASSERT_NE(begin, std::string::npos) << line;
    begin += key.size();
    intents.push_back(line.substr(begin, line.rfind('"') - begin));
  }
  ASSERT_EQ(intents.size(), 80u);
  auto nearest = [&](std::string_view question) {
    float best = -1;
    for (const std::string& intent : intents) best = std::max(best, similarity(question, intent));
    return best;
  };
  const float weather = nearest("What's the weather?");
  std::vector<std::string> questions = example_lines("shop-questions.txt");
  ASSERT_EQ(questions.size(), 20u);
  for (const std::string& question : questions) EXPECT_GT(nearest(question), weather) << question;
}

}  // namespace
}  // namespace sextant
