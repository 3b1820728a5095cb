// bench/encode/models.h: model folders of well-known shapes, with seeded random weights, and texts for them.
//
// A folder is what the hub has: config.json, modules.json, pooling, tokenizer.json, model.safetensors. Speed does not
// depend on what weights were trained for, but what lower precision costs does depend on how they are distributed: rows
// of different scale, norm weights that spread, a few hidden dimensions three to six times the others, attention that
// is neither uniform nor one-hot, words of one topic that resemble each other, so that texts do not. The vocabulary is
// made of syllables, and one word is one token, so that a text of an exact number of tokens can be written. Same shape
// and version: same bytes on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::bench {

enum class Family { bert, modernbert, qwen3 };

struct Shape {
  std::string_view name;
  Family family;
  size_t layers;
  size_t hidden;
  size_t heads;
  size_t kv_heads;
  size_t head_dim;
  size_t inner;       // of one half where the feed-forward is gated
  size_t vocabulary;  // Qwen3's 151,669 entries are cut to 30,522: they decide nothing but the size of a table
  size_t local_window = 0;

  // Multiplications and additions, two operations each, in the linear layers and in the attention of a text of LENGTH
  // tokens: what must be computed, without padding, norms, activations and softmax. Causal attention counts the keys
  // before a query only, local attention those within its window.
  double operations(size_t length) const;
};

std::span<const Shape> shapes();
// Throws invalid_argument, naming the shapes there are.
const Shape& shape_named(std::string_view name);

// Writes the folder INTO/NAME-vVERSION unless it is complete already, and returns its path.
std::filesystem::path model_folder(const Shape& shape, const std::filesystem::path& into);

// A text of exactly TOKENS tokens, special ones included. REQUIRES: tokens >= 3. SEED tells texts apart.
std::string text_of(const Shape& shape, size_t tokens, uint64_t seed);

// Lengths of COUNT texts between 4 and 256 tokens, skewed as questions and passages are: half below 40, a tenth above
// 135. Always the same.
std::vector<size_t> mixed_lengths(size_t count);

}  // namespace sextant::bench
