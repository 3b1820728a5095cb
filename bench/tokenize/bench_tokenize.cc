// bench_tokenize [--mebibytes M] [--runs N] [--only NAME]: how fast each kind of tokenizer turns text into ids, on one
// thread.
//
// Text: English encyclopedia articles where SEXTANT_SHARED_DIR has them, else the sample library, repeated. Tokenizers:
// the recorded ones where they are unpacked or can be, else small ones made of the text itself (which flatters: nearly
// every word is in them). Runs of all contestants are interleaved; min, median and max are of one run over the text.
#include <simdjson.h>
#include <time.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "sextant/error.h"
#include "sextant/tokenizer.h"

namespace {

namespace fs = std::filesystem;
using sextant::Tokenizer;

struct Options {
  double mebibytes = 16;
  int runs = 5;
  std::string only;
};

// Processor time of this thread: what others do on the machine at the same time counts less than on a wall clock.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string decompress(const std::string& bytes, size_t size_max) {
  std::string out(size_max, '\0');
  ZSTD_DStream* stream = ZSTD_createDStream();
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer target{out.data(), out.size(), 0};
  while (in.pos < in.size && target.pos < target.size) {
    if (ZSTD_isError(ZSTD_decompressStream(stream, &target, &in))) break;
  }
  ZSTD_freeDStream(stream);
  out.resize(target.pos);
  return out;
}

std::vector<std::string> articles(size_t bytes_wanted) {
  std::vector<std::string> texts;
  fs::path file = fs::path(SEXTANT_SHARED_DIR) / "data/corpus/text/wikipedia.jsonl.zst";
  if (!fs::exists(file)) return texts;
  std::string lines = decompress(sextant::base::read_file(file), bytes_wanted * 2 + (1 << 20));
  simdjson::dom::parser parser;
  size_t bytes = 0;
  for (size_t begin = 0; begin < lines.size() && bytes < bytes_wanted;) {
    size_t end = lines.find('\n', begin);
    if (end == std::string::npos) break;
    std::string_view text;
    if (parser.parse(lines.data() + begin, end - begin)["text"].get(text) == simdjson::SUCCESS) {
      texts.emplace_back(text);
      bytes += text.size();
    }
    begin = end + 1;
  }
  return texts;
}

std::vector<std::string> library(size_t bytes_wanted) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SEXTANT_SOURCE_DIR) / "examples/library")) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> texts;
  size_t bytes = 0;
  while (!files.empty() && bytes < bytes_wanted) {
    for (const fs::path& file : files) {
      texts.push_back(sextant::base::read_file(file));
      bytes += texts.back().size();
    }
  }
  return texts;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// A tokenizer.json with the text's own words as its vocabulary.
std::string made_tokenizer(const std::string& kind, const std::vector<std::string>& texts) {
  std::map<std::string, size_t> counts;
  for (size_t i = 0; i < texts.size() && i < 300; ++i) {
    std::string word;
    for (char c : texts[i] + " ") {
      if (std::isalpha(static_cast<unsigned char>(c))) {
        word += static_cast<char>(std::tolower(c));
      } else if (!word.empty()) {
        ++counts[word];
        word.clear();
      }
    }
  }
  std::string vocabulary;
  int id = 0;
  auto add = [&](const std::string& token) {
    if (id > 0) vocabulary += ',';
    vocabulary += json_string(token);
    vocabulary += ':';
    vocabulary += std::to_string(id++);
  };
  if (kind == "wordpiece") {
    add("[UNK]");
    for (char c = '!'; c <= '~'; ++c) add(std::string(1, c));
    for (char c = 'a'; c <= 'z'; ++c) add("##" + std::string(1, c));
    for (const auto& [word, count] : counts) {
      if (count > 1 && word.size() > 1) add(word);
    }
    return R"({"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,)"
           R"("lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","unk_token":)"
           R"("[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{)" +
           vocabulary + "}}}";
  }
  std::string list = R"(["<unk>",0])";
  for (char c = '!'; c <= '~'; ++c) list += ",[" + json_string(std::string(1, c)) + ",-12.5]";
  list += R"(,["▁",-6])";
  for (const auto& [word, count] : counts) {
    if (count < 2) continue;
    list += ",[" + json_string("▁" + word) + "," + std::to_string(0.01 * static_cast<double>(word.size()) - 10) + "]";
  }
  return R"({"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},)"
         R"("model":{"type":"Unigram","unk_id":0,"vocab":[)" +
         list + "]}}";
}

