// bench_distance [--tiny]: how fast each kernel is on each tier that this machine has, and exact search with them.
//
// Kernels: one query with many rows, once with rows that stay in the second cache (256 KiB) and once with rows that
// come from memory (96 MiB). The tiers take turns, run by run; the median of the runs counts, min and max stand beside
// it. Walks: rows by number out of 200,000 of 384 dimensions. Search: 100,000 random unit vectors of 256 dimensions,
// the 10 best by dot product, one thread; what int8 finds of what f32 finds stands beside its speed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "simd/kernels.h"
#include "simd/top_k.h"
#include "timing.h"

namespace {

namespace simd = sextant::simd;
using sextant::base::Random;
using sextant::bench::bench_walks;
using sextant::bench::Sizes;
using sextant::bench::tiers;
using sextant::bench::time_in_turns;
using sextant::bench::Timing;

// A kernel as the table of a tier has it, over bytes that mean whatever its type says.
struct Task {
  std::string_view name;
  size_t bits_per_element;
  std::function<void(const simd::Kernels&, const void* query, const void* rows, size_t count, size_t dim, void* out)>
      run;
};

template <class Q, class T, class Score>
Task task(std::string_view name, size_t bits_per_element,
          void (*simd::Kernels::*member)(const Q*, simd::Rows<T>, Score*)) {
  return {name, bits_per_element,
          [member, bits_per_element](const simd::Kernels& k, const void* query, const void* rows, size_t count,
                                     size_t dim, void* out) {
            size_t elements = bits_per_element == 1 ? dim / 8 : dim;
            simd::Rows<T> table{static_cast<const T*>(rows), count, elements, dim * bits_per_element / 8};
            (k.*member)(static_cast<const Q*>(query), table, static_cast<Score*>(out));
          }};
}

std::vector<Task> tasks() {
  using K = simd::Kernels;
  return {
      task("dot f32", 32, &K::dot_f32_rows),         task("cosine f32", 32, &K::cosine_f32_rows),
      task("l2 f32", 32, &K::l2_squared_f32_rows),   task("l1 f32", 32, &K::l1_f32_rows),
      task("dot f16", 16, &K::dot_f16_rows),         task("cosine f16", 16, &K::cosine_f16_rows),
      task("l2 f16", 16, &K::l2_squared_f16_rows),   task("dot bf16", 16, &K::dot_bf16_rows),
      task("cosine bf16", 16, &K::cosine_bf16_rows), task("l2 bf16", 16, &K::l2_squared_bf16_rows),
      task("dot int8", 8, &K::dot_i8_rows),          task("cosine int8", 8, &K::cosine_i8_rows),
      task("l2 int8", 8, &K::l2_squared_i8_rows),    task("hamming bits", 1, &K::hamming_rows),
      task("dot 4 bits", 4, &K::dot_u4_rows),        task("dot 1 bit", 1, &K::dot_u1_rows),
  };
}

// Small normal numbers of each width: what the arithmetic meets in practice, and no slow path.
void fill_with_numbers(std::vector<uint8_t>& bytes, size_t bits_per_element, Random& random) {
  const simd::Kernels& k = simd::kernels_for(simd::Tier::scalar);
  if (bits_per_element <= 8) {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
    return;
  }
  size_t count = bytes.size() * 8 / bits_per_element;
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.uniform() * 2 - 1);
  if (bits_per_element == 32) std::memcpy(bytes.data(), values.data(), count * sizeof(float));
  // The bits of f16 read as bf16 are numbers of moderate size too.
  if (bits_per_element == 16) k.f32_to_f16(values.data(), count, reinterpret_cast<simd::Float16*>(bytes.data()));
}

