// Commands over networks for text, as their users meet them: on the tiny checkpoints of tests/golden.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/json.h"
#include "io/npy.h"
#include "program.h"

namespace sextant::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using tests::Outcome;
using tests::run_sextant;

std::string golden(const std::string& name) { return SEXTANT_SOURCE_DIR "/tests/golden/models/" + name; }

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(base::parse_json(line));
  return lines;
}

TEST(ModelCommands, VerifyPrintsAVerdictForEachRecordingAndFailsOnAMiss) {
  Outcome fine = run_sextant({"verify", golden("bert-mean"), golden("e2e-minilm-style")});
  EXPECT_EQ(fine.status, 0) << fine.err;
  EXPECT_THAT(fine.out, HasSubstr("expected_pool_weightedmean.npy"));
  EXPECT_THAT(fine.out, HasSubstr("e2e.json: ids"));
  EXPECT_THAT(fine.out, testing::Not(HasSubstr("MISS")));

  base::TemporaryFolder folder;
  const fs::path copy = folder.path() / "model";
  fs::copy(golden("bert-mean"), copy, fs::copy_options::recursive);
  std::string recorded = base::read_file(copy / "expected_pool_cls.npy");
  recorded[recorded.size() - 1] ^= 0x01;  // the exponent of the last float
  base::write_file_atomically(copy / "expected_pool_cls.npy", recorded);
  Outcome missed = run_sextant({"verify", copy, "--json"});
  EXPECT_EQ(missed.status, 4);
  EXPECT_THAT(missed.err, HasSubstr("1 of the recorded outputs"));
  size_t misses = 0;
  for (const json& file : base::parse_json(missed.out)) misses += file["passed"].get<bool>() ? 0 : 1;
  EXPECT_EQ(misses, 1u);
  EXPECT_EQ(run_sextant({"verify", copy / "1_Pooling"}).status, 3);
  EXPECT_EQ(run_sextant({"verify"}).status, 2);
}

TEST(ModelCommands, APrecisionThatMissesItsBarOrChangesNothingIsNoted) {
  auto notes = [](const std::string& model, const std::string& compute) {
    Outcome outcome = run_sextant({"similarity", "a tap", "a tree", "--model", model, "--compute", compute});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(notes(golden("e2e-modernbert-style"), "int8"), HasSubstr("int8 may not be precise enough"));
  EXPECT_EQ(notes(golden("e2e-minilm-style"), "int8"), "");
  EXPECT_EQ(notes(golden("e2e-modernbert-style"), "auto"), "") << "it fell back";
  EXPECT_THAT(notes("builtin", "int8"), HasSubstr("--compute int8 changes nothing for 'builtin'"));
  EXPECT_EQ(notes("builtin", "auto"), "");
  EXPECT_EQ(run_sextant({"similarity", "a", "b", "--compute", "fp8"}).status, 2);
}

TEST(ModelCommands, InfoSaysWhatBecameOfThePackedCache) {
  base::TemporaryFolder folder;
  const std::string by_flag = folder.path() / "flag", by_variable = folder.path() / "variable";
  auto info = [](std::vector<std::string> options) {
    options.insert(options.begin(), {"info", golden("e2e-minilm-style"), "--json", "--compute", "int8"});
    Outcome outcome = run_sextant(options);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return base::parse_json(outcome.out);
  };
  EXPECT_FALSE(info({}).contains("packed cache")) << "off unless it is asked for";
  const json first = info({"--packed-cache", by_flag}), second = info({"--packed-cache", by_flag});
  EXPECT_EQ(first["packed cache"]["value"], "written");
  EXPECT_EQ(second["packed cache"]["value"], "read");
  EXPECT_THAT(second["packed cache"]["from"].get<std::string>(), StartsWith(by_flag));
  ASSERT_TRUE(first.contains("check of int8"));
  EXPECT_EQ(second["check of int8"], first["check of int8"]);
  ::setenv("SEXTANT_PACKED_CACHE", by_variable.c_str(), 1);
  EXPECT_EQ(info({"--packed-cache", by_flag})["packed cache"]["value"], "read") << "the flag wins";
  EXPECT_EQ(info({})["packed cache"]["value"], "written");
  EXPECT_FALSE(info({"--packed-cache", ""}).contains("packed cache"));
  ::unsetenv("SEXTANT_PACKED_CACHE");
  EXPECT_FALSE(fs::is_empty(by_variable));
}

TEST(ModelCommands, VerifyRecordsWhatItCanLaterHoldTheModelTo) {
  base::TemporaryFolder folder;
  const fs::path copy = folder.path() / "model";
  fs::copy(golden("e2e-bge-style"), copy, fs::copy_options::recursive);
  for (const auto& entry : fs::directory_iterator(golden("e2e-bge-style"))) {
    const std::string name = entry.path().filename();
    if (name.starts_with("e2e") || name.starts_with("expected")) fs::remove(copy / name);
  }
  std::ofstream(folder.path() / "texts.txt") << "a dripping tap\nplumbing repair\n";
  EXPECT_EQ(run_sextant({"verify", "--record", copy, "--input", folder.path() / "texts.txt"}).status, 0);
  EXPECT_EQ(run_sextant({"verify", copy}).status, 0);
  Outcome again = run_sextant({"verify", "--record", copy, "--input", folder.path() / "texts.txt"});
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, StartsWith("sextant: already_exists: "));
}

