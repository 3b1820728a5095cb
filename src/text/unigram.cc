#include "text/unigram.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "sextant/error.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

constexpr double kUnknownPenalty = 10.0;

Vocabulary vocabulary_of(const std::vector<std::pair<std::string, double>>& scored) {
  Vocabulary vocabulary;
  vocabulary.reserve(scored.size(), scored.size() * 8);
  for (size_t i = 0; i < scored.size(); ++i) vocabulary.add(scored[i].first, static_cast<TokenId>(i));
  return vocabulary;
}

// The best way to reach a byte.
struct Arrival {
  double score = 0;
  uint32_t begin = kNone;  // where its last token starts
  TokenId id = -1;
  static constexpr uint32_t kNone = static_cast<uint32_t>(-1);
};

constexpr size_t kArrivalsKept = 1 << 16;

}  // namespace

Unigram::Unigram(std::vector<std::pair<std::string, double>> scored, UnigramOptions options)
    : Model(vocabulary_of(scored)), options_(options) {
  scores_.reserve(scored.size());
  double lowest = std::numeric_limits<double>::infinity();
  std::vector<std::pair<std::string_view, uint32_t>> entries;
  entries.reserve(scored.size());
  for (size_t i = 0; i < scored.size(); ++i) {
    if (!std::isfinite(scored[i].second)) {
      throw Error(ErrorCode::corrupted, "model.vocab[" + std::to_string(i) + "] has a score that is not finite");
    }
    scores_.push_back(scored[i].second);
    lowest = std::min(lowest, scored[i].second);
    // Of equal strings the last one counts, as in the vocabulary.
    if (!scored[i].first.empty() && vocabulary_.find(scored[i].first) == static_cast<TokenId>(i)) {
      entries.emplace_back(scored[i].first, static_cast<uint32_t>(i));
    }
  }
  trie_ = DoubleArray(std::move(entries));
  unknown_score_ = lowest - kUnknownPenalty;
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    byte_ids_[byte] = vocabulary_.find(name);
  }
}

template <class Emit>
void Unigram::cut(std::string_view piece, Emit emit) const {
  thread_local std::vector<Arrival> arrivals;
  size_t size = piece.size();
  arrivals.assign(size + 1, Arrival{});
  for (size_t begin = 0; begin < size;) {
    double score_here = arrivals[begin].score;
    auto character_size = static_cast<size_t>(utf8_size_of_lead(piece[begin]));
    bool covered = false;
    DoubleArray::Node node = trie_.root();
    for (size_t end = begin; end < size && node != DoubleArray::kNowhere;) {
      int32_t id = -1;
      node = trie_.next(node, static_cast<unsigned char>(piece[end++]), id);
      if (node == DoubleArray::kNowhere || id < 0) continue;
      Arrival& arrival = arrivals[end];
      double score = scores_[static_cast<size_t>(id)] + score_here;
      if (arrival.begin == Arrival::kNone || score > arrival.score) arrival = {score, static_cast<uint32_t>(begin), id};
      covered = covered || end - begin == character_size;
    }
    if (!covered) {
      Arrival& arrival = arrivals[begin + character_size];
      double score = unknown_score_ + score_here;
      if (arrival.begin == Arrival::kNone || score > arrival.score) {
        if (options_.unknown_id < 0) {
          throw Error(ErrorCode::corrupted,
                      "model.unk_id is absent, and this text has a character outside the vocabulary");
        }
        arrival = {score, static_cast<uint32_t>(begin), options_.unknown_id};
      }
    }
    begin += character_size;
  }
  // Unknown characters side by side are one token.
  size_t end = size;
  size_t unknown_end = 0;  // 0: no run of unknowns is open
  while (end > 0) {
    const Arrival& arrival = arrivals[end];
    if (arrival.id == options_.unknown_id) {
      if (unknown_end == 0) unknown_end = end;
    } else {
      if (unknown_end != 0) emit(end, unknown_end, vocabulary_.find(piece.substr(end, unknown_end - end)));
      unknown_end = 0;
      emit(arrival.begin, end, arrival.id);
    }
    end = arrival.begin;
  }
  if (unknown_end != 0) emit(size_t{0}, unknown_end, vocabulary_.find(piece.substr(0, unknown_end)));
  if (arrivals.size() > kArrivalsKept) {
    arrivals.clear();
    arrivals.shrink_to_fit();
  }
}

void Unigram::tokenize(std::string_view piece, std::vector<ModelToken>& out) const {
  size_t first = out.size();
  cut(piece, [&](size_t begin, size_t end, TokenId id) {
    auto from = static_cast<uint32_t>(begin);
    auto to = static_cast<uint32_t>(end);
    if (id >= 0) {
      out.push_back({id, from, to});
      return;
    }
    std::string_view text = piece.substr(begin, end - begin);
    bool all = options_.byte_fallback && std::all_of(text.begin(), text.end(), [&](char c) {
                 return byte_ids_[static_cast<unsigned char>(c)] >= 0;
               });
    if (!all) {
      out.push_back({options_.unknown_id, from, to, true});
      return;
    }
    for (size_t i = text.size(); i-- > 0;) out.push_back({byte_ids_[static_cast<unsigned char>(text[i])], from, to});
  });
  std::reverse(out.begin() + static_cast<ptrdiff_t>(first), out.end());
}

void Unigram::tokenize_ids(std::string_view piece, std::vector<TokenId>& out) const {
  if (piece.empty()) return;
  if (piece.size() > WordCache::kWordBytesMax) {
    cut_ids(piece, out);
    return;
  }
  WordCache& cache = WordCache::of(words_owner_);
  WordCache::Key key = WordCache::key_of(piece);
  if (cache.find(key, out)) return;
  size_t first = out.size();
  cut_ids(piece, out);
  cache.keep(key, out.data() + first, out.size() - first);
}

void Unigram::cut_ids(std::string_view piece, std::vector<TokenId>& out) const {
  size_t first = out.size();
  cut(piece, [&](size_t begin, size_t end, TokenId id) {
    if (id >= 0) {
      out.push_back(id);
      return;
    }
    std::string_view text = piece.substr(begin, end - begin);
    bool all = options_.byte_fallback && std::all_of(text.begin(), text.end(), [&](char c) {
                 return byte_ids_[static_cast<unsigned char>(c)] >= 0;
               });
    if (!all) {
      out.push_back(options_.unknown_id);
      return;
    }
    for (size_t i = text.size(); i-- > 0;) out.push_back(byte_ids_[static_cast<unsigned char>(text[i])]);
  });
  std::reverse(out.begin() + static_cast<ptrdiff_t>(first), out.end());
}

}  // namespace sextant::text
