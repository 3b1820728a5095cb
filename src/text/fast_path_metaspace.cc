#include <algorithm>
#include <cstring>
#include <string>

#include "text/fast_path.h"
#include "text/pipeline.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

class MetaspaceFastPath : public FastPath {
 public:
  MetaspaceFastPath(const Pipeline& pipeline, const Metaspace& metaspace, bool at_white_space)
      : pipeline_(pipeline), metaspace_(metaspace), at_white_space_(at_white_space) {}

  bool encode(std::string_view text, std::vector<TokenId>& out) const override {
    AlignedText normalized;
    if (pipeline_.normalizer) {
      normalized.assign(text, 0, false);
      pipeline_.normalizer->apply(normalized);
      text = normalized.view();
    }
    if (!at_white_space_) {
      encode_piece(text, out);
      return true;
    }
    for (size_t begin = 0; begin < text.size();) {
      size_t next = begin;
      if (is_white_space(next_code_point(text, next))) {
        begin = next;
        continue;
      }
      size_t end = next;
      for (; end < text.size(); end = next) {
        auto byte = static_cast<unsigned char>(text[end]);
        next = end + 1;
        if (byte < 128 ? byte == ' ' || (byte >= '\t' && byte <= '\r')
                       : is_white_space(next_code_point(text, next = end))) {
          break;
        }
      }
      encode_piece(text.substr(begin, end - begin), out);
      begin = end;
    }
    return true;
  }

 private:
  // Spaces become marks, the piece gets one in front where it has none, and each mark begins a word.
  void encode_piece(std::string_view text, std::vector<TokenId>& out) const {
    if (text.empty()) return;
    const std::string& mark = metaspace_.mark();
    thread_local std::string word;
    word.clear();
    bool marked = text[0] == ' ' || text.starts_with(mark);
    if (!marked && metaspace_.prepend() == Metaspace::Prepend::always) word = mark;
    auto end_word = [&] {
      if (!word.empty()) pipeline_.model->tokenize_ids(word, out);
      word.clear();
    };
    for (size_t i = 0; i < text.size();) {
      size_t size = text[i] == ' ' ? 1 : text.substr(i).starts_with(mark) ? mark.size() : 0;
      if (size > 0) {
        end_word();
        word = mark;
        i += size;
      }
      size_t end = i;
      while (end < text.size() && text[end] != ' ' && text[end] != mark[0]) ++end;
      // The mark's first byte may begin another character.
      if (end == i && end < text.size() && text[end] == mark[0] && !text.substr(end).starts_with(mark)) ++end;
      word.append(text.substr(i, end - i));
      i = end;
    }
    end_word();
    if (word.capacity() > kWordBytesKept) word = {};
  }

  static constexpr size_t kWordBytesKept = 1 << 16;

  const Pipeline& pipeline_;
  const Metaspace& metaspace_;
  bool at_white_space_;
};

}  // namespace

std::unique_ptr<FastPath> make_metaspace_fast_path(const Pipeline& pipeline) {
  bool at_white_space = false;
  const PreTokenizer* last = pipeline.pre_tokenizer.get();
  if (auto sequence = dynamic_cast<const PreTokenizerSequence*>(last)) {
    const auto& steps = sequence->steps();
    if (steps.empty() || steps.size() > 2) return nullptr;
    if (steps.size() == 2 && dynamic_cast<const WhitespaceSplit*>(steps[0].get()) == nullptr) return nullptr;
    at_white_space = steps.size() == 2;
    last = steps.back().get();
  }
  auto metaspace = dynamic_cast<const Metaspace*>(last);
  if (metaspace == nullptr || !metaspace->split() || metaspace->prepend() == Metaspace::Prepend::first) return nullptr;
  return std::make_unique<MetaspaceFastPath>(pipeline, *metaspace, at_white_space);
}

}  // namespace sextant::text
