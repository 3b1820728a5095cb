// train/tokenizer_words.h: how often each word of a corpus occurs, in bounded memory.
//
// In: texts of any length, in any order.      Out: distinct words (as a Splitter cuts them) with their counts.
// Texts are first counted as chunks, runs of white space with what follows up to the next run, because most chunks of a
// corpus are repeats: the costly normalizer and pre-tokenizer then see each distinct chunk once. Chunks end only where
// no normalizer or pre-tokenizer used for training could see across (white space after a visible character).
// 1. Counting happens in rounds of fixed size in bytes, so what is pruned does not depend on the number of threads.
// 2. When the words outnumber words_max, the most frequent half of that number stays; the report says what went.
// 3. A word longer than word_code_points_max is cut into parts of that length, and counted in the report.
// 4. Splitters must not treat the start of a text apart; Metaspace's prefix is fine, because every later chunk begins
//    with white space.
// Threads: add() and finish() from one thread; the work inside is shared among the pool's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/threads.h"

namespace sextant::train {

struct WordCount {
  std::string word;
  uint64_t count = 0;
  bool operator==(const WordCount&) const = default;
};

// Counts of byte strings in one arena: a third of the memory of a map of std::string.
class CountTable {
 public:
  void add(std::string_view key, uint64_t count);
  void add_all(const CountTable& other);
  // Keeps the memory for the next keys.
  void clear();
  // Keeps the SIZE most frequent keys (of equals, those first in order of bytes); returns the highest count that went.
  uint64_t keep_most_frequent(size_t size);
  size_t size() const { return entries_.size(); }
  std::string_view key(size_t index) const {
    return std::string_view(bytes_).substr(entries_[index].offset, entries_[index].length);
  }
  uint64_t count(size_t index) const { return entries_[index].count; }

 private:
  struct Entry {
    uint64_t hash;
    uint64_t offset;
    uint64_t count;
    uint32_t length;
  };
  void add_hashed(std::string_view key, uint64_t hash, uint64_t count);
  void rehash(size_t slot_count);

  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // index into entries_ plus 1; 0 is free
};

// Normalises and pre-tokenises TEXT (valid UTF-8), and hands over each word. Called from many threads.
using Splitter = std::function<void(std::string_view text, const std::function<void(std::string_view word)>& emit)>;

struct WordCounterOptions {
  size_t words_max = 4'000'000;       // distinct words and distinct chunks kept
  size_t word_code_points_max = 256;  // longer words are cut
  size_t chunk_bytes_max = 64;        // longer chunks are too rare to be worth remembering: they are split at once
  size_t round_bytes = size_t{16} << 20;
};

struct WordCounterReport {
  uint64_t texts = 0;
  uint64_t text_bytes = 0;
  uint64_t words = 0;            // occurrences
  uint64_t words_distinct = 0;   // left at the end
  uint64_t words_cut = 0;        // occurrences longer than word_code_points_max
  uint64_t words_pruned = 0;     // distinct words dropped to stay in memory, each time one was
  uint64_t prune_count_max = 0;  // the count that the most frequent of these had
  uint64_t texts_repaired = 0;   // texts with invalid UTF-8, which became U+FFFD
};

class WordCounter {
 public:
  WordCounter(Splitter splitter, base::ThreadPool& pool, const WordCounterOptions& options = {});

  // Keeps a copy until enough text for a round is there. Invalid UTF-8 becomes U+FFFD.
  void add(std::string_view text);

  // The words in order of their bytes. The counter is empty afterwards.
  std::vector<WordCount> finish(WordCounterReport* report = nullptr);

 private:
  struct Scratch {
    CountTable chunks;
    CountTable words;
    uint64_t words_cut = 0;
  };

  void count_round();
  void split_chunks();
  void prune_words();
  void count_text(std::string_view text, Scratch& scratch) const;
  void split(std::string_view chunk, uint64_t count, Scratch& scratch) const;

  Splitter splitter_;
  base::ThreadPool& pool_;
  WordCounterOptions options_;
  std::string round_;               // texts of the round, end to end
  std::vector<size_t> round_ends_;  // end of each text in round_
  std::vector<Scratch> scratch_;    // one a thread
  CountTable chunks_;
  CountTable words_;
  WordCounterReport report_;
};

}  // namespace sextant::train
