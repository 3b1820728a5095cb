#include "index/flat.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "index/rows.h"
#include "sextant/error.h"

namespace sextant::index {
namespace {

// What one thread scans before it takes more work: long enough to forget the cost of taking it.
constexpr size_t kSegmentRows = size_t{1} << 15;
// Queries that share a pass over the rows.
constexpr size_t kGroupQueries = 16;
// Rows of a block stay in the second-level cache while the group's queries meet them.
constexpr size_t kBlockBytes = size_t{1} << 17;

void check_dim(size_t values, size_t dim, const char* what) {
  if (dim == 0 || values % dim != 0) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} of {} values, expected a multiple of dim {}", what, values, dim));
  }
}

simd::Nearer nearer(Metric metric) { return higher_is_nearer(metric) ? simd::Nearer::higher : simd::Nearer::lower; }

}  // namespace

// A query in the form that the rows are in.
struct FlatIndex::Query {
  const float* values = nullptr;
  std::vector<int8_t> codes;
  float scale = 1;
  std::vector<uint8_t> bits;
};

FlatIndex::FlatIndex(std::span<const float> rows, size_t dim, Metric metric)
    : rows_(rows.data()), row_bytes_(dim * sizeof(float)), dim_(dim), metric_(metric) {
  check_dim(rows.size(), dim, "rows");
  count_ = rows.size() / dim;
  if (metric == Metric::hamming) {
    throw Error(ErrorCode::unsupported, "rows of floats cannot be searched by hamming, expected rows of bits");
  }
}

FlatIndex::FlatIndex(std::span<const uint8_t> bits, size_t dim)
    : bits_(bits.data()), row_bytes_(row_bytes(ElementType::bit, dim)), dim_(dim), metric_(Metric::hamming) {
  check_dim(bits.size(), row_bytes_, "rows of bits");
  count_ = bits.size() / row_bytes_;
}

FlatIndex::FlatIndex(std::span<const int8_t> codes, std::span<const float> scales, size_t dim, Metric metric)
    : codes_(codes.data()), scales_(scales.data()), row_bytes_(dim), dim_(dim), metric_(metric) {
  check_dim(codes.size(), dim, "codes");
  count_ = codes.size() / dim;
  if (scales.size() != count_) {
    throw Error(ErrorCode::invalid_argument, fmt::format("{} scales for {} rows", scales.size(), count_));
  }
  if (metric != Metric::cosine && metric != Metric::dot) {
    throw Error(ErrorCode::unsupported,
                fmt::format("int8 rows cannot be searched by {}, expected cosine or dot", name(metric)));
  }
}

FlatIndex::Query FlatIndex::prepare(std::span<const float> query) const {
  Query out;
  out.values = query.data();
  if (codes_) {
    out.codes.resize(dim_);
    quantize_rows(query, dim_, out.codes, {&out.scale, 1});
  }
  if (bits_) {
    out.bits.resize(row_bytes_);
    pack_bits(query.data(), dim_, out.bits.data());
  }
  return out;
}

void FlatIndex::score_prepared(const Query& query, size_t first, std::span<float> out) const {
  const simd::Kernels& k = simd::kernels();
  if (codes_) {
    simd::Rows<int8_t> rows{codes_ + first * dim_, out.size(), dim_, dim_};
    if (metric_ == Metric::cosine) return k.cosine_i8_rows(query.codes.data(), rows, out.data());
    // The sums take the place of the scores that they become.
    static_assert(sizeof(int32_t) == sizeof(float));
    constexpr size_t kStep = 256;
    int32_t sums[kStep];
    for (size_t i = 0; i < out.size(); i += kStep) {
      size_t n = std::min(kStep, out.size() - i);
      k.dot_i8_rows(query.codes.data(), {rows.data + i * dim_, n, dim_, dim_}, sums);
      k.i32_to_f32(sums, n, query.scale, scales_ + first + i, out.data() + i);
    }
    return;
  }
  if (bits_) {
    constexpr size_t kStep = 256;
    uint32_t sums[kStep];
    for (size_t i = 0; i < out.size(); i += kStep) {
      const size_t n = std::min(kStep, out.size() - i);
      k.hamming_rows(query.bits.data(), {bits_ + (first + i) * row_bytes_, n, row_bytes_, row_bytes_}, sums);
      for (size_t j = 0; j < n; ++j) out[i + j] = static_cast<float>(static_cast<int32_t>(sums[j]));
    }
    return;
  }
  simd::Rows<float> rows{rows_ + first * dim_, out.size(), dim_, dim_ * sizeof(float)};
  switch (metric_) {
    case Metric::cosine:
      return k.cosine_f32_rows(query.values, rows, out.data());
    case Metric::dot:
      return k.dot_f32_rows(query.values, rows, out.data());
    case Metric::l1:
      return k.l1_f32_rows(query.values, rows, out.data());
    case Metric::l2:
      k.l2_squared_f32_rows(query.values, rows, out.data());
      for (float& score : out) score = std::sqrt(score);
      return;
    case Metric::hamming:  // of bits alone, above
      return;
  }
}

