#include "train/tokenizer_unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "sextant/error.h"
#include "train/tokenizer_bpe.h"

namespace sextant::train {
namespace {

constexpr size_t kPieceLengthMax = 31;       // what an edge has bits for
constexpr size_t kSegmentLengthMax = 256;    // probabilities of longer ones would leave the range of long double
constexpr size_t kSegmentLengthDouble = 20;  // up to here double is wide enough
constexpr size_t kShardCount = 8;            // fixed, so that sums do not depend on the number of threads
constexpr double kExpectedMin = 0.5;         // a piece that is expected less often goes
constexpr uint32_t kNone = UINT32_MAX;

// The words as dense character ids from 1, a 0 after each segment. A segment is a word, or what is left of it between
// characters outside the alphabet.
struct Corpus {
  std::vector<char32_t> alphabet;  // character of id i + 1
  std::vector<uint32_t> symbols;
  std::vector<uint32_t> begins;  // of each segment in symbols; one more at the end
  std::vector<uint64_t> counts;  // of each segment

  size_t segment_count() const { return counts.size(); }
  size_t length(size_t segment) const { return begins[segment + 1] - begins[segment] - 1; }
};

Corpus make_corpus(std::span<const WordCount> words, std::vector<char32_t> alphabet) {
  Corpus corpus;
  corpus.alphabet = std::move(alphabet);
  std::unordered_map<char32_t, uint32_t> ids;
  for (char32_t character : corpus.alphabet) ids.emplace(character, static_cast<uint32_t>(ids.size() + 1));
  corpus.begins.push_back(0);
  auto close_segment = [&](uint64_t count) {
    if (corpus.symbols.size() == corpus.begins.back()) return;
    corpus.symbols.push_back(0);
    if (corpus.symbols.size() >= UINT32_MAX) {
      throw Error(ErrorCode::exhausted, "the words together are longer than 4 billion characters: keep fewer words");
    }
    corpus.begins.push_back(static_cast<uint32_t>(corpus.symbols.size()));
    corpus.counts.push_back(count);
  };
  for (const WordCount& word : words) {
    for (size_t position = 0; position < word.word.size();) {
      auto found = ids.find(base::decode_utf8(word.word, position));
      if (found != ids.end()) corpus.symbols.push_back(found->second);
      if (found == ids.end() || corpus.symbols.size() - corpus.begins.back() == kSegmentLengthMax) {
        close_segment(word.count);
      }
    }
    close_segment(word.count);
  }
  return corpus;
}

// Sorts suffixes by their first DEPTH_MAX symbols, a suffix ending at its segment's 0 (Bentley & Sedgewick's multikey
// quicksort). Suffixes equal that far stay in no particular order.
class SuffixSorter {
 public:
  SuffixSorter(const std::vector<uint32_t>& symbols, size_t depth_max) : symbols_(symbols), depth_max_(depth_max) {}

  void sort(std::vector<uint32_t>& suffixes) const {
    struct Range {
      size_t begin, end;
      uint32_t depth;
    };
    std::vector<Range> open = {{0, suffixes.size(), 0}};
    while (!open.empty()) {
      auto [begin, end, depth] = open.back();
      open.pop_back();
      if (end - begin < 2 || depth == depth_max_) continue;
      if (end - begin <= 16) {
        insertion_sort(suffixes, begin, end, depth);
        continue;
      }
      uint32_t pivot = choose_pivot(suffixes, begin, end, depth);
      size_t less = begin, i = begin, greater = end;
      while (i < greater) {
        uint32_t symbol = symbols_[suffixes[i] + depth];
        if (symbol < pivot)
          std::swap(suffixes[less++], suffixes[i++]);
        else if (symbol > pivot)
          std::swap(suffixes[i], suffixes[--greater]);
        else
          ++i;
      }
      open.push_back({begin, less, depth});
      open.push_back({greater, end, depth});
      if (pivot != 0) open.push_back({less, greater, depth + 1});
    }
  }

  // Symbols that two suffixes have in common at their start, at most DEPTH_MAX.
  size_t common(uint32_t a, uint32_t b) const {
    size_t length = 0;
    while (length < depth_max_ && symbols_[a + length] == symbols_[b + length] && symbols_[a + length] != 0) ++length;
    return length;
  }

