#include "tensor/attention.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>

#include "simd/kernels.h"
#include "tensor/kernels.h"
#include "tensor/packing.h"

namespace sextant::tensor {
namespace {

// Queries and keys of a block of scores: with 48 x 512 scores, 512 keys and as many values of 64 components it fits
// a second cache of 512 KB.
constexpr size_t kQueryBlock = 48;
constexpr size_t kKeyBlock = 512;

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

// Keys and values of one head as right operands of products, a block of keys after the other.
class PackedKeys {
 public:
  // KEYS and VALUES are the head's first components.
  PackedKeys(const Kernels& kernel, const float* keys, size_t key_stride, const float* values, size_t value_stride,
             size_t count, size_t dim, const Context& context)
      : count_(count), dim_(dim), width_(kernel.f32.panel.width) {
    key_floats_ = round_up(std::min(count, kKeyBlock), width_) * dim;
    value_floats_ = std::min(count, kKeyBlock) * round_up(dim, width_);
    const size_t blocks = (count + kKeyBlock - 1) / kKeyBlock;
    memory_ = Matrix(blocks, key_floats_ + value_floats_, context);
    for (size_t block = 0; block < blocks; ++block) {
      const size_t first = block * kKeyBlock;
      const size_t n = size(block);
      pack_panels(keys + first * key_stride, 1, key_stride, dim, n, width_, memory_.row(block));
      pack_panels(values + first * value_stride, value_stride, 1, n, dim, width_, memory_.row(block) + key_floats_);
    }
  }
  size_t count() const { return count_; }
  size_t dim() const { return dim_; }
  size_t size(size_t block) const { return std::min(kKeyBlock, count_ - block * kKeyBlock); }
  const float* keys(size_t block) const { return memory_.row(block); }
  const float* values(size_t block) const { return memory_.row(block) + key_floats_; }