void bench_kernels(const Sizes& sizes) {
  fmt::print(
      "One query with many rows, one thread; GB/s of rows read; processor time, median of {} runs (min-max in ns)\n\n",
      sizes.runs);
  fmt::print("{:<13} {:>4}  {:<12} | {:>8} {:>15} {:>7} {:>9} | {:>8} {:>15} {:>7} {:>9}\n", "kernel", "dim", "tier",
             "cache ns", "min-max", "GB/s", "x scalar", "mem. ns", "min-max", "GB/s", "x scalar");
  Random random(1);
  std::vector<uint8_t> memory(sizes.memory_bytes);
  std::vector<uint8_t> query(4096 * sizeof(float));
  std::vector<uint32_t> out(sizes.memory_bytes / 8 + 1);
  size_t filled_for = 0;
  for (const Task& t : tasks()) {
    if (filled_for != t.bits_per_element) {
      fill_with_numbers(memory, t.bits_per_element, random);
      fill_with_numbers(query, t.bits_per_element <= 8 ? 8 : 32, random);
      filled_for = t.bits_per_element;
    }
    for (size_t dim : sizes.dims) {
      size_t row_bytes = dim * t.bits_per_element / 8;
      std::vector<Timing> timings[2];
      size_t counts[2] = {std::max<size_t>(sizes.cache_bytes / row_bytes, 1),
                          std::max<size_t>(sizes.memory_bytes / row_bytes, 1)};
      for (int where = 0; where < 2; ++where) {
        std::vector<std::function<void()>> contestants;
        for (simd::Tier tier : tiers()) {
          const simd::Kernels& k = simd::kernels_for(tier);
          size_t count = counts[where];
          contestants.push_back([&, count] { t.run(k, query.data(), memory.data(), count, dim, out.data()); });
        }
        timings[where] = time_in_turns(sizes, contestants);
      }
      for (size_t i = 0; i < tiers().size(); ++i) {
        std::string line = fmt::format("{:<13} {:>4}  {:<12}", t.name, dim, simd::name(tiers()[i]));
        for (int where = 0; where < 2; ++where) {
          const Timing& timing = timings[where][i];
          double rows = static_cast<double>(counts[where]);
          double ns = timing.median / rows * 1e9;
          line += fmt::format(" | {:>8.2f} {:>15} {:>7.1f} {:>9.2f}", ns,
                              fmt::format("{:.2f}-{:.2f}", timing.min / rows * 1e9, timing.max / rows * 1e9),
                              static_cast<double>(row_bytes) / ns, timings[where][0].median / timing.median);
        }
        fmt::print("{}\n", line);
      }
    }
  }
}

// Mean of token rows, as a static model makes one text of 8 tokens.
void bench_bags(const Sizes& sizes) {
  constexpr size_t kTableRows = 30000;
  constexpr size_t kDim = 256;
  constexpr size_t kTokens = 8;
  constexpr size_t kTexts = 1000;
  Random random(2);
  std::vector<uint32_t> ids(kTexts * kTokens);
  // Words follow Zipf's law: few are frequent.
  for (uint32_t& id : ids) id = static_cast<uint32_t>(std::exp(random.uniform() * std::log(double{kTableRows})) - 1);
  std::vector<float> f32(kTableRows * kDim);
  for (float& value : f32) value = static_cast<float>(random.normal());
  std::vector<simd::Float16> f16(f32.size());
  std::vector<int8_t> i8(f32.size());
  simd::kernels_for(simd::Tier::scalar).f32_to_f16(f32.data(), f32.size(), f16.data());
  simd::kernels_for(simd::Tier::scalar).f32_to_i8(f32.data(), f32.size(), 25.0f, i8.data());
  std::vector<float> scales(kTableRows, 0.04f);
  fmt::print("\nBags of {} rows of {} of {}, summed and normalised, one thread: texts/s\n\n", kTokens, kDim,
             kTableRows);
  fmt::print("{:<12} {:>12} {:>12} {:>12}\n", "tier", "f32", "f16", "int8");
  std::vector<std::function<void()>> contestants;
  std::vector<float> out(kDim);
  for (simd::Tier tier : tiers()) {
    const simd::Kernels& k = simd::kernels_for(tier);
    auto texts = [&](auto bag, auto table, const float* row_scales) {
      for (size_t text = 0; text < kTexts; ++text) {
        std::fill(out.begin(), out.end(), 0.0f);
        bag(table, row_scales, simd::Bag{ids.data() + text * kTokens, nullptr, kTokens}, out.data());
        k.normalize_f32(out.data(), kDim);
      }
    };
    contestants.push_back([=, &f32, &k] {
      texts(k.bag_f32, simd::Rows<float>{f32.data(), kTableRows, kDim, kDim * sizeof(float)}, nullptr);
    });
    contestants.push_back([=, &f16, &k] {
      texts(k.bag_f16, simd::Rows<simd::Float16>{f16.data(), kTableRows, kDim, kDim * 2}, nullptr);
    });
    contestants.push_back([=, &i8, &scales, &k] {
      texts(k.bag_i8, simd::Rows<int8_t>{i8.data(), kTableRows, kDim, kDim}, scales.data());
    });
  }
  std::vector<Timing> timings = time_in_turns(sizes, contestants);
  for (size_t i = 0; i < tiers().size(); ++i) {
    fmt::print("{:<12}", simd::name(tiers()[i]));
    for (size_t j = 0; j < 3; ++j) fmt::print(" {:>12.0f}", kTexts / timings[3 * i + j].median);
    fmt::print("\n");
  }
}