TEST(ModelCommands, EmbedWritesSparseWeightsAndTokenVectorsFromOnePass) {
  Outcome outcome =
      run_sextant({"embed", "a dripping tap", "x", "--model", golden("e2e-bge-m3"), "--outputs", "dense,sparse,multi"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["embedding"].size(), 32u);
  EXPECT_EQ(lines[0]["sparse"]["indices"].size(), lines[0]["sparse"]["values"].size());
  EXPECT_EQ(lines[0]["sparse"]["tokens"].size(), lines[0]["sparse"]["values"].size());
  EXPECT_EQ(lines[0]["multi"][0].size(), 32u);
  EXPECT_EQ(lines[1]["index"], 1);
  // A model of sparse weights alone needs no telling.
  const auto sparse = lines_of(run_sextant({"embed", "a tap", "--model", golden("e2e-splade")}).out);
  ASSERT_EQ(sparse.size(), 1u);
  EXPECT_GT(sparse[0]["sparse"]["values"].size(), 10u);
  EXPECT_EQ(run_sextant({"embed", "x", "--outputs", "sparse"}).status, 1);
  EXPECT_EQ(run_sextant({"embed", "x", "--outputs", "vibes"}).status, 2);
}

TEST(ModelCommands, AWordHasAVectorInEachSentence) {
  Outcome outcome = run_sextant(
      {"embed", "--tokens", "the bank of the river", "the bank lends money", "--model", golden("e2e-minilm-style")});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 2u);
  auto vector_at = [](const json& line, int begin) {
    for (size_t i = 0; i < line["offsets"].size(); ++i) {
      if (line["offsets"][i][0] == begin && line["offsets"][i][1] > begin) return line["vectors"][i];
    }
    return json();
  };
  const json first = vector_at(lines[0], 4);
  const json second = vector_at(lines[1], 4);
  EXPECT_EQ(first.size(), 32u);
  EXPECT_EQ(second.size(), 32u);
  EXPECT_NE(first, second);
}

TEST(ModelCommands, TokensThatDoNotFitAreNamedInEveryFormOfOutput) {
  for (const char* form : {"--tokens", "--outputs=dense,sparse"}) {
    Outcome cut = run_sextant(
        {"embed", form, "one two three four five six", "--max-length", "4", "--model", golden("e2e-bge-m3")});
    EXPECT_EQ(cut.status, 0) << cut.err;
    EXPECT_THAT(cut.err, HasSubstr("1 of 1 items were truncated")) << form;
    Outcome refused = run_sextant({"embed", form, "one two three four five six", "--max-length", "4", "--on-overflow",
                                   "error", "--model", golden("e2e-bge-m3")});
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.err, HasSubstr("more than the limit of 4")) << form;
  }
}

TEST(ModelCommands, TokenIdsGiveHiddenStatesAndVectors) {
  base::TemporaryFolder folder;
  const std::string hidden = folder.path() / "h.npy";
  const std::string output = folder.path() / "v.npy";
  Outcome outcome = run_sextant({"embed", "--model", golden("bert-mean"), "--token-ids",
                                 golden("bert-mean/inputs.json"), "--hidden", hidden, "--output", output});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const io::NpyFile lengths(folder.path() / "h.lengths.npy");
  float total = 0;
  for (float length : lengths.floats()) total += length;
  EXPECT_EQ(static_cast<float>(io::NpyFile(hidden).rows()), total);
  const std::vector<float> ours = io::NpyFile(output).floats();
  const std::vector<float> recorded = io::NpyFile(golden("bert-mean/expected_sentence_embedding.npy")).floats();
  ASSERT_EQ(ours.size(), recorded.size());
  for (size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], recorded[i], 1e-5f);
  EXPECT_EQ(
      run_sextant({"embed", "--token-ids", golden("bert-mean/inputs.json"), "--model", golden("bert-mean")}).status, 2);
}