 private:
  bool less(uint32_t a, uint32_t b, size_t depth) const {
    for (; depth < depth_max_; ++depth) {
      if (symbols_[a + depth] != symbols_[b + depth]) return symbols_[a + depth] < symbols_[b + depth];
      if (symbols_[a + depth] == 0) return false;
    }
    return false;
  }

  void insertion_sort(std::vector<uint32_t>& suffixes, size_t begin, size_t end, size_t depth) const {
    for (size_t i = begin + 1; i < end; ++i) {
      uint32_t suffix = suffixes[i];
      size_t j = i;
      for (; j > begin && less(suffix, suffixes[j - 1], depth); --j) suffixes[j] = suffixes[j - 1];
      suffixes[j] = suffix;
    }
  }

  uint32_t choose_pivot(const std::vector<uint32_t>& suffixes, size_t begin, size_t end, uint32_t depth) const {
    std::array<uint32_t, 9> sample;
    size_t step = (end - begin - 1) / (sample.size() - 1);
    for (size_t i = 0; i < sample.size(); ++i) sample[i] = symbols_[suffixes[begin + i * step] + depth];
    std::nth_element(sample.begin(), sample.begin() + sample.size() / 2, sample.end());
    return sample[sample.size() / 2];
  }

  const std::vector<uint32_t>& symbols_;
  size_t depth_max_;
};

// A substring of the corpus that occurs at BEGIN and elsewhere.
struct Seed {
  uint32_t begin;
  uint32_t length;
  uint64_t score;  // count x length: the characters it covers
};

// Every substring of two or more characters that is followed by different characters at its different places, and every
// whole segment; the best COUNT_MAX of them, best first.
std::vector<Seed> find_seeds(const Corpus& corpus, const UnigramTrainOptions& options, size_t count_max) {
  std::vector<uint32_t> suffixes;
  std::vector<uint32_t> segment_of(corpus.symbols.size());
  suffixes.reserve(corpus.symbols.size() - corpus.segment_count());
  for (size_t segment = 0; segment < corpus.segment_count(); ++segment) {
    for (uint32_t i = corpus.begins[segment]; i + 1 < corpus.begins[segment + 1]; ++i) {
      suffixes.push_back(i);
      segment_of[i] = static_cast<uint32_t>(segment);
    }
  }
  SuffixSorter sorter(corpus.symbols, options.piece_code_points_max);
  sorter.sort(suffixes);

  std::vector<uint64_t> count_before(suffixes.size() + 1, 0);  // occurrences of all suffixes before this one
  for (size_t i = 0; i < suffixes.size(); ++i) {
    count_before[i + 1] = count_before[i] + corpus.counts[segment_of[suffixes[i]]];
  }
  uint64_t frequency_min = std::max<uint64_t>(options.min_frequency, 1);
  std::vector<Seed> seeds;
  auto add = [&](size_t length, size_t first, size_t last) {
    uint64_t count = count_before[last] - count_before[first];
    if (length < 2 || count < frequency_min) return;
    // Which of the equal places stands for all must not depend on how the sort left them.
    uint32_t begin = *std::min_element(suffixes.begin() + static_cast<ptrdiff_t>(first),
                                       suffixes.begin() + static_cast<ptrdiff_t>(last));
    seeds.push_back({begin, static_cast<uint32_t>(length), count * length});
  };
  // Inner nodes of the suffix tree, by a stack of the common lengths that are still open.
  std::vector<std::pair<size_t, size_t>> open = {{0, 0}};  // length, first suffix
  size_t common_before = 0;
  for (size_t i = 1; i <= suffixes.size(); ++i) {
    size_t common = i < suffixes.size() ? sorter.common(suffixes[i - 1], suffixes[i]) : 0;
    uint32_t place = suffixes[i - 1];
    size_t segment = segment_of[place];
    size_t length = corpus.length(segment);
    if (place == corpus.begins[segment] && length <= options.piece_code_points_max && common < length &&
        common_before < length) {
      add(length, i - 1, i);
    }
    size_t first = i - 1;
    while (open.back().first > common) {
      first = open.back().second;
      add(open.back().first, first, i);
      open.pop_back();
    }
    if (open.back().first < common) open.emplace_back(common, first);
    common_before = common;
  }
  auto better = [](const Seed& a, const Seed& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.begin != b.begin ? a.begin < b.begin : a.length < b.length;
  };
  if (seeds.size() > count_max) {
    std::nth_element(seeds.begin(), seeds.begin() + static_cast<ptrdiff_t>(count_max), seeds.end(), better);
    seeds.resize(count_max);
  }
  std::sort(seeds.begin(), seeds.end(), better);
  return seeds;
}

// Finds every piece that fits at a place. Children are in one hash table of (node, symbol).
class PieceTrie {
 public:
  explicit PieceTrie(size_t symbol_count_max) {
    size_t slot_count = 1024;
    while (slot_count < symbol_count_max * 2) slot_count *= 2;
    keys_.assign(slot_count, 0);
    children_.assign(slot_count, 0);
    pieces_.push_back(kNone);
  }

