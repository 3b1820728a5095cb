#include "train/tokenizer_train.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "base/files.h"
#include "io/jsonl.h"
#include "io/lines.h"
#include "sextant/error.h"
#include "text/pipeline.h"
#include "train/tokenizer_bpe.h"
#include "train/tokenizer_json.h"
#include "train/tokenizer_unigram.h"

namespace sextant::train {
namespace {

constexpr std::array<std::string_view, 5> kFields = {"text", "title", "a", "b", "n"};
// Token ids above 2^24 are no vocabulary that the text room would read again.
constexpr size_t kVocabularySizeMax = (size_t{1} << 24) - 1;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool lowercase(const TokenizerTrainOptions& options) {
  return options.lowercase.value_or(options.model == VocabularyModel::wordpiece);
}

SpecialTokens special_tokens(const TokenizerTrainOptions& options) {
  bool bert = options.model == VocabularyModel::wordpiece;
  SpecialTokens special = parse_special_tokens(
      options.special_tokens.value_or(bert ? std::vector<std::string>{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
                                           : std::vector<std::string>{"<s>", "<pad>", "</s>", "<unk>", "<mask>"}));
  if (!special.unknown && options.model != VocabularyModel::bpe) {
    throw Error(ErrorCode::invalid_argument, fmt::format("special tokens: a {} vocabulary needs an unknown token, {}",
                                                         name(options.model), "[UNK] or <unk>"));
  }
  return special;
}

// The printable characters that byte-level BPE writes for the 256 bytes: a byte that prints stands for itself, the
// others for U+0100 and up, in order.
std::vector<char32_t> byte_alphabet() {
  std::vector<char32_t> alphabet;
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    bool prints = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    alphabet.push_back(prints ? byte : next++);
  }
  std::sort(alphabet.begin(), alphabet.end());
  return alphabet;
}

bool is_json_lines(std::string_view path) {
  if (path.ends_with(".zst")) path.remove_suffix(4);
  return path.ends_with(".jsonl") || path.ends_with(".ndjson");
}

// Calls add(text) for each text of the file and after_record() for each line. Returns the number of texts.
template <class Add, class AfterRecord>
uint64_t read_texts(const std::string& file, const std::vector<std::string>& fields, Add add,
                    AfterRecord after_record) {
  uint64_t texts = 0;
  if (!is_json_lines(file)) {
    io::LineReader lines(file);
    for (std::string_view line; lines.next(line); after_record()) {
      if (line.empty()) continue;
      add(line);
      ++texts;
    }
    return texts;
  }
  io::JsonLineReader records(file);
  for (; records.next(); after_record()) {
    if (fields.empty()) {
      records.for_each_text([&](std::string_view field, std::string_view text) {
        if (std::find(kFields.begin(), kFields.end(), field) == kFields.end()) return;
        add(text);
        ++texts;
      });
      continue;
    }
    for (const std::string& field : fields) {
      std::optional<std::string_view> text = records.find_text(field);
      if (!text) continue;
      add(*text);
      ++texts;
    }
  }
  if (texts == 0 && records.line_number() > 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: none of its objects has a string field {}", file,
                            fields.empty() ? "text, title, a, b or n" : fmt::format("{}", fmt::join(fields, ", "))));
  }
  return texts;
}

}  // namespace

VocabularyModel parse_vocabulary_model(std::string_view name_text) {
  for (VocabularyModel model : {VocabularyModel::wordpiece, VocabularyModel::bpe, VocabularyModel::unigram}) {
    if (name(model) == name_text) return model;
  }
  throw Error(ErrorCode::invalid_argument,
              fmt::format("vocabulary model \"{}\" is not one of wordpiece, bpe, unigram", name_text));
}

std::string_view name(VocabularyModel model) {
  switch (model) {
    case VocabularyModel::wordpiece:
      return "wordpiece";
    case VocabularyModel::bpe:
      return "bpe";
    case VocabularyModel::unigram:
      return "unigram";
  }
  return "";
}

Splitter make_splitter(VocabularyModel model, bool lowercase) {
  // The file that training would write, less its vocabulary: so words are cut as the finished tokenizer cuts texts.
  // Special tokens in the corpus are ordinary text here, as they are to Hugging Face's trainers.
  std::string json;
  SpecialTokens special;
  special.unknown = "[UNK]";
  switch (model) {
    case VocabularyModel::wordpiece:
      json = wordpiece_json({{"[UNK]"}, {}}, special, lowercase);
      break;
    case VocabularyModel::bpe:
      json = byte_level_bpe_json({}, special, lowercase);
      break;
    case VocabularyModel::unigram:
      json = unigram_json({{{"[UNK]", 0}}}, special, lowercase);
      break;
  }
  std::shared_ptr<const text::Pipeline> pipeline = text::read_tokenizer_json(json, "the trainer's own tokenizer.json");
  return [pipeline](std::string_view text, const std::function<void(std::string_view word)>& emit) {
    thread_local text::Pieces pieces;
    pipeline->cut(text, false, pieces);
    for (const text::Piece& piece : pieces.list) emit(pieces.view(piece));
  };
}