 private:
  size_t count_, dim_, width_, key_floats_, value_floats_;
  Matrix memory_;
};

// What one block of queries needs beside its inputs.
struct Scratch {
  Matrix scores;
  float highest[kQueryBlock];
  float sum[kQueryBlock];
};

std::vector<Scratch> scratch_for(const Context& context) {
  std::vector<Scratch> all(context.pool.thread_count());
  for (Scratch& one : all) one.scores = Matrix(kQueryBlock, kKeyBlock, context);
  return all;
}

// M queries of one head, the first of them row I of the sequence that begins at FIRST_ROW, with all keys that they
// see. OUT [m, dim], its rows OUT_STRIDE apart.
void attend(const Kernels& kernel, const AttentionOptions& o, const PackedKeys& packed, size_t head, size_t first_row,
            size_t i, size_t m, const float* q, size_t q_stride, float* out, size_t out_stride, Scratch& scratch) {
  const size_t count = packed.count();
  auto begin_of = [&](size_t row) { return row > o.before ? row - o.before : 0; };
  auto end_of = [&](size_t row) { return o.after < count - std::min(count, row + 1) ? row + o.after + 1 : count; };
  const size_t begin = begin_of(i);
  const size_t end = end_of(i + m - 1);
  bool first_block = true;
  for (size_t block = begin / kKeyBlock; block * kKeyBlock < end; ++block) {
    const size_t first_key = block * kKeyBlock;
    const size_t keys = packed.size(block);
    Product product{};
    product.m = m;
    product.n = keys;
    product.k = packed.dim();
    product.a = q;
    product.a_stride = q_stride * sizeof(float);
    product.b = packed.keys(block);
    product.c = scratch.scores.data();
    product.c_stride = kKeyBlock;
    kernel.f32.multiply(product);
    // Without anything to add, the scale goes into the exponential.
    const bool plain = o.bias == nullptr && o.hook == nullptr && o.softcap == 0 && o.scale > 0;
    for (size_t r = 0; r < m; ++r) {
      float* all = scratch.scores.row(r);
      const size_t from = std::clamp(begin_of(i + r), first_key, first_key + keys) - first_key;
      const size_t to = std::clamp(end_of(i + r), first_key + from, first_key + keys) - first_key;
      std::fill(all, all + from, 0.0f);
      std::fill(all + to, all + keys, 0.0f);
      std::span<float> scores(all + from, to - from);
      float scale = o.scale;
      if (!plain) {
        simd::kernels().scale_f32(scores.data(), scores.size(), o.scale);
        scale = 1;
        if (o.bias != nullptr) {
          const float* bias = o.bias->row(head, i + r) + first_key + from;
          for (size_t j = 0; j < scores.size(); ++j) scores[j] += bias[j];
        }
        if (o.hook != nullptr) (*o.hook)(first_row, head, i + r, first_key + from, scores);
        if (o.softcap > 0) {
          simd::kernels().scale_f32(scores.data(), scores.size(), 1.0f / o.softcap);
          kernel.finish(scores.data(), scores.size(), nullptr, Activation::tanh, nullptr);
          simd::kernels().scale_f32(scores.data(), scores.size(), o.softcap);
        }
      }
      const float before = first_block ? -std::numeric_limits<float>::infinity() : scratch.highest[r];
      if (scores.empty()) {
        if (first_block) scratch.sum[r] = 0;
        scratch.highest[r] = before;
        continue;
      }
      const float highest = std::max(before, kernel.max(scores.data(), scores.size()));
      const float sum = kernel.exp_sum(scores.data(), scores.data(), scores.size(), scale, highest);
      if (first_block) {
        scratch.sum[r] = sum;
      } else {
        // What was summed under a lower maximum shrinks.
        const float factor = std::exp(scale * (before - highest));
        scratch.sum[r] = scratch.sum[r] * factor + sum;
        if (factor != 1) simd::kernels().scale_f32(out + r * out_stride, packed.dim(), factor);
      }
      scratch.highest[r] = highest;
    }
    product.n = packed.dim();
    product.k = keys;
    product.a = scratch.scores.data();
    product.a_stride = kKeyBlock * sizeof(float);
    product.b = packed.values(block);
    product.c = out;
    product.c_stride = out_stride;
    product.accumulate = !first_block;
    kernel.f32.multiply(product);
    first_block = false;
  }
  for (size_t r = 0; r < m; ++r) {
    simd::kernels().scale_f32(out + r * out_stride, packed.dim(), 1.0f / scratch.sum[r]);
  }
}

}  // namespace

Matrix attention(const Sequences& sequences, Columns q, Columns k, Columns v, const AttentionOptions& o,
                 Context& context) {
  const Kernels& kernel = kernels();
  Matrix out(sequences.row_count(), o.heads * o.head_dim, context);
  std::vector<Scratch> scratch = scratch_for(context);
  const size_t group = o.heads / o.kv_heads;
  context.pool.parallel_for(sequences.count() * o.kv_heads, [&](size_t task, size_t thread) {
    const size_t s = task / o.kv_heads;
    const size_t kv_head = task % o.kv_heads;
    const size_t first = sequences.begin(s);
    const size_t length = sequences.length(s);
    if (length == 0) return;
    const PackedKeys packed(kernel, k.data + first * k.stride + kv_head * o.head_dim, k.stride,
                            v.data + first * v.stride + kv_head * o.head_dim, v.stride, length, o.head_dim, context);
    for (size_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      for (size_t i = 0; i < length; i += kQueryBlock) {
        const size_t row = first + i;
        attend(kernel, o, packed, head, first, i, std::min(kQueryBlock, length - i),
               q.data + row * q.stride + head * o.head_dim, q.stride, out.row(row) + head * o.head_dim, out.columns(),
               scratch[thread]);
      }
    }
  });
  return out;
}

Matrix cross_attention(Columns q, size_t row_count, Columns k, Columns v, size_t key_count,
                       const AttentionOptions& given, Context& context) {
  const Kernels& kernel = kernels();
  AttentionOptions o = given;
  o.before = o.after = std::numeric_limits<size_t>::max();
  Matrix out(row_count, o.heads * o.head_dim, context);
  std::vector<Scratch> scratch = scratch_for(context);
  const size_t group = o.heads / o.kv_heads;
  std::vector<PackedKeys> packed;
  for (size_t head = 0; head < o.kv_heads; ++head) {
    packed.emplace_back(kernel, k.data + head * o.head_dim, k.stride, v.data + head * o.head_dim, v.stride, key_count,
                        o.head_dim, context);
  }
  const size_t blocks = (row_count + kQueryBlock - 1) / kQueryBlock;
  context.pool.parallel_for(blocks * o.heads, [&](size_t task, size_t thread) {
    const size_t head = task % o.heads;
    const size_t i = task / o.heads * kQueryBlock;
    attend(kernel, o, packed[head / group], head, 0, i, std::min(kQueryBlock, row_count - i),
           q.data + i * q.stride + head * o.head_dim, q.stride, out.row(i) + head * o.head_dim, out.columns(),
           scratch[thread]);
  });
  return out;
}

size_t relative_bucket(ptrdiff_t distance, size_t bucket_count, size_t distance_max) {
  const size_t half = bucket_count / 2;
  const size_t side = distance > 0 ? half : 0;
  const auto n = static_cast<size_t>(distance < 0 ? -distance : distance);
  const size_t exact = half / 2;
  if (n < exact) return side + n;
  // In float32, as the reference does: a bucket's edge may hang on the last bit.
  const float ratio = std::log(static_cast<float>(n) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(static_cast<double>(distance_max) / static_cast<double>(exact)));
  const auto large = exact + static_cast<size_t>(ratio * static_cast<float>(half - exact));
  return side + std::min(large, half - 1);
}

RelativeBias bucketed_bias(const float* table, size_t bucket_count, size_t heads, size_t length, size_t distance_max) {
  if (length == 0) return {};
  RelativeBias bias{length, std::vector<float>(heads * (2 * length - 1))};
  for (size_t p = 0; p + 1 < 2 * length; ++p) {
    const ptrdiff_t distance = static_cast<ptrdiff_t>(p) - static_cast<ptrdiff_t>(length - 1);
    const size_t bucket = relative_bucket(distance, bucket_count, distance_max);
    for (size_t h = 0; h < heads; ++h) bias.values[h * (2 * length - 1) + p] = table[bucket * heads + h];
  }
  return bias;
}

RelativeBias alibi_bias(size_t heads, size_t length) {
  if (length == 0) return {};
  // Slopes for a power of two are 2^(-8 i / n); for other counts every second one of twice the power fills the rest.
  auto slopes_of_power = [](size_t n, std::vector<double>& slopes) {
    const double start = std::pow(2.0, -std::pow(2.0, -(std::log2(static_cast<double>(n)) - 3)));
    for (size_t i = 0; i < n; ++i) slopes.push_back(start * std::pow(start, static_cast<double>(i)));
  };
  size_t power = 1;
  while (power * 2 <= heads) power *= 2;
  std::vector<double> slopes, more;
  slopes_of_power(power, slopes);
  slopes_of_power(2 * power, more);
  for (size_t i = 0; slopes.size() < heads; i += 2) slopes.push_back(more[i]);
  RelativeBias bias{length, std::vector<float>(heads * (2 * length - 1))};
  for (size_t h = 0; h < heads; ++h) {
    for (size_t p = 0; p + 1 < 2 * length; ++p) {
      const double distance = std::abs(static_cast<double>(p) - static_cast<double>(length - 1));
      bias.values[h * (2 * length - 1) + p] = static_cast<float>(-slopes[h]) * static_cast<float>(distance);
    }
  }
  return bias;
}

std::vector<float> rotary_frequencies(size_t dim, double base) {
  std::vector<float> frequencies(dim / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
    frequencies[i] = 1.0f / static_cast<float>(std::pow(base, static_cast<double>(exponent)));
  }
  return frequencies;
}

struct Rotary::Cache {
  std::mutex mutex;
  std::shared_ptr<const Angles> angles;  // guarded by mutex
};

Rotary::Rotary(std::vector<float> frequencies, bool interleaved)
    : frequencies_(std::move(frequencies)), cache_(std::make_shared<Cache>()), interleaved_(interleaved) {}

std::shared_ptr<const Rotary::Angles> Rotary::angles(size_t positions) const {
  std::lock_guard lock(cache_->mutex);
  if (cache_->angles && cache_->angles->positions >= positions) return cache_->angles;
  constexpr size_t kPositionsMin = 128;
  auto made = std::make_shared<Angles>();
  made->positions = std::max(kPositionsMin, std::bit_ceil(positions));
  for (size_t p = 0; p < made->positions; ++p) {
    for (float frequency : frequencies_) {
      const float angle = static_cast<float>(p) * frequency;
      made->cosines.push_back(std::cos(angle));
      made->sines.push_back(std::sin(angle));
    }
  }
  cache_->angles = made;
  return made;
}

namespace {

// Turns the pairs (a[i], b[i]), STEP apart.
template <size_t kStep>
void turn(float* __restrict a, float* __restrict b, const float* __restrict cosine, const float* __restrict sine,
          size_t pairs) {
  for (size_t i = 0; i < pairs; ++i) {
    const float x = a[i * kStep];
    const float y = b[i * kStep];
    a[i * kStep] = x * cosine[i] - y * sine[i];
    b[i * kStep] = y * cosine[i] + x * sine[i];
  }
}

}  // namespace

void Rotary::operator()(Matrix& x, size_t first_column, size_t head_count, size_t head_dim, const Sequences& sequences,
                        Context& context) const {
  const size_t pairs = frequencies_.size();
  if (pairs == 0 || sequences.row_count() == 0) return;
  const std::shared_ptr<const Angles> table = angles(sequences.longest());
  context.pool.parallel_for(sequences.count(), [&](size_t s, size_t) {
    for (size_t p = 0; p < sequences.length(s); ++p) {
      float* row = x.row(sequences.begin(s) + p) + first_column;
      const float* cosine = table->cosines.data() + p * pairs;
      const float* sine = table->sines.data() + p * pairs;
      for (size_t h = 0; h < head_count; ++h, row += head_dim) {
        if (interleaved_) {
          turn<2>(row, row + 1, cosine, sine, pairs);
        } else {
          turn<1>(row, row + pairs, cosine, sine, pairs);
        }
      }
    }
  });
}

}  // namespace sextant::tensor
