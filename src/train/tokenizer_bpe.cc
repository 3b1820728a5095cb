#include "train/tokenizer_bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::train {
namespace {

uint64_t pair_key(uint32_t left, uint32_t right) { return (uint64_t{left} << 32) | right; }

struct Pair {
  uint64_t key = 0;
  int64_t count = 0;
  std::vector<uint32_t> words;  // words that held the pair when they were last seen; some no longer do
};

// Pairs by key, never removed; an index stays valid.
class PairTable {
 public:
  PairTable() { rehash(1 << 16); }

  uint32_t find_or_add(uint64_t key) {
    if ((pairs_.size() + 1) * 2 > slots_.size()) rehash(slots_.size() * 2);
    size_t slot = hash(key) & mask_;
    while (slots_[slot] != 0) {
      if (pairs_[slots_[slot] - 1].key == key) return slots_[slot] - 1;
      slot = (slot + 1) & mask_;
    }
    pairs_.push_back({key, 0, {}});
    slots_[slot] = static_cast<uint32_t>(pairs_.size());
    return static_cast<uint32_t>(pairs_.size() - 1);
  }

  Pair& operator[](uint32_t index) { return pairs_[index]; }
  size_t size() const { return pairs_.size(); }

 private:
  static uint64_t hash(uint64_t key) {
    key *= 0x9e3779b97f4a7c15ull;
    return key ^ (key >> 29);
  }

  void rehash(size_t slot_count) {
    slots_.assign(slot_count, 0);
    mask_ = slot_count - 1;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      size_t slot = hash(pairs_[i].key) & mask_;
      while (slots_[slot] != 0) slot = (slot + 1) & mask_;
      slots_[slot] = static_cast<uint32_t>(i + 1);
    }
  }

  std::vector<Pair> pairs_;
  std::vector<uint32_t> slots_;
  size_t mask_ = 0;
};

struct Candidate {
  int64_t count;
  uint64_t key;
  uint32_t pair;
  // The heap's top is the greatest: highest count, then smallest ids.
  bool operator<(const Candidate& other) const { return count != other.count ? count < other.count : key > other.key; }
};

class BpeTrainer {
 public:
  BpeTrainer(std::span<const WordCount> words, const BpeTrainOptions& options, base::Progress* progress)
      : words_(words), options_(options), progress_(progress) {}

