#include "tensor/attention.h"

#include <algorithm>
#include <cmath>

#include "simd/kernels.h"
#include "tensor/kernels.h"

namespace sextant::tensor {
namespace {

// Scores become weights, and row [head_dim] the weighted mean of the values.
void mix(std::span<float> scores, const float* values, size_t stride, size_t head_dim, float* row) {
  const simd::Kernels& kernel = simd::kernels();
  const float highest = *std::max_element(scores.begin(), scores.end());
  const float sum = kernels().exp_sum(scores.data(), scores.data(), scores.size(), 1.0f, highest);
  std::fill_n(row, head_dim, 0.0f);
  for (size_t j = 0; j < scores.size(); ++j) kernel.add_row_f32(row, values + j * stride, scores[j], head_dim);
  kernel.scale_f32(row, head_dim, 1.0f / sum);
}

}  // namespace

Matrix attention(const Sequences& sequences, Columns q, Columns k, Columns v, const AttentionOptions& o,
                 Context& context) {
  const simd::Kernels& kernel = simd::kernels();
  Matrix out(sequences.row_count(), o.heads * o.head_dim);
  Matrix scratch(context.pool.thread_count(), sequences.longest());
  const size_t group = o.heads / o.kv_heads;
  context.pool.parallel_for(sequences.count() * o.heads, [&](size_t task, size_t thread) {
    const size_t s = task / o.heads;
    const size_t head = task % o.heads;
    const size_t first = sequences.begin(s);
    const size_t length = sequences.length(s);
    const float* keys = k.data + first * k.stride + head / group * o.head_dim;
    const float* values = v.data + first * v.stride + head / group * o.head_dim;
    for (size_t i = 0; i < length; ++i) {
      const size_t begin = i > o.before ? i - o.before : 0;
      const size_t end = o.after < length - 1 - i ? i + o.after + 1 : length;
      std::span<float> all(scratch.row(thread), length);
      std::span<float> scores = all.subspan(begin, end - begin);
      kernel.dot_f32_rows(q.data + (first + i) * q.stride + head * o.head_dim,
                          {keys + begin * k.stride, end - begin, o.head_dim, k.stride * sizeof(float)}, scores.data());
      kernel.scale_f32(scores.data(), scores.size(), o.scale);
      if (o.bias != nullptr) {
        const float* bias = o.bias->row(head, i) + begin;
        for (size_t j = 0; j < scores.size(); ++j) scores[j] += bias[j];
      }
      if (o.hook != nullptr) (*o.hook)(first, head, i, all);
      if (o.softcap > 0) {
        for (float& score : scores) score = o.softcap * std::tanh(score / o.softcap);
      }
      mix(scores, values + begin * v.stride, v.stride, o.head_dim, out.row(first + i) + head * o.head_dim);
    }
  });
  return out;
}

Matrix cross_attention(Columns q, size_t row_count, Columns k, Columns v, size_t key_count, const AttentionOptions& o,
                       Context& context) {
  const simd::Kernels& kernel = simd::kernels();
  Matrix out(row_count, o.heads * o.head_dim);
  Matrix scratch(context.pool.thread_count(), key_count);
  const size_t group = o.heads / o.kv_heads;
  context.pool.parallel_for(row_count, [&](size_t i, size_t thread) {
    for (size_t head = 0; head < o.heads; ++head) {
      std::span<float> scores(scratch.row(thread), key_count);
      const size_t column = head / group * o.head_dim;
      kernel.dot_f32_rows(q.data + i * q.stride + head * o.head_dim,
                          {k.data + column, key_count, o.head_dim, k.stride * sizeof(float)}, scores.data());
      kernel.scale_f32(scores.data(), scores.size(), o.scale);
      mix(scores, v.data + column, v.stride, o.head_dim, out.row(i) + head * o.head_dim);
    }
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

void Rotary::operator()(Matrix& x, size_t first_column, size_t head_count, size_t head_dim, const Sequences& sequences,
                        Context& context) const {
  const size_t pairs = frequencies_.size();
  const size_t longest = sequences.longest();
  Matrix cosines(longest, pairs), sines(longest, pairs);
  for (size_t p = 0; p < longest; ++p) {
    for (size_t i = 0; i < pairs; ++i) {
      const float angle = static_cast<float>(p) * frequencies_[i];
      cosines.row(p)[i] = std::cos(angle);
      sines.row(p)[i] = std::sin(angle);
    }
  }
  const size_t step = interleaved_ ? 2 : 1;
  const size_t other = interleaved_ ? 1 : pairs;
  context.pool.parallel_for(sequences.count(), [&](size_t s, size_t) {
    for (size_t p = 0; p < sequences.length(s); ++p) {
      float* row = x.row(sequences.begin(s) + p) + first_column;
      const float* cosine = cosines.row(p);
      const float* sine = sines.row(p);
      for (size_t h = 0; h < head_count; ++h, row += head_dim) {
        for (size_t i = 0; i < pairs; ++i) {
          const float a = row[i * step];
          const float b = row[i * step + other];
          row[i * step] = a * cosine[i] - b * sine[i];
          row[i * step + other] = b * cosine[i] + a * sine[i];
        }
      }
    }
  });
}

}  // namespace sextant::tensor
