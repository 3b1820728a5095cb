#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>

#include "text/fast_path.h"
#include "text/pipeline.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

// What a character becomes between two others.
struct CharacterRule {
  enum Kind : uint8_t {
    word,      // bytes of a word
    space,     // an end of a word, nothing else
    isolated,  // a word of its own
    dropped,   // nothing at all
    complex,   // depends on what stands around it: the stages must see the text
  };
  static constexpr size_t kBytesMax = 10;
  Kind kind = complex;
  uint8_t size = 0;
  char bytes[kBytesMax] = {};
};

struct RuleBlock {
  std::array<CharacterRule, 256> rules;
};

class BertFastPath : public FastPath {
 public:
  explicit BertFastPath(const Pipeline& pipeline)
      : pipeline_(pipeline), normalizer_(static_cast<const BertNormalizer&>(*pipeline.normalizer)) {
    const RuleBlock* latin = block_of(0);
    for (size_t c = 0; c < 128; ++c) {
      const CharacterRule& rule = latin->rules[c];
      ascii_kind_[c] = rule.kind;
      ascii_byte_[c] = rule.bytes[0];
      // One byte to one byte, or the table cannot say it.
      if ((rule.kind == CharacterRule::word || rule.kind == CharacterRule::isolated) && rule.size != 1) {
        ascii_kind_[c] = CharacterRule::complex;
      }
    }
  }

  ~BertFastPath() override {
    for (auto& block : blocks_) delete block.load(std::memory_order_relaxed);
  }

  bool encode(std::string_view text, std::vector<TokenId>& out) const override {
    const Model& model = *pipeline_.model;
    char word[kWordBytes + CharacterRule::kBytesMax];
    size_t size = 0;
    // Since the last space: what the stages see again when a character needs them.
    size_t chunk_begin = 0;
    size_t chunk_first = out.size();
    auto leave_to_stages = [&](size_t position) {
      size_t end = std::min(text.find(' ', position), text.size());
      out.resize(chunk_first);
      encode_staged(text.substr(chunk_begin, end - chunk_begin), out);
      size = 0;
      return end;
    };
    auto end_word = [&] {
      if (size > 0) model.tokenize_ids({word, size}, out);
      size = 0;
    };
    for (size_t i = 0; i < text.size();) {
      auto byte = static_cast<unsigned char>(text[i]);
      if (byte < 128) {
        ++i;
        uint8_t kind = ascii_kind_[byte];
        if (kind == CharacterRule::word) {
          word[size++] = ascii_byte_[byte];
          if (size > kWordBytes) i = leave_to_stages(i);
        } else if (kind == CharacterRule::space) {
          end_word();
          if (byte == ' ') {
            chunk_begin = i;
            chunk_first = out.size();
          }
        } else if (kind == CharacterRule::isolated) {
          end_word();
          model.tokenize_ids({&ascii_byte_[byte], 1}, out);
        } else if (kind == CharacterRule::complex) {
          i = leave_to_stages(i);
        }
        continue;
      }
      char32_t c = next_code_point(text, i);
      const RuleBlock* block = blocks_[c >> 8].load(std::memory_order_acquire);
      if (block == nullptr) block = block_of(c >> 8);
      const CharacterRule& rule = block->rules[c & 0xFF];
      switch (rule.kind) {
        case CharacterRule::word:
          std::memcpy(word + size, rule.bytes, rule.size);
          size += rule.size;
          if (size > kWordBytes) i = leave_to_stages(i);
          break;
        case CharacterRule::space:
          end_word();
          break;
        case CharacterRule::isolated:
          end_word();
          model.tokenize_ids({rule.bytes, rule.size}, out);
          break;
        case CharacterRule::dropped:
          break;
        case CharacterRule::complex:
          i = leave_to_stages(i);
          break;
      }
    }
    end_word();
    return true;
  }

 private:
  // Longer words are left to the stages.
  static constexpr size_t kWordBytes = 1024;

  void encode_staged(std::string_view text, std::vector<TokenId>& out) const {
    AlignedText normalized(text, 0, false);
    normalizer_.apply(normalized);
    Pieces pieces;
    pieces.append(normalized.view());
    pipeline_.pre_tokenizer->apply(pieces);
    for (const Piece& piece : pieces.list) pipeline_.model->tokenize_ids(pieces.view(piece), out);
  }

  const RuleBlock* block_of(uint32_t index) const {
    std::lock_guard lock(mutex_);
    if (const RuleBlock* present = blocks_[index].load(std::memory_order_acquire)) return present;
    auto made = std::make_unique<RuleBlock>();
    for (uint32_t i = 0; i < 256; ++i) {
      char32_t c = index << 8 | i;
      bool surrogate = c >= 0xD800 && c < 0xE000;
      if (!surrogate && c < 0x110000) made->rules[i] = rule_of(c);
    }
    blocks_[index].store(made.get(), std::memory_order_release);
    return made.release();
  }

  // Asks the stages what they make of the character between two letters.
  CharacterRule rule_of(char32_t c) const {
    std::string sample = "x";
    base::append_utf8(sample, c);
    sample += 'x';
    AlignedText text(sample, 0, false);
    normalizer_.apply(text);
    Pieces pieces;
    pieces.append(text.view());
    pipeline_.pre_tokenizer->apply(pieces);
    CharacterRule rule;
    auto take = [&](CharacterRule::Kind kind, std::string_view bytes) {
      if (bytes.size() > CharacterRule::kBytesMax) return rule;
      // Marks that stay are put into canonical order with their neighbours.
      for (size_t i = 0; i < bytes.size() && normalizer_.strips_accents();) {
        if (char_classes(next_code_point(bytes, i)) & kCombining) return rule;
      }
      rule.kind = kind;
      rule.size = static_cast<uint8_t>(bytes.size());
      std::memcpy(rule.bytes, bytes.data(), bytes.size());
      return rule;
    };
    size_t count = pieces.list.size();
    std::string_view first = pieces.view(pieces.list.front());
    std::string_view last = pieces.view(pieces.list.back());
    if (count == 1 && first == "xx") return take(CharacterRule::dropped, "");
    if (count == 1 && first.size() > 2 && first.starts_with('x') && first.ends_with('x')) {
      return take(CharacterRule::word, first.substr(1, first.size() - 2));
    }
    if (count == 2 && first == "x" && last == "x") return take(CharacterRule::space, "");
    if (count == 3 && first == "x" && last == "x") {
      return take(CharacterRule::isolated, pieces.view(pieces.list[1]));
    }
    return rule;
  }

  const Pipeline& pipeline_;
  const BertNormalizer& normalizer_;
  uint8_t ascii_kind_[128];
  char ascii_byte_[128];
  mutable std::array<std::atomic<const RuleBlock*>, 0x1100> blocks_{};
  mutable std::mutex mutex_;
};

}  // namespace

std::unique_ptr<FastPath> make_bert_fast_path(const Pipeline& pipeline) {
  if (dynamic_cast<const BertNormalizer*>(pipeline.normalizer.get()) == nullptr) return nullptr;
  if (dynamic_cast<const BertPreTokenizer*>(pipeline.pre_tokenizer.get()) == nullptr) return nullptr;
  return std::make_unique<BertFastPath>(pipeline);
}

}  // namespace sextant::text