  void add(const uint32_t* symbols, size_t length, uint32_t piece) {
    uint32_t node = 0;
    for (size_t i = 0; i < length; ++i) {
      size_t slot = find(node, symbols[i]);
      if (keys_[slot] == 0) {
        keys_[slot] = key(node, symbols[i]);
        children_[slot] = static_cast<uint32_t>(pieces_.size());
        pieces_.push_back(kNone);
      }
      node = children_[slot];
    }
    pieces_[node] = piece;
  }

  // Calls visit(piece, length) for each piece at the start of SYMBOLS, shortest first.
  template <class Visit>
  void match(const uint32_t* symbols, size_t length, Visit visit) const {
    uint32_t node = 0;
    for (size_t i = 0; i < length; ++i) {
      size_t slot = find(node, symbols[i]);
      if (keys_[slot] == 0) return;
      node = children_[slot];
      if (pieces_[node] != kNone) visit(pieces_[node], i + 1);
    }
  }

 private:
  // Symbols are never 0, so neither is a key.
  static uint64_t key(uint32_t node, uint32_t symbol) { return (uint64_t{node} << 32) | symbol; }

  size_t find(uint32_t node, uint32_t symbol) const {
    uint64_t wanted = key(node, symbol);
    uint64_t hash = wanted * 0x9e3779b97f4a7c15ull;
    size_t mask = keys_.size() - 1;
    size_t slot = (hash ^ (hash >> 31)) & mask;
    while (keys_[slot] != 0 && keys_[slot] != wanted) slot = (slot + 1) & mask;
    return slot;
  }

  std::vector<uint64_t> keys_;
  std::vector<uint32_t> children_;
  std::vector<uint32_t> pieces_;  // by node
};

// For each of many strings: which pieces fit at which place. Kept instead of a trie because every pass reads it from
// front to back, and because it shrinks as pieces go.
class Lattices {
 public:
  static constexpr uint32_t kIdBits = 26;

  struct Edge {
    uint32_t packed;  // piece: 26 bits, length: 5 bits, last edge of its place: 1 bit
    uint32_t piece() const { return packed & ((1u << kIdBits) - 1); }
    uint32_t length() const { return (packed >> kIdBits) & 31; }
    bool last() const { return (packed >> 31) != 0; }
  };

  Lattices() : begins_{0} {}

  void add(const uint32_t* symbols, size_t length, const PieceTrie& trie) {
    for (size_t i = 0; i < length; ++i) {
      // Every single character is a piece, so there is always an edge.
      trie.match(symbols + i, length - i, [&](uint32_t piece, size_t piece_length) {
        edges_.push_back({piece | (static_cast<uint32_t>(piece_length) << kIdBits)});
      });
      edges_.back().packed |= 1u << 31;
    }
    begins_.push_back(edges_.size());
  }

  size_t size() const { return begins_.size() - 1; }
  const Edge* begin(size_t index) const { return edges_.data() + begins_[index]; }
  const Edge* end(size_t index) const { return edges_.data() + begins_[index + 1]; }

  // Drops the edges of pieces whose new id is kNone and renames the others. Strings that keep() refuses go whole.
  template <class Keep>
  void rename(const std::vector<uint32_t>& new_ids, Keep keep) {
    size_t written = 0;
    size_t kept = 0;
    size_t read = 0;
    for (size_t index = 0; index + 1 < begins_.size(); ++index) {
      size_t end = begins_[index + 1];
      if (!keep(index)) {
        read = end;
        continue;
      }
      for (; read < end; ++read) {
        Edge edge = edges_[read];
        uint32_t id = new_ids[edge.piece()];
        if (id != kNone) edges_[written++] = {id | (edge.length() << kIdBits)};
        if (edge.last()) edges_[written - 1].packed |= 1u << 31;
      }
      begins_[++kept] = written;
    }
    begins_.resize(kept + 1);
    edges_.resize(written);
  }

