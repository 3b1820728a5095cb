// Every tokenizer of the recorded outputs, every string, every pair: ids, tokens, offsets, type ids, special mask,
// truncation. One line a tokenizer.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/utf8.h"
#include "sextant/error.h"
#include "sextant/tokenizer.h"

namespace sextant {
namespace {

namespace dom = simdjson::dom;
namespace fs = std::filesystem;

// Unpacks the recorded outputs once; empty when they are not there.
fs::path golden_folder() {
  fs::path archive = fs::path(SEXTANT_SHARED_DIR) / "golden/tokenizers.tar.zst";
  if (!fs::exists(archive)) return {};
  fs::path folder = fs::path(SEXTANT_BINARY_DIR) / "golden";
  if (fs::exists(folder / "tokenizers/index.json")) return folder / "tokenizers";
  // Unpacked aside and renamed, so that tests running at once never see half of it.
  fs::path partial = folder.string() + "." + std::to_string(getpid());
  fs::create_directories(partial);
  std::string command = "tar --zstd -xf '" + archive.string() + "' -C '" + partial.string() + "'";
  if (std::system(command.c_str()) != 0) return {};
  std::error_code error;
  fs::rename(partial, folder, error);
  if (error) fs::remove_all(partial);
  return folder / "tokenizers";
}

std::string string_of(const dom::element& value) { return std::string(value.get_string().value()); }
std::vector<int64_t> numbers(const dom::element& list) {
  std::vector<int64_t> out;
  for (dom::element item : list.get_array()) out.push_back(item.is_null() ? -1 : int64_t(item));
  return out;
}
std::vector<std::string> strings(const dom::element& list) {
  std::vector<std::string> out;
  for (dom::element item : list.get_array()) out.push_back(string_of(item));
  return out;
}
template <class T>
std::vector<int64_t> widen(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

// [begin, end) of each token in code points, flattened.
std::vector<int64_t> code_point_offsets(const Encoding& encoding, const std::vector<std::string>& texts) {
  std::vector<std::vector<int64_t>> index(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    int64_t count = -1;
    for (char c : texts[i]) {
      if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++count;
      index[i].push_back(count);
    }
    index[i].push_back(count + 1);
  }
  std::vector<int64_t> out;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    int sequence = encoding.sequence_ids[i];
    out.push_back(sequence < 0 ? 0 : index[sequence][encoding.offsets[i].begin]);
    out.push_back(sequence < 0 ? 0 : index[sequence][encoding.offsets[i].end]);
  }
  return out;
}
std::vector<int64_t> flattened(const dom::element& offsets) {
  std::vector<int64_t> out;
  for (dom::element pair : offsets.get_array()) {
    for (int64_t value : numbers(pair)) out.push_back(value);
  }
  return out;
}

template <class T>
std::string shown(const std::vector<T>& values) {
  std::string out;
  for (const T& value : values) {
    if constexpr (std::is_same_v<T, std::string>) {
      out += "'" + value + "' ";
    } else {
      out += std::to_string(value) + " ";
    }
  }
  return out;
}

struct Check {
  std::string differences;
  template <class T>
  void equal(const char* what, const std::vector<T>& found, const std::vector<T>& expected) {
    if (found == expected) return;
    differences +=
        std::string("\n    ") + what + "\n      found    " + shown(found) + "\n      expected " + shown(expected);
  }
};

std::vector<int64_t> fast_ids(const Tokenizer& tokenizer, const std::string& text, const EncodeOptions& options) {
  std::vector<TokenId> ids;
  tokenizer.encode_ids(text, options, ids);
  return widen(ids);
}

std::string check_single(const Tokenizer& tokenizer, const dom::element& golden) {
  std::string text = string_of(golden["text"]);
  Check check;
  Encoding encoding = tokenizer.encode(text);
  check.equal("ids", widen(encoding.ids), numbers(golden["ids"]));
  check.equal("fast ids", fast_ids(tokenizer, text, {}), numbers(golden["ids"]));
  check.equal("tokens", encoding.tokens, strings(golden["tokens"]));
  check.equal("offsets", code_point_offsets(encoding, {text}), flattened(golden["offsets"]));
  check.equal("type_ids", widen(encoding.type_ids), numbers(golden["type_ids"]));
  check.equal("special_mask", widen(encoding.special_mask), numbers(golden["special_mask"]));
  check.equal("ids_nospecial", widen(tokenizer.encode(text, {.add_special_tokens = false}).ids),
              numbers(golden["ids_nospecial"]));
  check.equal("trunc16", widen(tokenizer.encode(text, {.max_length = 16}).ids), numbers(golden["trunc16"]));
  check.equal("fast trunc16", fast_ids(tokenizer, text, {.max_length = 16}), numbers(golden["trunc16"]));
  return check.differences;
}

std::string check_pair(const Tokenizer& tokenizer, const dom::element& golden) {
  std::string a = string_of(golden["a"]);
  std::string b = string_of(golden["b"]);
  Check check;
  Encoding encoding = tokenizer.encode_pair(a, b);
  check.equal("ids", widen(encoding.ids), numbers(golden["ids"]));
  check.equal("tokens", encoding.tokens, strings(golden["tokens"]));
  check.equal("offsets", code_point_offsets(encoding, {a, b}), flattened(golden["offsets"]));
  check.equal("type_ids", widen(encoding.type_ids), numbers(golden["type_ids"]));
  check.equal("sequence_ids", widen(encoding.sequence_ids), numbers(golden["sequence_ids"]));
  check.equal("ids_nospecial", widen(tokenizer.encode_pair(a, b, {.add_special_tokens = false}).ids),
              numbers(golden["ids_nospecial"]));
  Encoding truncated = tokenizer.encode_pair(a, b, {.max_length = 16});
  check.equal("trunc16", widen(truncated.ids), numbers(golden["trunc16"]));
  check.equal("trunc16_type_ids", widen(truncated.type_ids), numbers(golden["trunc16_type_ids"]));
  return check.differences;
}

// SentencePiece's own outputs: ids and pieces alone.
std::string check_sentencepiece(const Tokenizer& tokenizer, const dom::element& golden) {
  std::string text = string_of(golden["text"]);
  Check check;
  Encoding encoding = tokenizer.encode(text, {.add_special_tokens = false});
  check.equal("ids", widen(encoding.ids), numbers(golden["ids"]));
  check.equal("fast ids", fast_ids(tokenizer, text, {.add_special_tokens = false}), numbers(golden["ids"]));
  check.equal("pieces", encoding.tokens, strings(golden["pieces"]));
  return check.differences;
}

struct Tally {
  size_t exact = 0;
  size_t count = 0;
};

template <class CheckLine>
Tally run_lines(const fs::path& file, CheckLine check_line, size_t& shown_count) {
  Tally tally;
  std::ifstream lines(file);
  dom::parser parser;
  for (std::string line; std::getline(lines, line);) {
    dom::element golden = parser.parse(line);
    ++tally.count;
    std::string differences;
    try {
      differences = check_line(golden);
    } catch (const std::exception& e) {
      differences = std::string(" threw ") + e.what();
    }
    if (differences.empty()) {
      ++tally.exact;
    } else if (shown_count-- > 0) {
      ADD_FAILURE() << file.parent_path().filename().string() << " line " << tally.count << differences;
    } else {
      shown_count = 0;
      ADD_FAILURE() << file.parent_path().filename().string() << " line " << tally.count << " differs";
    }
  }
  return tally;
}

TEST(GoldenTokenizers, EveryRecordedStringComesOutTheSame) {
  fs::path folder = golden_folder();
  if (folder.empty()) GTEST_SKIP() << "no recorded tokenizer outputs in " << SEXTANT_SHARED_DIR << "/golden";
  const char* only = std::getenv("SEXTANT_GOLDEN_ONLY");
  size_t tokenizer_count = 0;
  Tally all;
  Tally all_pairs;
  std::set<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) folders.insert(entry.path());
  }
  for (const fs::path& one : folders) {
    std::string name = one.filename().string();
    if (only != nullptr && name.find(only) == std::string::npos) continue;
    ++tokenizer_count;
    size_t shown_count = 3;
    bool sentencepiece = fs::exists(one / "tokenizer.model");
    Tally single;
    Tally pairs;
    try {
      Tokenizer tokenizer = Tokenizer::load(one / (sentencepiece ? "tokenizer.model" : "tokenizer.json"));
      single = run_lines(
          one / "single.jsonl",
          [&](const dom::element& golden) {
            return sentencepiece ? check_sentencepiece(tokenizer, golden) : check_single(tokenizer, golden);
          },
          shown_count);
      pairs = run_lines(
          one / "pairs.jsonl", [&](const dom::element& golden) { return check_pair(tokenizer, golden); }, shown_count);
      EXPECT_EQ(single.count, 450u) << name;
    } catch (const Error& e) {
      ADD_FAILURE() << name << ": " << e.what();
    }
    std::printf("%-45s strings %zu of %zu exact, pairs %zu of %zu\n", name.c_str(), single.exact, single.count,
                pairs.exact, pairs.count);
    all.exact += single.exact;
    all.count += single.count;
    all_pairs.exact += pairs.exact;
    all_pairs.count += pairs.count;
  }
  std::printf("%zu tokenizers: %zu of %zu strings exact, %zu of %zu pairs\n", tokenizer_count, all.exact, all.count,
              all_pairs.exact, all_pairs.count);
  if (only == nullptr) {
    EXPECT_EQ(tokenizer_count, 46u);
  }
}