  BpeVocabulary train() {
    for (const std::string& token : options_.special_tokens) add_token(token);
    std::unordered_map<char32_t, std::pair<uint32_t, uint32_t>> symbols = add_alphabet();
    split_words(symbols);
    count_pairs();
    merge_pairs();
    return std::move(vocabulary_);
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t add_token(const std::string& token) {
    auto [found, added] = ids_.try_emplace(token, static_cast<uint32_t>(vocabulary_.tokens.size()));
    if (added) vocabulary_.tokens.push_back(token);
    return found->second;
  }

  // Ids of each character at the start of a word and inside one; kNone where it does not occur so.
  std::unordered_map<char32_t, std::pair<uint32_t, uint32_t>> add_alphabet() {
    std::vector<char32_t> alphabet = options_.alphabet;
    std::sort(alphabet.begin(), alphabet.end());
    std::vector<char32_t> frequent =
        choose_alphabet(words_, options_.alphabet_max, options_.vocabulary_size, &vocabulary_.characters_dropped);
    std::vector<char32_t> characters;
    std::set_union(alphabet.begin(), alphabet.end(), frequent.begin(), frequent.end(), std::back_inserter(characters));
    characters.erase(std::unique(characters.begin(), characters.end()), characters.end());
    vocabulary_.alphabet_size = characters.size();

    std::unordered_map<char32_t, std::pair<uint32_t, uint32_t>> symbols;
    for (char32_t character : characters) {
      std::string token;
      base::append_utf8(token, character);
      uint32_t id = add_token(token);
      symbols[character] = {id, options_.continuing_prefix.empty() ? id : kNone};
    }
    if (!options_.continuing_prefix.empty()) {
      std::vector<char32_t> inside = characters_inside(symbols);
      for (char32_t character : inside) {
        std::string token = options_.continuing_prefix;
        base::append_utf8(token, character);
        symbols[character].second = add_token(token);
      }
    }
    if (vocabulary_.tokens.size() > options_.vocabulary_size) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("vocabulary size {} is too small: {} special tokens and {} characters need {} entries "
                              "(raise the size, or limit the alphabet)",
                              options_.vocabulary_size, options_.special_tokens.size(), characters.size(),
                              vocabulary_.tokens.size()));
    }
    return symbols;
  }

  // Characters that occur after the first of a word whose characters are all in the alphabet, sorted.
  std::vector<char32_t> characters_inside(
      const std::unordered_map<char32_t, std::pair<uint32_t, uint32_t>>& symbols) const {
    std::vector<char32_t> inside;
    std::vector<char32_t> of_word;
    std::unordered_map<char32_t, bool> seen;
    for (const WordCount& word : words_) {
      of_word.clear();
      bool known = true;
      for (size_t position = 0; position < word.word.size() && known;) {
        bool first = position == 0;
        char32_t character = base::decode_utf8(word.word, position);
        known = symbols.contains(character);
        if (!first) of_word.push_back(character);
      }
      if (!known) continue;
      for (char32_t character : of_word) {
        if (seen.try_emplace(character, true).second) inside.push_back(character);
      }
    }
    std::sort(inside.begin(), inside.end());
    return inside;
  }

  void split_words(const std::unordered_map<char32_t, std::pair<uint32_t, uint32_t>>& symbols) {
    begins_.push_back(0);
    for (const WordCount& word : words_) {
      size_t begin = symbols_.size();
      for (size_t position = 0; position < word.word.size();) {
        bool first = position == 0;
        auto found = symbols.find(base::decode_utf8(word.word, position));
        if (found == symbols.end()) {
          symbols_.resize(begin);
          vocabulary_.words_dropped += word.count;
          break;
        }
        symbols_.push_back(first ? found->second.first : found->second.second);
      }
      if (symbols_.size() - begin < 2) {  // nothing to merge in it
        symbols_.resize(begin);
        continue;
      }
      begins_.push_back(symbols_.size());
      lengths_.push_back(static_cast<uint32_t>(symbols_.size() - begin));
      counts_.push_back(static_cast<int64_t>(word.count));
    }
  }

  void count_pairs() {
    for (uint32_t word = 0; word < counts_.size(); ++word) {
      const uint32_t* symbols = symbols_.data() + begins_[word];
      for (uint32_t i = 0; i + 1 < lengths_[word]; ++i) change(symbols[i], symbols[i + 1], word, counts_[word]);
    }
    for (uint32_t pair : std::exchange(grown_, {})) push(pair);
  }

  // Adds DELTA to the pair's count. A pair that grows is remembered, to be pushed when the merge is done.
  void change(uint32_t left, uint32_t right, uint32_t word, int64_t delta) {
    uint32_t index = pairs_.find_or_add(pair_key(left, right));
    Pair& pair = pairs_[index];
    pair.count += delta;
    if (delta < 0) {
      if (pair.count == 0) std::vector<uint32_t>().swap(pair.words);
      return;
    }
    if (pair.words.empty() || pair.words.back() != word) pair.words.push_back(word);
    remember_grown(index);
  }

  void remember_grown(uint32_t index) {
    if (index >= grown_mark_.size()) grown_mark_.resize(std::max<size_t>(index + 1, grown_mark_.size() * 2), 0);
    if (grown_mark_[index] == grown_round_) return;
    grown_mark_[index] = grown_round_;
    grown_.push_back(index);
  }

  void push(uint32_t index) {
    const Pair& pair = pairs_[index];
    if (pair.count > 0) heap_.push({pair.count, pair.key, index});
  }

  void merge_pairs() {
    if (progress_ != nullptr) progress_->begin("merging pairs", "tokens", options_.vocabulary_size);
    while (vocabulary_.tokens.size() < options_.vocabulary_size && !heap_.empty()) {
      Candidate top = heap_.top();
      heap_.pop();
      int64_t count = pairs_[top.pair].count;
      if (count != top.count) {
        // Grown pairs were pushed anew, so only a shrunk one needs its place corrected.
        if (count > 0 && count < top.count) heap_.push({count, top.key, top.pair});
        continue;
      }
      if (count < static_cast<int64_t>(std::max<uint64_t>(options_.min_frequency, 1))) break;
      uint32_t left = static_cast<uint32_t>(top.key >> 32);
      uint32_t right = static_cast<uint32_t>(top.key);
      uint32_t merged = add_token(joined(left, right));
      vocabulary_.merges.emplace_back(left, right);
      ++grown_round_;
      for (uint32_t word : std::exchange(pairs_[top.pair].words, {})) merge_in_word(word, left, right, merged);
      pairs_[top.pair].count = 0;
      for (uint32_t pair : std::exchange(grown_, {})) push(pair);
      if (progress_ != nullptr && vocabulary_.tokens.size() % 256 == 0) progress_->report(vocabulary_.tokens.size());
    }
    if (progress_ != nullptr) {
      progress_->report(vocabulary_.tokens.size());
      progress_->end();
    }
  }

  std::string joined(uint32_t left, uint32_t right) const {
    std::string_view second = vocabulary_.tokens[right];
    if (!options_.continuing_prefix.empty() && second.starts_with(options_.continuing_prefix)) {
      second.remove_prefix(options_.continuing_prefix.size());
    }
    return vocabulary_.tokens[left] + std::string(second);
  }

  // Replaces every "left right" from left to right, and keeps the counts of all adjacent pairs exact.
  void merge_in_word(uint32_t word, uint32_t left, uint32_t right, uint32_t merged) {
    uint32_t* symbols = symbols_.data() + begins_[word];
    uint32_t length = lengths_[word];
    int64_t count = counts_[word];
    uint32_t written = 0;
    for (uint32_t i = 0; i < length;) {
      if (i + 1 == length || symbols[i] != left || symbols[i + 1] != right) {
        symbols[written++] = symbols[i++];
        continue;
      }
      if (written > 0) {
        change(symbols[written - 1], left, word, -count);
        change(symbols[written - 1], merged, word, count);
      }
      i += 2;
      if (i < length) {
        change(right, symbols[i], word, -count);
        change(merged, symbols[i], word, count);
      }
      symbols[written++] = merged;
    }
    lengths_[word] = written;
  }

  std::span<const WordCount> words_;
  const BpeTrainOptions& options_;
  base::Progress* progress_;
  BpeVocabulary vocabulary_;
  std::unordered_map<std::string, uint32_t> ids_;

  // Words as symbols, end to end; a word shrinks in place.
  std::vector<uint32_t> symbols_;
  std::vector<size_t> begins_;
  std::vector<uint32_t> lengths_;
  std::vector<int64_t> counts_;

  PairTable pairs_;
  std::priority_queue<Candidate> heap_;
  std::vector<uint32_t> grown_;       // pairs that grew in this round
  std::vector<uint32_t> grown_mark_;  // the round in which a pair last grew
  uint32_t grown_round_ = 1;
};

}  // namespace