  // Bounds of SHARD of kShardCount: runs of strings with about equally many edges.
  std::pair<size_t, size_t> shard(size_t shard) const {
    auto bound = [&](size_t part) {
      size_t edge = edges_.size() * part / kShardCount;
      return static_cast<size_t>(std::lower_bound(begins_.begin(), begins_.end() - 1, edge) - begins_.begin());
    };
    return {shard == 0 ? 0 : bound(shard), shard + 1 == kShardCount ? size() : bound(shard + 1)};
  }

 private:
  std::vector<Edge> edges_;
  std::vector<size_t> begins_;
};

class UnigramTrainer {
 public:
  UnigramTrainer(std::span<const WordCount> words, const UnigramTrainOptions& options, base::ThreadPool& pool,
                 base::Progress* progress)
      : words_(words), options_(options), pool_(pool), progress_(progress) {}

  UnigramVocabulary train() {
    check_options();
    std::vector<char32_t> alphabet =
        choose_alphabet(words_, options_.alphabet_max, options_.vocabulary_size, &vocabulary_.characters_dropped);
    vocabulary_.alphabet_size = alphabet.size();
    if (options_.special_tokens.size() + alphabet.size() > options_.vocabulary_size) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("vocabulary size {} is too small: {} special tokens and {} characters need {} entries "
                              "(raise the size, or limit the alphabet)",
                              options_.vocabulary_size, options_.special_tokens.size(), alphabet.size(),
                              options_.special_tokens.size() + alphabet.size()));
    }
    corpus_ = make_corpus(words_, std::move(alphabet));
    make_pieces();
    size_t wanted = options_.vocabulary_size - options_.special_tokens.size();
    // A tenth more than wanted, of which the least probable go at the end: the last fit may still empty some.
    size_t pruned = std::max(wanted * 11 / 10, corpus_.alphabet.size());
    size_t round_count = 1;
    for (size_t size = scores_.size(); size > pruned; ++round_count) size = next_size(size, pruned);
    if (progress_ != nullptr) progress_->begin("fitting pieces", "rounds", round_count);
    for (size_t round = 1;; ++round) {
      for (size_t step = 0; step < options_.steps_per_round; ++step) fit();
      if (progress_ != nullptr) {
        progress_->remark(fmt::format("{} pieces, log-likelihood {:.4f} a word", scores_.size(),
                                      vocabulary_.log_likelihood_per_word));
        progress_->report(std::min(round, round_count));
      }
      if (scores_.size() <= pruned) break;
      prune(next_size(scores_.size(), pruned));
    }
    if (progress_ != nullptr) progress_->end();
    finish(wanted);
    return std::move(vocabulary_);
  }