struct Contestant {
  std::string name;
  Tokenizer tokenizer;
  std::vector<double> seconds = {};
  size_t token_count = 0;
};

fs::path recorded_folder() {
  fs::path folder = fs::path(SEXTANT_BINARY_DIR) / "golden/tokenizers";
  if (fs::exists(folder / "index.json")) return folder;
  fs::path archive = fs::path(SEXTANT_SHARED_DIR) / "golden/tokenizers.tar.zst";
  if (!fs::exists(archive)) return {};
  fs::create_directories(folder.parent_path());
  std::string command = "tar --zstd -xf '" + archive.string() + "' -C '" + folder.parent_path().string() + "'";
  return std::system(command.c_str()) == 0 ? folder : fs::path();
}

std::vector<Contestant> contestants(const Options& options, const std::vector<std::string>& texts) {
  std::vector<Contestant> all;
  auto wanted = [&](const std::string& name) {
    return options.only.empty() || name.find(options.only) != std::string::npos;
  };
  fs::path folder = recorded_folder();
  if (folder.empty()) {
    for (const char* kind : {"wordpiece", "unigram"}) {
      if (wanted(kind)) all.push_back({kind, Tokenizer::from_json(made_tokenizer(kind, texts))});
    }
    return all;
  }
  const std::pair<const char*, const char*> recorded[] = {
      {"WordPiece, uncased (all-MiniLM-L6-v2)", "all-MiniLM-L6-v2"},
      {"WordPiece, cased", "family__bert-cased-style"},
      {"byte-level BPE, GPT-2 pattern (roberta-base)", "roberta-base"},
      {"byte-level BPE, Qwen pattern", "family__qwen-real-vocab"},
      {"byte-level BPE, Llama 3 pattern", "family__llama3-style"},
      {"BPE on whole text (mistral-v1)", "family__mistral-v1-real-vocab"},
      {"Unigram (t5-small)", "t5-small"},
      {"Unigram (xlmr-bge-m3-style)", "family__xlmr-bge-m3-style"},
      {"Unigram on whole text (model2vec)", "model2vec-fixtures__test-model-vocab-quantized"},
      {"SentencePiece unigram (text-tflite)", "spm__text-tflite/tokenizer.model"},
      {"SentencePiece BPE (mistral-v1)", "spm__mistral-v1/tokenizer.model"},
  };
  for (const auto& [name, place] : recorded) {
    if (wanted(name)) all.push_back({name, Tokenizer::load(folder / place)});
  }
  return all;
}

int run(const Options& options) {
  auto bytes_wanted = static_cast<size_t>(options.mebibytes * (1 << 20));
  std::vector<std::string> texts = articles(bytes_wanted);
  const char* source = "encyclopedia articles";
  if (texts.empty()) {
    texts = library(bytes_wanted);
    source = "the sample library, repeated";
  }
  size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  std::printf("%.1f MB of text (%zu texts: %s), %d runs\n", static_cast<double>(bytes) / 1e6, texts.size(), source,
              options.runs);
  std::vector<Contestant> all = contestants(options, texts);
  std::vector<sextant::TokenId> ids;
  for (int run = 0; run < options.runs; ++run) {
    for (Contestant& contestant : all) {
      contestant.token_count = 0;
      double start = thread_seconds();
      for (const std::string& text : texts) {
        ids.clear();
        contestant.tokenizer.encode_ids(text, {}, ids);
        contestant.token_count += ids.size();
      }
      contestant.seconds.push_back(thread_seconds() - start);
    }
  }
  std::printf("%-46s %28s %16s\n", "", "MB/s min / median / max", "tokens/s");
  for (Contestant& contestant : all) {
    std::sort(contestant.seconds.begin(), contestant.seconds.end());
    auto rate = [&](double seconds) { return static_cast<double>(bytes) / 1e6 / seconds; };
    double median = contestant.seconds[contestant.seconds.size() / 2];
    std::printf("%-46s %8.1f / %6.1f / %6.1f %16.0f\n", contestant.name.c_str(), rate(contestant.seconds.back()),
                rate(median), rate(contestant.seconds.front()), static_cast<double>(contestant.token_count) / median);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--mebibytes") options.mebibytes = std::atof(argv[i + 1]);
    if (name == "--runs") options.runs = std::max(1, std::atoi(argv[i + 1]));
    if (name == "--only") options.only = argv[i + 1];
  }
  try {
    return run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_tokenize: %s\n", e.what());
    return 1;
  }
}