// The older kinds of file, made of the recorded tokenizer.json files: the same strings must come out the same.
class ConvertedFiles : public testing::Test {
 protected:
  void SetUp() override {
    golden_ = golden_folder();
    if (golden_.empty()) GTEST_SKIP() << "no recorded tokenizer outputs in " << SEXTANT_SHARED_DIR << "/golden";
  }
  dom::element read(const std::string& name) { return parser_.load((golden_ / name / "tokenizer.json").string()); }
  void write(const std::string& name, const std::string& bytes) {
    base::write_file_atomically(folder_.path() / name, bytes);
  }
  // Tokens by id.
  std::vector<std::string> vocabulary(const dom::element& file) {
    std::vector<std::string> tokens;
    for (auto [token, id] : file["model"]["vocab"].get_object()) {
      auto index = static_cast<size_t>(uint64_t(id));
      if (index >= tokens.size()) tokens.resize(index + 1);
      tokens[index] = token;
    }
    return tokens;
  }
  void expect_exact(const std::string& name, const std::string& file) {
    Tokenizer tokenizer = Tokenizer::load(folder_.path() / file);
    size_t shown_count = 3;
    Tally tally = run_lines(
        golden_ / name / "single.jsonl", [&](const dom::element& golden) { return check_single(tokenizer, golden); },
        shown_count);
    EXPECT_EQ(tally.exact, 450u) << name << " as " << file;
  }
  fs::path golden_;
  dom::parser parser_;
  base::TemporaryFolder folder_;
};

