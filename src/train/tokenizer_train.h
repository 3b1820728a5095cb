// train/tokenizer_train.h: a vocabulary from text files, written as a folder that Hugging Face's libraries load too.
//
// In: text files (a text a line) and .jsonl files (string fields of each object), either under zstd; "-" is standard
// input, as lines.      Out: OUTPUT/tokenizer.json and OUTPUT/tokenizer_config.json.
// The files are read once, as a stream; memory is bounded by TokenizerTrainOptions::words_max distinct words.
// Same files in the same order, same options: same bytes, for any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "train/tokenizer_words.h"

namespace sextant::train {

enum class VocabularyModel {
  wordpiece,  // greedy longest match, as BERT has it
  bpe,        // byte-level byte-pair encoding, as GPT-2 and RoBERTa have it: no text is ever unknown
  unigram,    // a unigram language model over pieces, as SentencePiece, T5 and XLM-RoBERTa have it
};
// Throws invalid_argument for other names.
VocabularyModel parse_vocabulary_model(std::string_view name);
std::string_view name(VocabularyModel model);

struct TokenizerTrainOptions {
  VocabularyModel model = VocabularyModel::wordpiece;
  size_t vocabulary_size = 30'000;
  std::optional<bool> lowercase = {};  // absent: true for wordpiece (accents go as well), else false
  bool whole_words = false;            // wordpiece: entries are characters and frequent words, no parts of words
  uint64_t min_frequency = 2;          // what is rarer becomes no entry of its own
  // Absent: [PAD] [UNK] [CLS] [SEP] [MASK] for wordpiece, <s> <pad> </s> <unk> <mask> otherwise.
  std::optional<std::vector<std::string>> special_tokens = {};
  size_t alphabet_max = 0;               // see choose_alphabet; byte-level BPE has its 256 bytes whatever this says
  std::vector<std::string> fields = {};  // of .jsonl files; empty: whichever of text, title, a, b and n there are
  size_t words_max = 4'000'000;          // distinct words in memory
  size_t thread_count = 0;               // 0: all processors
};

struct TokenizerTrainReport {
  WordCounterReport words;
  size_t vocabulary_size = 0;     // entries written; fewer than asked for where the text gives no more
  size_t merge_count = 0;         // wordpiece, bpe
  size_t alphabet_size = 0;       // distinct characters that are entries
  size_t characters_dropped = 0;  // distinct characters that are not
  uint64_t words_dropped = 0;     // wordpiece: occurrences of words that hold one of these
  double counting_s = 0;
  double training_s = 0;
};

// What the model of a training sees of a text: the words after normalizer and pre-tokenizer.
Splitter make_splitter(VocabularyModel model, bool lowercase);

// The tokenizer.json for words as make_splitter cut them. Throws invalid_argument for options that contradict each
// other or the words, naming the option.
std::string train_tokenizer_json(std::span<const WordCount> words, const TokenizerTrainOptions& options,
                                 base::ThreadPool& pool, TokenizerTrainReport& report,
                                 base::Progress* progress = nullptr);

// Throws what reading the files throws; invalid_argument when there is no text in them, and as above.
TokenizerTrainReport train_tokenizer(std::span<const std::string> files, const std::filesystem::path& output,
                                     const TokenizerTrainOptions& options, base::Progress* progress = nullptr);

}  // namespace sextant::train