// Scores of every query with COUNT rows from FIRST: out [queries.size(), count].
void FlatIndex::score_group(std::span<const Query> queries, std::span<const float> vectors, size_t first, size_t count,
                            float* out) const {
  if (rows_ && metric_ == Metric::dot && queries.size() > 1) {
    size_t stride = dim_ * sizeof(float);
    simd::kernels().dot_f32_block({vectors.data(), queries.size(), dim_, stride},
                                  {rows_ + first * dim_, count, dim_, stride}, out, count);
    return;
  }
  for (size_t q = 0; q < queries.size(); ++q) score_prepared(queries[q], first, {out + q * count, count});
}

void FlatIndex::score_rows(std::span<const float> query, size_t first, std::span<float> out) const {
  score_prepared(prepare(query), first, out);
}

std::vector<Scored> FlatIndex::search(std::span<const float> query, size_t k, base::ThreadPool* pool,
                                      uint64_t* nan_count) const {
  return std::move(search_batch(query, k, pool, nan_count).at(0));
}

std::vector<std::vector<Scored>> FlatIndex::search_batch(std::span<const float> queries, size_t k,
                                                         base::ThreadPool* pool, uint64_t* nan_count) const {
  check_dim(queries.size(), dim_, "queries");
  const size_t query_count = queries.size() / dim_;
  std::vector<std::vector<Scored>> out(query_count);
  k = std::min(k, count_);
  const size_t groups = (query_count + kGroupQueries - 1) / kGroupQueries;
  const size_t segments = std::max<size_t>(1, (count_ + kSegmentRows - 1) / kSegmentRows);
  const size_t block_rows = std::clamp<size_t>(kBlockBytes / row_bytes_, 16, 4096);
  // parts[q * segments + s]: the best of segment s. Which thread fills it makes no difference.
  std::vector<std::vector<Scored>> parts(query_count * segments);
  std::atomic<uint64_t> nans = 0;
  auto scan = [&](size_t item, size_t) {
    size_t group = item / segments;
    size_t segment = item % segments;
    size_t first_query = group * kGroupQueries;
    size_t n = std::min(kGroupQueries, query_count - first_query);
    std::span<const float> vectors = queries.subspan(first_query * dim_, n * dim_);
    std::vector<Query> prepared;
    std::vector<simd::TopK> best;
    for (size_t q = 0; q < n; ++q) {
      prepared.push_back(prepare(vectors.subspan(q * dim_, dim_)));
      best.emplace_back(k, nearer(metric_));
    }
    std::vector<float> scores(n * block_rows);
    size_t end = std::min(count_, (segment + 1) * kSegmentRows);
    for (size_t row = segment * kSegmentRows; row < end; row += block_rows) {
      size_t count = std::min(block_rows, end - row);
      score_group(prepared, vectors, row, count, scores.data());
      for (size_t q = 0; q < n; ++q) best[q].push_block(row, {scores.data() + q * count, count});
    }
    for (size_t q = 0; q < n; ++q) {
      nans += best[q].nan_count();
      parts[(first_query + q) * segments + segment] = best[q].take();
    }
  };
  if (pool) {
    pool->parallel_for(groups * segments, scan);
  } else {
    for (size_t item = 0; item < groups * segments; ++item) scan(item, 0);
  }
  for (size_t q = 0; q < query_count; ++q) {
    simd::TopK best(k, nearer(metric_));
    for (size_t s = 0; s < segments; ++s) {
      for (const Scored& hit : parts[q * segments + s]) best.push(hit.id, hit.score);
    }
    out[q] = best.take();
  }
  if (nan_count) *nan_count = nans;
  return out;
}

void quantize_rows(std::span<const float> rows, size_t dim, std::span<int8_t> codes, std::span<float> scales) {
  check_dim(rows.size(), dim, "rows");
  const simd::Kernels& k = simd::kernels();
  for (size_t row = 0; row < scales.size(); ++row) {
    const float* values = rows.data() + row * dim;
    float scale = k.max_abs_f32(values, dim) / 127;
    scales[row] = scale;
    k.f32_to_i8(values, dim, scale > 0 ? 1 / scale : 0, codes.data() + row * dim);
  }
}

}  // namespace sextant::index