TEST_F(ConvertedFiles, VocabTxtGivesTheRecordedIds) {
  std::string lines;
  for (const std::string& token : vocabulary(read("all-MiniLM-L6-v2"))) lines += token + "\n";
  write("vocab.txt", lines);
  expect_exact("all-MiniLM-L6-v2", "vocab.txt");
  lines.clear();
  for (const std::string& token : vocabulary(read("bge-small-zh-v1.5"))) lines += token + "\n";
  write("vocab.txt", lines);
  write("tokenizer_config.json", R"({"do_lower_case":false})");
  expect_exact("bge-small-zh-v1.5", "vocab.txt");
}

TEST_F(ConvertedFiles, VocabJsonWithMergesGivesTheRecordedIds) {
  for (const char* name : {"roberta-base", "clip"}) {
    dom::element file = read(name);
    write("vocab.json", simdjson::minify(file["model"]["vocab"]));
    std::string merges = "#version: 0.2\n";
    for (dom::element merge : file["model"]["merges"].get_array()) merges += string_of(merge) + "\n";
    write("merges.txt", merges);
    expect_exact(name, "vocab.json");
  }
}

TEST_F(ConvertedFiles, TiktokenRanksGiveTheRecordedIds) {
  const char* name = "family__qwen-real-vocab";
  std::map<char32_t, int> bytes;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    bool visible = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    bytes[visible ? static_cast<char32_t>(byte) : next++] = byte;
  }
  const char* kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string lines;
  size_t rank = 0;
  for (const std::string& token : vocabulary(read(name))) {
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < token.size();) {
      bits = bits << 8 | static_cast<uint32_t>(bytes.at(base::decode_utf8(token, i)));
      for (count += 8; count >= 6; count -= 6) lines += kAlphabet[bits >> (count - 6) & 63];
    }
    if (count > 0) lines += kAlphabet[bits << (6 - count) & 63];
    lines += count == 2 ? "==" : count == 4 ? "=" : "";
    lines += " " + std::to_string(rank++) + "\n";
  }
  write("qwen.tiktoken", lines);
  Tokenizer tokenizer = Tokenizer::load(folder_.path() / "qwen.tiktoken");
  // The recorded tokenizer appends a token that a rank file knows nothing of.
  std::ifstream recorded(golden_ / name / "single.jsonl");
  size_t exact = 0;
  for (std::string line; std::getline(recorded, line);) {
    dom::element golden = parser_.parse(line);
    std::vector<int64_t> expected = numbers(golden["ids_nospecial"]);
    EXPECT_EQ(fast_ids(tokenizer, string_of(golden["text"]), {}), expected) << string_of(golden["text"]);
    exact += widen(tokenizer.encode(string_of(golden["text"])).ids) == expected;
  }
  EXPECT_EQ(exact, 450u);
}