BpeVocabulary train_whole_words(std::span<const WordCount> words, const BpeTrainOptions& options) {
  // No pair is that frequent: what comes out are the special tokens and the alphabet.
  BpeTrainOptions characters_only = options;
  characters_only.min_frequency = INT64_MAX;
  BpeVocabulary vocabulary = train_bpe(words, characters_only);
  std::unordered_set<std::string_view> taken(vocabulary.tokens.begin(), vocabulary.tokens.end());
  std::vector<const WordCount*> order;
  for (const WordCount& word : words) {
    if (word.count >= options.min_frequency && !taken.contains(word.word)) order.push_back(&word);
  }
  std::sort(order.begin(), order.end(), [](const WordCount* a, const WordCount* b) {
    return a->count != b->count ? a->count > b->count : a->word < b->word;
  });
  // A word of which a character is no entry could be an entry itself, but its neighbours in form would all be unknown.
  auto spelled = [&](const std::string& word) {
    for (size_t position = 0; position < word.size();) {
      size_t begin = position;
      base::decode_utf8(word, position);
      if (!taken.contains(word.substr(begin, position - begin))) return false;
    }
    return true;
  };
  std::vector<std::string> chosen;
  for (const WordCount* word : order) {
    if (vocabulary.tokens.size() + chosen.size() == options.vocabulary_size) break;
    if (spelled(word->word)) chosen.push_back(word->word);
  }
  vocabulary.tokens.insert(vocabulary.tokens.end(), chosen.begin(), chosen.end());
  return vocabulary;
}

std::vector<char32_t> choose_alphabet(std::span<const WordCount> words, size_t count_max, size_t vocabulary_size,
                                      size_t* dropped) {
  std::unordered_map<char32_t, uint64_t> counts;
  uint64_t total = 0;
  for (const WordCount& word : words) {
    for (size_t position = 0; position < word.word.size();) {
      counts[base::decode_utf8(word.word, position)] += word.count;
      total += word.count;
    }
  }
  std::vector<std::pair<uint64_t, char32_t>> order;
  for (auto [character, count] : counts) order.emplace_back(count, character);
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  size_t kept = std::min(order.size(), count_max);
  if (count_max == 0) {
    constexpr size_t kAlwaysKept = 1000;
    uint64_t covered = 0;
    while (kept < order.size() && (kept < kAlwaysKept || covered < total - total / 10'000)) {
      covered += order[kept++].first;
    }
    kept = std::min(kept, std::max(kAlwaysKept, vocabulary_size / 2));
  }
  if (dropped != nullptr) *dropped = order.size() - kept;
  std::vector<char32_t> result;
  for (size_t i = 0; i < kept; ++i) result.push_back(order[i].second);
  std::sort(result.begin(), result.end());
  return result;
}

BpeVocabulary train_bpe(std::span<const WordCount> words, const BpeTrainOptions& options, base::Progress* progress) {
  return BpeTrainer(words, options, progress).train();
}

}  // namespace sextant::train