std::string train_tokenizer_json(std::span<const WordCount> words, const TokenizerTrainOptions& options,
                                 base::ThreadPool& pool, TokenizerTrainReport& report, base::Progress* progress) {
  SpecialTokens special = special_tokens(options);
  if (options.vocabulary_size == 0 || options.vocabulary_size > kVocabularySizeMax) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("vocabulary size {} is not between 1 and {}", options.vocabulary_size, kVocabularySizeMax));
  }
  if (options.whole_words && options.model != VocabularyModel::wordpiece) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("whole words are for a wordpiece vocabulary, not for {}", name(options.model)));
  }
  auto start = std::chrono::steady_clock::now();
  std::string json;
  if (options.model == VocabularyModel::unigram) {
    UnigramTrainOptions unigram;
    unigram.vocabulary_size = options.vocabulary_size;
    unigram.min_frequency = options.min_frequency;
    unigram.special_tokens = special.all;
    unigram.alphabet_max = options.alphabet_max;
    UnigramVocabulary vocabulary = train_unigram(words, unigram, pool, progress);
    report.vocabulary_size = vocabulary.pieces.size();
    report.alphabet_size = vocabulary.alphabet_size;
    report.characters_dropped = vocabulary.characters_dropped;
    json = unigram_json(vocabulary, special, lowercase(options));
  } else {
    bool wordpiece = options.model == VocabularyModel::wordpiece;
    BpeTrainOptions bpe;
    bpe.vocabulary_size = options.vocabulary_size;
    bpe.min_frequency = options.min_frequency;
    bpe.special_tokens = special.all;
    if (wordpiece) {
      bpe.alphabet_max = options.alphabet_max;
      bpe.continuing_prefix = "##";
    } else {
      bpe.alphabet = byte_alphabet();
    }
    BpeVocabulary vocabulary = options.whole_words ? train_whole_words(words, bpe) : train_bpe(words, bpe, progress);
    report.vocabulary_size = vocabulary.tokens.size();
    report.merge_count = vocabulary.merges.size();
    report.alphabet_size = vocabulary.alphabet_size;
    report.characters_dropped = vocabulary.characters_dropped;
    report.words_dropped = vocabulary.words_dropped;
    json = wordpiece ? wordpiece_json(vocabulary, special, lowercase(options))
                     : byte_level_bpe_json(vocabulary, special, lowercase(options));
  }
  report.training_s = seconds_since(start);
  return json;
}

TokenizerTrainReport train_tokenizer(std::span<const std::string> files, const std::filesystem::path& output,
                                     const TokenizerTrainOptions& options, base::Progress* progress) {
  // What is wrong with the options is said before hours of reading, not after.
  SpecialTokens special = special_tokens(options);
  if (files.empty()) throw Error(ErrorCode::invalid_argument, "no input files to train a vocabulary on");

  TokenizerTrainReport report;
  base::ThreadPool pool(options.thread_count);
  auto start = std::chrono::steady_clock::now();
  WordCounterOptions counter_options;
  counter_options.words_max = options.words_max;
  WordCounter counter(make_splitter(options.model, lowercase(options)), pool, counter_options);
  if (progress != nullptr) progress->begin("counting words", "bytes", 0);
  uint64_t bytes = 0;
  uint64_t texts = 0;
  for (const std::string& file : files) {
    texts += read_texts(
        file, options.fields,
        [&](std::string_view text) {
          counter.add(text);
          bytes += text.size();
        },
        [&] {
          if (progress != nullptr) progress->report(bytes);
        });
  }
  std::vector<WordCount> words = counter.finish(&report.words);
  if (progress != nullptr) progress->end();
  report.counting_s = seconds_since(start);
  if (texts == 0 || words.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: no text to train a vocabulary on", fmt::join(files, ", ")));
  }

  std::string json = train_tokenizer_json(words, options, pool, report, progress);
  base::make_folders(output);
  base::write_file_atomically(output / "tokenizer.json", json);
  base::write_file_atomically(output / "tokenizer_config.json", tokenizer_config_json(special, lowercase(options)));
  return report;
}

}  // namespace sextant::train