void bench_search(const Sizes& sizes) {
  constexpr size_t kDim = 256;
  constexpr size_t kBest = 10;
  constexpr size_t kRowsAtOnce = 1024;
  size_t count = sizes.search_rows;
  size_t query_count = sizes.search_queries;
  Random random(3);
  const simd::Kernels& best = simd::kernels_for(simd::best_tier());
  std::vector<float> rows((count + query_count) * kDim);
  for (size_t i = 0; i < count + query_count; ++i) {
    for (size_t j = 0; j < kDim; ++j) rows[i * kDim + j] = static_cast<float>(random.uniform() + random.uniform() - 1);
    best.normalize_f32(rows.data() + i * kDim, kDim);
  }
  const float* queries = rows.data() + count * kDim;
  float multiplier = 127.0f / best.max_abs_f32(rows.data(), rows.size());
  std::vector<int8_t> bytes(rows.size());
  best.f32_to_i8(rows.data(), rows.size(), multiplier, bytes.data());
  std::vector<simd::Float16> halves(count * kDim);
  best.f32_to_f16(rows.data(), halves.size(), halves.data());
  const int8_t* query_bytes = bytes.data() + count * kDim;
  simd::Rows<float> f32{rows.data(), count, kDim, kDim * sizeof(float)};
  simd::Rows<simd::Float16> f16{halves.data(), count, kDim, kDim * sizeof(simd::Float16)};
  simd::Rows<int8_t> i8{bytes.data(), count, kDim, kDim};

  // Scores of a stretch of rows are made, then looked at while they are in the first cache.
  auto scan = [&](const simd::Kernels& k, auto rows_of, auto score, simd::TopK& top) {
    std::vector<float> scores(kRowsAtOnce);
    for (size_t i = 0; i < rows_of.count; i += kRowsAtOnce) {
      auto part = rows_of;
      part.data += i * kDim;
      part.count = std::min(kRowsAtOnce, rows_of.count - i);
      score(k, part, scores.data());
      top.push_block(i, std::span<const float>(scores.data(), part.count));
    }
  };
  auto search_f32 = [&](const simd::Kernels& k, size_t q) {
    simd::TopK top(kBest, simd::Nearer::higher, k);
    scan(
        k, f32, [&](const auto& kk, auto part, float* out) { kk.dot_f32_rows(queries + q * kDim, part, out); }, top);
    return top.take();
  };
  auto search_f16 = [&](const simd::Kernels& k, size_t q) {
    simd::TopK top(kBest, simd::Nearer::higher, k);
    scan(
        k, f16, [&](const auto& kk, auto part, float* out) { kk.dot_f16_rows(queries + q * kDim, part, out); }, top);
    return top.take();
  };
  auto search_i8 = [&](const simd::Kernels& k, size_t q) {
    simd::TopK top(kBest, simd::Nearer::higher, k);
    std::vector<int32_t> integers(kRowsAtOnce);
    scan(
        k, i8,
        [&](const auto& kk, auto part, float* out) {
          kk.dot_i8_rows(query_bytes + q * kDim, part, integers.data());
          kk.i32_to_f32(integers.data(), part.count, 1.0f, nullptr, out);
        },
        top);
    return top.take();
  };
  // All queries together.
  auto batch_f32 = [&](const simd::Kernels& k) {
    std::vector<simd::TopK> tops(query_count, simd::TopK(kBest, simd::Nearer::higher, k));
    std::vector<float> scores(query_count * kRowsAtOnce);
    for (size_t i = 0; i < count; i += kRowsAtOnce) {
      simd::Rows<float> part = f32;
      part.data += i * kDim;
      part.count = std::min(kRowsAtOnce, count - i);
      k.dot_f32_block({queries, query_count, kDim, kDim * sizeof(float)}, part, scores.data(), kRowsAtOnce);
      for (size_t q = 0; q < query_count; ++q) {
        tops[q].push_block(i, std::span<const float>(scores.data() + q * kRowsAtOnce, part.count));
      }
    }
  };
  auto batch_i8 = [&](const simd::Kernels& k) {
    std::vector<simd::TopK> tops(query_count, simd::TopK(kBest, simd::Nearer::higher, k));
    std::vector<int32_t> integers(query_count * kRowsAtOnce);
    std::vector<float> scores(kRowsAtOnce);
    for (size_t i = 0; i < count; i += kRowsAtOnce) {
      simd::Rows<int8_t> part = i8;
      part.data += i * kDim;
      part.count = std::min(kRowsAtOnce, count - i);
      k.dot_i8_block({query_bytes, query_count, kDim, kDim}, part, integers.data(), kRowsAtOnce);
      for (size_t q = 0; q < query_count; ++q) {
        k.i32_to_f32(integers.data() + q * kRowsAtOnce, part.count, 1.0f, nullptr, scores.data());
        tops[q].push_block(i, std::span<const float>(scores.data(), part.count));
      }
    }
  };

  size_t found = 0;
  for (size_t q = 0; q < query_count; ++q) {
    std::vector<simd::Scored> truth = search_f32(best, q);
    for (const simd::Scored& hit : search_i8(best, q)) {
      found +=
          static_cast<size_t>(std::count_if(truth.begin(), truth.end(), [&](const auto& t) { return t.id == hit.id; }));
    }
  }
  fmt::print("\nExact search, {} rows of {}, {} best, one thread: queries/s\n\n", count, kDim, kBest);
  fmt::print("{:<12} {:>10} {:>10} {:>10} {:>15} {:>15}\n", "tier", "f32", "f16", "int8",
             fmt::format("f32, {} at once", query_count), fmt::format("int8, {}", query_count));
  std::vector<std::function<void()>> contestants;
  size_t turn = 0;
  for (simd::Tier tier : tiers()) {
    const simd::Kernels& k = simd::kernels_for(tier);
    contestants.push_back([&] { search_f32(k, turn++ % query_count); });
    contestants.push_back([&] { search_f16(k, turn++ % query_count); });
    contestants.push_back([&] { search_i8(k, turn++ % query_count); });
    contestants.push_back([&] { batch_f32(k); });
    contestants.push_back([&] { batch_i8(k); });
  }
  std::vector<Timing> timings = time_in_turns(sizes, contestants);
  for (size_t i = 0; i < tiers().size(); ++i) {
    double many = static_cast<double>(query_count);
    const Timing* t = timings.data() + 5 * i;
    fmt::print("{:<12} {:>10.0f} {:>10.0f} {:>10.0f} {:>15.0f} {:>15.0f}\n", simd::name(tiers()[i]), 1 / t[0].median,
               1 / t[1].median, 1 / t[2].median, many / t[3].median, many / t[4].median);
  }
  fmt::print("\nint8 finds {:.3f} of what f32 finds (random vectors: the hard case).\n",
             static_cast<double>(found) / static_cast<double>(query_count * kBest));
}

}  // namespace

int main(int argc, char** argv) {
  Sizes sizes;
  if (argc == 2 && std::string_view(argv[1]) == "--tiny") {
    sizes = {.cache_bytes = 16 << 10,
             .memory_bytes = 64 << 10,
             .runs = 1,
             .run_seconds = 0,
             .dims = {64},
             .walk_rows = 300,
             .search_rows = 2000,
             .search_queries = 5};
  } else if (argc != 1) {
    fmt::print(stderr, "usage: bench_distance [--tiny]\n");
    return 2;
  }
  bench_kernels(sizes);
  bench_bags(sizes);
  bench_walks(sizes);
  bench_search(sizes);
}
