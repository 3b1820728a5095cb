// tensor/attention.h: softmax attention over packed sequences, and what tells positions apart.
//
// out_i = sum_j softmax_j(scale q_i . k_j + bias) v_j, for each head and within each sequence alone. Several query
// heads may share a key and value head (grouped-query attention). A block of scores is in memory at a time, and keys
// that no query of a block sees are skipped; memory is linear in the length. Sources: Vaswani et al. 2017; Milakov &
// Gimelshein 2018 and Dao et al. 2022 (softmax in blocks); Su et al. 2021 (rotary); Raffel et al. 2020 (bucketed bias);
// Press et al. 2022 (ALiBi).
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "tensor/matrix.h"

namespace sextant::tensor {

// A bias that depends on head and distance alone: values[head * (2 length - 1) + (j - i) + length - 1].
struct RelativeBias {
  size_t length = 0;  // sequences may have at most so many rows
  std::vector<float> values;

  const float* row(size_t head, size_t i) const { return values.data() + head * (2 * length - 1) + (length - 1 - i); }
};

// Adds to the scaled scores of query row i of the sequence that begins at FIRST_ROW with the keys from FIRST_KEY on.
using ScoreHook =
    std::function<void(size_t first_row, size_t head, size_t i, size_t first_key, std::span<float> scores)>;

struct AttentionOptions {
  size_t heads = 0;
  size_t kv_heads = 0;  // divides heads
  size_t head_dim = 0;
  float scale = 1;
  // Query i sees the keys j with i - before <= j <= i + after.
  size_t before = std::numeric_limits<size_t>::max();
  size_t after = std::numeric_limits<size_t>::max();
  float softcap = 0;  // scores become softcap * tanh(score / softcap); 0: they stay
  const RelativeBias* bias = nullptr;
  const ScoreHook* hook = nullptr;
};

// q [rows, heads * head_dim], k and v [rows, kv_heads * head_dim] -> [rows, heads * head_dim].
Matrix attention(const Sequences& sequences, Columns q, Columns k, Columns v, const AttentionOptions& options,
                 Context& context);

// The same where every query row sees the same KEY_COUNT keys: q [row_count, heads * head_dim], k and v [key_count,
// ...].
Matrix cross_attention(Columns q, size_t row_count, Columns k, Columns v, size_t key_count,
                       const AttentionOptions& options, Context& context);

// T5's bucket of a distance j - i: half the buckets for either direction, of these half exact, the rest logarithmic.
// REQUIRES: bucket_count >= 4 and distance_max > bucket_count / 4.
size_t relative_bucket(ptrdiff_t distance, size_t bucket_count, size_t distance_max);
// values[head, distance] = table [bucket_count, heads][bucket of the distance].
RelativeBias bucketed_bias(const float* table, size_t bucket_count, size_t heads, size_t length, size_t distance_max);
// -slope_head * |j - i|, with the slopes of the ALiBi paper.
RelativeBias alibi_bias(size_t heads, size_t length);

// Rotary position embedding: turns the pairs of a head's components by angle position * frequency.
class Rotary {
 public:
  Rotary() = default;
  // One frequency for each pair; the first 2 * frequencies.size() components of a head are turned, the rest stays.
  explicit Rotary(std::vector<float> frequencies, bool interleaved = false);
  // Turns HEAD_COUNT heads of HEAD_DIM columns from FIRST_COLUMN on, in place.
  void operator()(Matrix& x, size_t first_column, size_t head_count, size_t head_dim, const Sequences& sequences,
                  Context& context) const;

 private:
  // Cosines and sines of the first POSITIONS positions: [positions, pairs] each. Made once, and again when a longer
  // sequence comes.
  struct Angles {
    size_t positions;
    std::vector<float> cosines, sines;
  };
  struct Cache;
  std::shared_ptr<const Angles> angles(size_t positions) const;

  std::vector<float> frequencies_;
  std::shared_ptr<Cache> cache_;
  bool interleaved_ = false;  // pairs (0, 1), (2, 3) ... instead of (0, n / 2), (1, n / 2 + 1) ...
};

// base^(-2 i / dim) for i < dim / 2, in float32 as PyTorch computes it.
std::vector<float> rotary_frequencies(size_t dim, double base);

}  // namespace sextant::tensor
