#include "train/tokenizer_words.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/hash.h"
#include "base/utf8.h"

namespace sextant::train {
namespace {

bool is_space(unsigned char byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

// Whether the character that ends before END is one that stays visible whatever the normalizer: white space after it
// then begins a chunk of its own. Unsure cases (controls, exotic spaces and marks) say no, which only makes a chunk
// longer.
bool ends_visibly(std::string_view text, size_t end) {
  auto byte = [&](size_t back) { return back <= end ? static_cast<unsigned char>(text[end - back]) : 0; };
  unsigned char last = byte(1);
  if (last < 0x80) return last > 0x20 && last < 0x7F;
  if (byte(2) == 0xC2) return false;
  switch (byte(3)) {
    case 0xE1:
      return byte(2) != 0x9A && byte(2) != 0xA0;
    case 0xE2:
      if (byte(2) == 0x80) return (last > 0x8F && last < 0xA8) || last > 0xAF;
      return byte(2) != 0x81 && byte(2) != 0x96;
    case 0xE3:
      return byte(2) != 0x80;
    case 0xEF:
      return byte(2) != 0xBB && byte(2) != 0xBF;
    default:
      return true;
  }
}

}  // namespace

void CountTable::add(std::string_view key, uint64_t count) { add_hashed(key, base::hash64(key), count); }

void CountTable::add_all(const CountTable& other) {
  for (const Entry& entry : other.entries_) {
    add_hashed(std::string_view(other.bytes_).substr(entry.offset, entry.length), entry.hash, entry.count);
  }
}

void CountTable::add_hashed(std::string_view key, uint64_t hash, uint64_t count) {
  if ((entries_.size() + 1) * 2 > slots_.size()) rehash(std::max<size_t>(1024, slots_.size() * 2));
  size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  while (slots_[slot] != 0) {
    Entry& entry = entries_[slots_[slot] - 1];
    if (entry.hash == hash && entry.length == key.size() &&
        std::string_view(bytes_).substr(entry.offset, entry.length) == key) {
      entry.count += count;
      return;
    }
    slot = (slot + 1) & mask;
  }
  entries_.push_back({hash, bytes_.size(), count, static_cast<uint32_t>(key.size())});
  bytes_.append(key);
  slots_[slot] = static_cast<uint32_t>(entries_.size());
}

void CountTable::rehash(size_t slot_count) {
  slots_.assign(slot_count, 0);
  size_t mask = slot_count - 1;
  for (size_t i = 0; i < entries_.size(); ++i) {
    size_t slot = entries_[i].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

void CountTable::clear() {
  bytes_.clear();
  entries_.clear();
  std::fill(slots_.begin(), slots_.end(), 0);
}

uint64_t CountTable::keep_most_frequent(size_t size) {
  if (size >= entries_.size()) return 0;
  std::vector<uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0);
  std::nth_element(order.begin(), order.begin() + static_cast<ptrdiff_t>(size), order.end(),
                   [&](uint32_t a, uint32_t b) {
                     if (entries_[a].count != entries_[b].count) return entries_[a].count > entries_[b].count;
                     return key(a) < key(b);
                   });
  CountTable kept;
  for (size_t i = 0; i < size; ++i) {
    const Entry& entry = entries_[order[i]];
    kept.add_hashed(key(order[i]), entry.hash, entry.count);
  }
  uint64_t dropped_count_max = entries_[order[size]].count;
  *this = std::move(kept);
  return dropped_count_max;
}

WordCounter::WordCounter(Splitter splitter, base::ThreadPool& pool, const WordCounterOptions& options)
    : splitter_(std::move(splitter)), pool_(pool), options_(options), scratch_(pool.thread_count()) {}

void WordCounter::add(std::string_view text) {
  ++report_.texts;
  report_.text_bytes += text.size();
  if (base::is_valid_utf8(text)) {
    round_.append(text);
  } else {
    ++report_.texts_repaired;
    round_.append(base::repair_utf8(text));
  }
  round_ends_.push_back(round_.size());
  if (round_.size() >= options_.round_bytes) count_round();
}

std::vector<WordCount> WordCounter::finish(WordCounterReport* report) {
  count_round();
  split_chunks();
  std::vector<WordCount> result;
  result.reserve(words_.size());
  for (size_t i = 0; i < words_.size(); ++i) result.push_back({std::string(words_.key(i)), words_.count(i)});
  std::sort(result.begin(), result.end(), [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
  report_.words_distinct = result.size();
  for (const WordCount& word : result) report_.words += word.count;
  if (report != nullptr) *report = report_;
  words_ = {};
  report_ = {};
  return result;
}

void WordCounter::count_round() {
  // Items are runs of whole texts of about kItemBytes.
  constexpr size_t kItemBytes = size_t{1} << 18;
  std::vector<std::pair<size_t, size_t>> items;  // [first, last) text of the round
  for (size_t first = 0; first < round_ends_.size();) {
    size_t begin = first == 0 ? 0 : round_ends_[first - 1];
    size_t last = first;
    while (last < round_ends_.size() && (last == first || round_ends_[last] - begin <= kItemBytes)) ++last;
    items.emplace_back(first, last);
    first = last;
  }
  pool_.parallel_for(items.size(), [&](size_t item, size_t thread) {
    for (size_t text = items[item].first; text < items[item].second; ++text) {
      size_t begin = text == 0 ? 0 : round_ends_[text - 1];
      count_text(std::string_view(round_).substr(begin, round_ends_[text] - begin), scratch_[thread]);
    }
  });
  round_.clear();
  round_ends_.clear();
  for (Scratch& scratch : scratch_) {
    chunks_.add_all(scratch.chunks);
    words_.add_all(scratch.words);
    scratch.chunks.clear();
    scratch.words.clear();
    report_.words_cut += std::exchange(scratch.words_cut, 0);
  }
  if (chunks_.size() > options_.words_max) split_chunks();
  prune_words();
}

void WordCounter::split_chunks() {
  constexpr size_t kItemChunks = 4096;
  pool_.parallel_for((chunks_.size() + kItemChunks - 1) / kItemChunks, [&](size_t item, size_t thread) {
    size_t end = std::min(chunks_.size(), (item + 1) * kItemChunks);
    for (size_t i = item * kItemChunks; i < end; ++i) split(chunks_.key(i), chunks_.count(i), scratch_[thread]);
  });
  chunks_ = {};
  for (Scratch& scratch : scratch_) {
    words_.add_all(scratch.words);
    scratch.words.clear();
    report_.words_cut += std::exchange(scratch.words_cut, 0);
  }
  prune_words();
}

void WordCounter::prune_words() {
  if (words_.size() <= options_.words_max) return;
  size_t before = words_.size();
  uint64_t count = words_.keep_most_frequent(options_.words_max / 2);
  report_.words_pruned += before - words_.size();
  report_.prune_count_max = std::max(report_.prune_count_max, count);
}

void WordCounter::count_text(std::string_view text, Scratch& scratch) const {
  size_t begin = 0;
  size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && is_space(static_cast<unsigned char>(text[i]))) ++i;
    while (i < text.size() && !(is_space(static_cast<unsigned char>(text[i])) && ends_visibly(text, i))) ++i;
    std::string_view chunk = text.substr(begin, i - begin);
    if (chunk.size() <= options_.chunk_bytes_max) {
      scratch.chunks.add(chunk, 1);
    } else {
      split(chunk, 1, scratch);
    }
    begin = i;
  }
}

void WordCounter::split(std::string_view chunk, uint64_t count, Scratch& scratch) const {
  splitter_(chunk, [&](std::string_view word) {
    if (word.empty()) return;
    // A word of N bytes has at most N code points; few words need the exact number.
    if (word.size() <= options_.word_code_points_max) {
      scratch.words.add(word, count);
      return;
    }
    size_t begin = 0;
    size_t position = 0;
    size_t code_points = 0;
    while (position < word.size()) {
      base::decode_utf8(word, position);
      if (++code_points == options_.word_code_points_max && position < word.size()) {
        scratch.words.add(word.substr(begin, position - begin), count);
        begin = position;
        code_points = 0;
      }
    }
    scratch.words.add(word.substr(begin), count);
    if (begin != 0) scratch.words_cut += count;
  });
}

}  // namespace sextant::train