TEST(ModelCommands, RerankPutsTheBestFirstAndNamesTheLine) {
  const std::string documents = "Turn off the water.\nOpening hours\nFix a dripping tap\n";
  const std::vector<std::string> arguments = {"rerank", "how to fix a tap", "--input",
                                              "-",      "--model",          golden("e2e-reranker-xlmr")};
  Outcome outcome = run_sextant(arguments, documents);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("line "));
  std::vector<std::string> raw = arguments;
  raw.insert(raw.end(), {"--raw", "--json", "--limit", "2"});
  const auto logits = lines_of(run_sextant(raw, documents).out);
  raw.erase(raw.begin() + static_cast<ptrdiff_t>(arguments.size()));
  const auto scores = lines_of(run_sextant(raw, documents).out);
  ASSERT_EQ(logits.size(), 2u);
  EXPECT_GE(logits[0]["score"].get<double>(), logits[1]["score"].get<double>());
  EXPECT_EQ(logits[0]["index"], scores[0]["index"]);
  EXPECT_NEAR(1 / (1 + std::exp(-logits[0]["score"].get<double>())), scores[0]["score"].get<double>(), 1e-6);
  EXPECT_EQ(run_sextant({"rerank", "q", "--input", "-", "--model", golden("bert-mean")}, documents).status, 1);
}

TEST(ModelCommands, RerankComputesInTheWantedPrecisionAndNotesWhatMissesItsBar) {
  const std::string documents = "Turn off the water.\nOpening hours\nFix a dripping tap\n";
  auto rerank = [&](const std::string& model, const std::string& compute, const std::string& threads = "1") {
    return run_sextant({"rerank", "how to fix a tap", "--input", "-", "--json", "--model", golden(model), "--compute",
                        compute, "--threads", threads},
                       documents);
  };
  const Outcome exact = rerank("e2e-crossencoder-bert", "float32"), lower = rerank("e2e-crossencoder-bert", "bfloat16");
  EXPECT_EQ(lower.status, 0) << lower.err;
  EXPECT_EQ(lower.err, "") << "it reaches its bar";
  EXPECT_NE(lower.out, exact.out);
  EXPECT_EQ(rerank("e2e-crossencoder-bert", "bfloat16", "3").out, lower.out);
  EXPECT_THAT(rerank("e2e-reranker-xlmr", "int8").err,
              HasSubstr("int8 may not be precise enough for this model: logits"));
  EXPECT_EQ(rerank("e2e-reranker-xlmr", "fp8").status, 2);
}

TEST(ModelCommands, InfoDescribesACrossEncoderByItsScores) {
  Outcome outcome = run_sextant({"info", golden("e2e-crossencoder-bert"), "--json", "--compute", "bfloat16"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json info = base::parse_json(outcome.out);
  EXPECT_THAT(info["kind"]["value"].get<std::string>(), HasSubstr("cross-encoder"));
  EXPECT_EQ(info["score"]["value"], "the logit's sigmoid");
  EXPECT_EQ(info["computed in"]["value"], "bfloat16");
  EXPECT_THAT(info["check of bfloat16"]["value"].get<std::string>(), HasSubstr("of their spread"));
  EXPECT_FALSE(info.contains("dimensions"));
}

TEST(ModelCommands, InfoTellsWhatIsInEffectAndFromWhichFile) {
  Outcome outcome = run_sextant({"info", golden("e2e-bge-style"), "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json info = base::parse_json(outcome.out);
  EXPECT_EQ(info["pooling"]["value"], "cls");
  EXPECT_THAT(info["pooling"]["from"].get<std::string>(), HasSubstr("1_Pooling/config.json"));
  EXPECT_THAT(info["prompt query"]["value"].get<std::string>(), HasSubstr("Represent this sentence"));
  EXPECT_THAT(info["parameters"]["value"].get<std::string>(), HasSubstr("F32"));
  EXPECT_EQ(run_sextant({"info"}).status, 0);
}

TEST(ModelCommands, OneFileOfWeightsIsAModelWithWhatLiesBesideIt) {
  const std::string folder = golden("e2e-minilm-style");
  EXPECT_EQ(run_sextant({"embed", "a tap", "--model", folder}).out,
            run_sextant({"embed", "a tap", "--model", folder + "/model.safetensors"}).out);
}

}  // namespace
}  // namespace sextant::cli