 private:
  void check_options() const {
    if (options_.piece_code_points_max < 1 || options_.piece_code_points_max > kPieceLengthMax) {
      throw Error(ErrorCode::invalid_argument, fmt::format("the longest piece may have 1 to {} characters, not {}",
                                                           kPieceLengthMax, options_.piece_code_points_max));
    }
    if (!(options_.keep_share > 0 && options_.keep_share < 1)) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("the share of pieces to keep a round is between 0 and 1, not {}", options_.keep_share));
    }
  }

  size_t next_size(size_t size, size_t pruned) const {
    return std::max(pruned, static_cast<size_t>(static_cast<double>(size) * options_.keep_share));
  }

  bool is_character(size_t piece) const { return piece < corpus_.alphabet.size(); }

  // Pieces 0 to A - 1 are the characters and stay so; the seeds follow.
  void make_pieces() {
    size_t character_count = corpus_.alphabet.size();
    size_t seed_count_max = std::min(options_.seed_count_max, (size_t{1} << Lattices::kIdBits) - 1 - character_count);
    std::vector<Seed> seeds = find_seeds(corpus_, options_, seed_count_max);
    std::vector<double> weights(character_count, 0);
    texts_.resize(character_count, {0, 1});
    for (size_t segment = 0; segment < corpus_.segment_count(); ++segment) {
      for (uint32_t i = corpus_.begins[segment]; i + 1 < corpus_.begins[segment + 1]; ++i) {
        uint32_t piece = corpus_.symbols[i] - 1;
        weights[piece] += static_cast<double>(corpus_.counts[segment]);
        texts_[piece].first = i;
      }
    }
    size_t symbol_count = character_count;
    for (const Seed& seed : seeds) {
      texts_.emplace_back(seed.begin, seed.length);
      weights.push_back(static_cast<double>(seed.score));
      symbol_count += seed.length;
    }
    double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (double weight : weights) scores_.push_back(std::log(std::max(weight, kExpectedMin)) - std::log(total));

    PieceTrie trie(symbol_count);
    for (size_t piece = 0; piece < texts_.size(); ++piece) {
      trie.add(corpus_.symbols.data() + texts_[piece].first, texts_[piece].second, static_cast<uint32_t>(piece));
    }
    for (size_t segment = 0; segment < corpus_.segment_count(); ++segment) {
      segments_.add(corpus_.symbols.data() + corpus_.begins[segment], corpus_.length(segment), trie);
    }
    for (const auto& [begin, length] : texts_) pieces_.add(corpus_.symbols.data() + begin, length, trie);
  }

  // One step of expectation-maximisation. Pieces that are hardly ever expected go, unless KEEP_ALL.
  void fit(bool keep_all = false) {
    std::vector<double> expected = expect();
    std::vector<uint32_t> new_ids(scores_.size(), kNone);
    std::vector<double> kept;
    double sum = 0;
    for (size_t piece = 0; piece < scores_.size(); ++piece) {
      if (expected[piece] < kExpectedMin && !keep_all && !is_character(piece)) continue;
      new_ids[piece] = static_cast<uint32_t>(kept.size());
      kept.push_back(std::max(expected[piece], kExpectedMin));
      sum += kept.back();
    }
    keep_pieces(new_ids, kept.size());
    // The digamma instead of the logarithm is the variational Bayesian step: it makes rare pieces rarer still.
    double log_sum = digamma(sum);
    for (size_t piece = 0; piece < kept.size(); ++piece) scores_[piece] = digamma(kept[piece]) - log_sum;
  }

  // How often each piece is expected, over all segmentations of all words; also notes the likelihood.
  std::vector<double> expect() {
    std::vector<double> probabilities(scores_.size());
    for (size_t piece = 0; piece < scores_.size(); ++piece) probabilities[piece] = std::exp(scores_[piece]);
    std::array<std::vector<double>, kShardCount> sums;
    std::array<double, kShardCount> likelihoods{};
    pool_.parallel_for(kShardCount, [&](size_t shard, size_t) {
      sums[shard].assign(scores_.size(), 0);
      auto [first, last] = segments_.shard(shard);
      for (size_t segment = first; segment < last; ++segment) {
        likelihoods[shard] += static_cast<double>(corpus_.counts[segment]) *
                              (corpus_.length(segment) <= kSegmentLengthDouble
                                   ? expect_in<double>(segment, probabilities, sums[shard])
                                   : expect_in<long double>(segment, probabilities, sums[shard]));
      }
    });
    double likelihood = 0;
    for (size_t shard = 0; shard < kShardCount; ++shard) {
      likelihood += likelihoods[shard];
      if (shard == 0) continue;
      for (size_t piece = 0; piece < scores_.size(); ++piece) sums[0][piece] += sums[shard][piece];
    }
    uint64_t count = 0;
    for (const WordCount& word : words_) count += word.count;
    vocabulary_.log_likelihood_per_word = count == 0 ? 0 : likelihood / static_cast<double>(count);
    return std::move(sums[0]);
  }

  // Forward-backward over one segment. Returns the logarithm of its probability.
  template <class Real>
  double expect_in(size_t segment, const std::vector<double>& probabilities, std::vector<double>& sums) const {
    size_t length = corpus_.length(segment);
    std::array<Real, kSegmentLengthMax + 1> before{};  // sum over the ways to get to a place
    std::array<Real, kSegmentLengthMax + 1> after{};   // sum over the ways from a place to the end
    before[0] = 1;
    size_t place = 0;
    for (const auto* edge = segments_.begin(segment); edge != segments_.end(segment); ++edge) {
      before[place + edge->length()] += before[place] * probabilities[edge->piece()];
      place += edge->last();
    }
    if (!(before[length] > 0))
      throw Error(ErrorCode::internal, "a word's probability left the range of floating point");
    after[length] = 1;
    Real count_by_total = static_cast<Real>(corpus_.counts[segment]) / before[length];
    place = length;
    for (const auto* edge = segments_.end(segment); edge-- != segments_.begin(segment);) {
      place -= edge->last();
      Real onward = probabilities[edge->piece()] * after[place + edge->length()];
      after[place] += onward;
      sums[edge->piece()] += static_cast<double>(before[place] * onward * count_by_total);
    }
    return static_cast<double>(std::log(before[length]));
  }

  // The most probable way through a lattice without EXCLUDED, as pieces from last to first.
  void best_way(const Lattices& lattices, size_t index, size_t length, uint32_t excluded,
                std::vector<uint32_t>& way) const {
    std::array<double, kSegmentLengthMax + 1> best;
    std::array<Lattices::Edge, kSegmentLengthMax + 1> arrived{};
    std::fill(best.begin(), best.begin() + static_cast<ptrdiff_t>(length) + 1,
              -std::numeric_limits<double>::infinity());
    best[0] = 0;
    size_t place = 0;
    for (const auto* edge = lattices.begin(index); edge != lattices.end(index); ++edge) {
      double score = best[place] + scores_[edge->piece()];
      if (score > best[place + edge->length()] && edge->piece() != excluded) {
        best[place + edge->length()] = score;
        arrived[place + edge->length()] = *edge;
      }
      place += edge->last();
    }
    way.clear();
    for (place = length; place > 0; place -= arrived[place].length()) way.push_back(arrived[place].piece());
  }

  // Keeps the SIZE pieces whose loss would cost most likelihood, characters in any case. The cost of losing a piece is
  // estimated as if every use of it became the best segmentation of its text without it.
  void prune(size_t size) {
    std::array<std::vector<double>, kShardCount> sums;
    pool_.parallel_for(kShardCount, [&](size_t shard, size_t) {
      sums[shard].assign(scores_.size(), 0);
      std::vector<uint32_t> way;
      auto [first, last] = segments_.shard(shard);
      for (size_t segment = first; segment < last; ++segment) {
        best_way(segments_, segment, corpus_.length(segment), kNone, way);
        for (uint32_t piece : way) sums[shard][piece] += static_cast<double>(corpus_.counts[segment]);
      }
    });
    std::vector<double>& uses = sums[0];
    for (size_t shard = 1; shard < kShardCount; ++shard) {
      for (size_t piece = 0; piece < uses.size(); ++piece) uses[piece] += sums[shard][piece];
    }
    double total = std::accumulate(uses.begin(), uses.end(), 0.0);
    double log_total = std::log(total);

    std::vector<double> losses(scores_.size(), 0);
    constexpr size_t kItemPieces = 4096;
    pool_.parallel_for((scores_.size() + kItemPieces - 1) / kItemPieces, [&](size_t item, size_t) {
      std::vector<uint32_t> way;
      size_t last = std::min(scores_.size(), (item + 1) * kItemPieces);
      for (size_t piece = item * kItemPieces; piece < last; ++piece) {
        if (is_character(piece)) {
          losses[piece] = std::numeric_limits<double>::infinity();
        } else if (uses[piece] > 0) {
          best_way(pieces_, piece, texts_[piece].second, static_cast<uint32_t>(piece), way);
          double log_total_without = std::log(total + uses[piece] * static_cast<double>(way.size() - 1));
          double log_alternative = 0;
          for (uint32_t other : way) log_alternative += std::log(uses[other] + uses[piece]) - log_total_without;
          losses[piece] = uses[piece] * (std::log(uses[piece]) - log_total - log_alternative);
        }
      }
    });
    std::vector<uint32_t> order(scores_.size());
    std::iota(order.begin(), order.end(), 0);
    std::nth_element(order.begin(), order.begin() + static_cast<ptrdiff_t>(size), order.end(),
                     [&](uint32_t a, uint32_t b) { return losses[a] != losses[b] ? losses[a] > losses[b] : a < b; });
    keep_only({order.begin(), order.begin() + static_cast<ptrdiff_t>(size)});
  }

  // Keeps these pieces, in the order they have.
  void keep_only(std::vector<uint32_t> kept) {
    std::sort(kept.begin(), kept.end());
    std::vector<uint32_t> new_ids(scores_.size(), kNone);
    for (size_t i = 0; i < kept.size(); ++i) new_ids[kept[i]] = static_cast<uint32_t>(i);
    keep_pieces(new_ids, kept.size());
  }

  void keep_pieces(const std::vector<uint32_t>& new_ids, size_t count) {
    if (count == scores_.size()) return;
    segments_.rename(new_ids, [](size_t) { return true; });
    pieces_.rename(new_ids, [&](size_t piece) { return new_ids[piece] != kNone; });
    for (size_t piece = 0; piece < new_ids.size(); ++piece) {
      if (new_ids[piece] == kNone) continue;
      scores_[new_ids[piece]] = scores_[piece];
      texts_[new_ids[piece]] = texts_[piece];
    }
    scores_.resize(count);
    texts_.resize(count);
  }

  std::string text(size_t piece) const {
    std::string result;
    if (is_character(piece)) {
      base::append_utf8(result, corpus_.alphabet[piece]);
      return result;
    }
    for (uint32_t i = 0; i < texts_[piece].second; ++i) {
      base::append_utf8(result, corpus_.alphabet[corpus_.symbols[texts_[piece].first + i] - 1]);
    }
    return result;
  }

  // The characters and the most probable of the others, fitted once more, with the special tokens in front.
  void finish(size_t wanted) {
    std::set<std::string, std::less<>> special(options_.special_tokens.begin(), options_.special_tokens.end());
    std::vector<uint32_t> order;
    for (uint32_t piece = 0; piece < scores_.size(); ++piece) {
      if (is_character(piece) || !special.contains(text(piece))) order.push_back(piece);
    }
    std::stable_sort(order.begin() + static_cast<ptrdiff_t>(corpus_.alphabet.size()), order.end(),
                     [&](uint32_t a, uint32_t b) { return scores_[a] > scores_[b]; });
    order.resize(std::min(order.size(), wanted));
    keep_only(order);
    if (!corpus_.counts.empty()) fit(true);

    for (const std::string& token : options_.special_tokens) vocabulary_.pieces.push_back({token, 0});
    std::vector<UnigramPiece> pieces;
    for (size_t piece = 0; piece < scores_.size(); ++piece) {
      std::string piece_text = text(piece);
      if (!special.contains(piece_text)) pieces.push_back({std::move(piece_text), scores_[piece]});
    }
    std::sort(pieces.begin(), pieces.end(), [](const UnigramPiece& a, const UnigramPiece& b) {
      return a.score != b.score ? a.score > b.score : a.text < b.text;
    });
    std::move(pieces.begin(), pieces.end(), std::back_inserter(vocabulary_.pieces));
  }

  std::span<const WordCount> words_;
  const UnigramTrainOptions& options_;
  base::ThreadPool& pool_;
  base::Progress* progress_;
  UnigramVocabulary vocabulary_;

  Corpus corpus_;
  std::vector<std::pair<uint32_t, uint32_t>> texts_;  // of each piece: begin in the corpus's symbols, length
  std::vector<double> scores_;                        // of each piece: logarithm of its probability
  Lattices segments_;                                 // one a segment
  Lattices pieces_;                                   // one a piece
};

}  // namespace

double digamma(double x) {
  // digamma(x) = digamma(x + 1) - 1/x brings x where the asymptotic series is exact to double precision.
  double result = 0;
  for (; x < 10; x += 1) result -= 1 / x;
  double inverse = 1 / x;
  double square = inverse * inverse;
  double series =
      square *
      (1.0 / 12 -
       square * (1.0 / 120 -
                 square * (1.0 / 252 -
                           square * (1.0 / 240 - square * (1.0 / 132 - square * (691.0 / 32760 - square / 12))))));
  return result + std::log(x) - inverse / 2 - series;
}

UnigramVocabulary train_unigram(std::span<const WordCount> words, const UnigramTrainOptions& options,
                                base::ThreadPool& pool, base::Progress* progress) {
  return UnigramTrainer(words, options, pool, progress).train();
}

}  // namespace sextant::train