// One text as long as that may stand on one line: linear time and no more memory than is in proportion.
TEST_F(ConvertedFiles, TenMegabytesOnOneLineAreNoTrouble) {
  auto texts_of = [](size_t size) {
    std::map<std::string, std::string> texts;
    texts["no spaces"] = std::string(size, 'a');
    texts["spaces alone"] = std::string(size, ' ');
    std::string words;
    while (words.size() < size) words += "un\u00E9 \u65E5\u672C drip-ping 1234567 ";
    texts["words"] = words;
    texts["invalid"] = std::string(size, '\xE6');
    return texts;
  };
  // The slower ones at a tenth of it: what counts is that time grows with the text and no faster.
  const std::pair<const char*, size_t> kCases[] = {{"all-MiniLM-L6-v2", 10'000'000},
                                                   {"roberta-base", 10'000'000},
                                                   {"t5-small", 10'000'000},
                                                   {"family__llama3-style", 1'000'000},
                                                   {"family__mistral-v1-real-vocab", 1'000'000},
                                                   {"model2vec-fixtures__test-model-vocab-quantized", 1'000'000},
                                                   {"clip", 1'000'000},
                                                   {"spm__mistral-v1/tokenizer.model", 1'000'000},
                                                   {"spm__text-tflite/tokenizer.model", 1'000'000}};
  for (auto [name, size] : kCases) {
    Tokenizer tokenizer = Tokenizer::load(golden_ / name);
    for (const auto& [what, text] : texts_of(size)) {
      auto start = std::chrono::steady_clock::now();
      std::vector<TokenId> ids;
      tokenizer.encode_ids(text, {}, ids);
      double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      std::printf("%-50s %-14s %4zu MB, %8zu tokens in %.2f s\n", name, what.c_str(), size / 1'000'000, ids.size(),
                  seconds);
      EXPECT_LT(seconds, 60) << name << ", " << what;
    }
  }
}

}  // namespace
}  // namespace sextant
