// bench_product [--rows M] [--inputs K] [--outputs N] [--rounds R] [--tiny]: what the products of a linear layer reach
// in each precision on the tier in use (SEXTANT_SIMD), weights packed and activations rounded beforehand: the best of
// the rounds, in billions of operations a second, and the error relative to double precision. What the processor could
// reach at best stands above.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "cli/command_line.h"
#include "peak.h"
#include "sextant/error.h"
#include "sextant/version.h"
#include "tensor/packing.h"

namespace {

using namespace sextant;          // NOLINT
using namespace sextant::tensor;  // NOLINT

constexpr size_t kBlockRows = 96;  // as layers take them

struct Layer {
  size_t inputs, outputs;
};

std::vector<float> normal_floats(size_t count, uint64_t seed, float spread) {
  base::Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = spread * static_cast<float>(random.normal());
  return values;
}

void measure(const Layer& layer, size_t rows, size_t rounds) {
  const Kernels& kernel = kernels();
  const size_t k = layer.inputs, n = layer.outputs;
  const std::vector<float> w = normal_floats(n * k, 1, 0.05f), x = normal_floats(rows * k, 2, 1);
  fmt::print("{:>5} x {:>5} x {:>5}", rows, k, n);
  for (Compute compute : {Compute::float32, Compute::float32_bf16, Compute::bfloat16, Compute::int8}) {
    const Rows part{w.data(), n, k};
    const PackedWeights weights({&part, 1}, k, compute, kernel);
    // A in the product's own type.
    const bool rounded = compute == Compute::bfloat16 || compute == Compute::int8;
    const size_t stride = rounded ? weights.depth() * element_bytes(compute) : k * sizeof(float);
    std::vector<std::byte> a(rows * stride);
    std::vector<float> scales(rows), offsets(rows), c(rows * n);
    for (size_t i = 0; i < rows; ++i) {
      std::byte* row = a.data() + i * stride;
      const float* from = x.data() + i * k;
      if (compute == Compute::bfloat16) {
        simd::kernels().f32_to_bf16(from, k, reinterpret_cast<simd::BFloat16*>(row));
      } else if (compute == Compute::int8) {
        kernel.quantize(from, k, kernel.i8_max, reinterpret_cast<uint8_t*>(row), &scales[i], &offsets[i]);
      } else {
        std::copy_n(from, k, reinterpret_cast<float*>(row));
      }
    }
    double best = 1e9;
    for (size_t round = 0; round < rounds; ++round) {
      const auto start = std::chrono::steady_clock::now();
      for (size_t i = 0; i < rows; i += kBlockRows) {
        weights.multiply(kernel, a.data() + i * stride, stride, std::min(kBlockRows, rows - i), 0, n, c.data() + i * n,
                         n, scales.data() + i, offsets.data() + i);
      }
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    base::Random random(3);
    double error = 0, size = 0;
    for (int sample = 0; sample < 200; ++sample) {
      const size_t i = random.below(rows), j = random.below(n);
      double want = 0;
      for (size_t p = 0; p < k; ++p) want += static_cast<double>(x[i * k + p]) * w[j * k + p];
      error += (c[i * n + j] - want) * (c[i * n + j] - want);
      size += want * want;
    }
    fmt::print("  {:>8.1f} {:.0e}", 2e-9 * static_cast<double>(rows * k * n) / best, std::sqrt(error / size));
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  size_t rows = 512, inputs = 0, outputs = 0, rounds = 50;
  bool tiny = false;
  cli::CommandLine line("bench_product",
                        "Products of linear layers in each precision: billions of operations a second.",
                        std::string(kVersion), "");
  const cli::Command options = line.root();
  options.option("--rows", rows, "rows of the left matrix").range(1, 100000).show_default();
  options.option("--inputs", inputs, "0: the layers of MiniLM-L6 and of BERT base").range(0, 65536).show_default();
  options.option("--outputs", outputs, "0 likewise").range(0, 65536).show_default();
  options.option("--rounds", rounds, "how often; the best counts").range(1, 100000).show_default();
  options.flag("--tiny", tiny, "a moment, for the tests");
  options.callback([&] {
    std::vector<Layer> layers = {{384, 1152}, {384, 384}, {384, 1536}, {1536, 384}, {768, 3072}, {3072, 768}};
    if (inputs > 0 || outputs > 0) layers = {{std::max<size_t>(1, inputs), std::max<size_t>(1, outputs)}};
    if (tiny) {
      layers = {{65, 33}};
      rows = 20;
      rounds = 2;
    }
    fmt::print("tier {}; at best", simd::name(kernels().tier));
    for (const std::string& name : bench::peak_names()) {
      double peak = 0;
      for (int i = 0; i < 10; ++i) peak = std::max(peak, bench::measure_peak(name, 1, tiny ? 0.001 : 0.05));
      fmt::print(" {} {:.1f}", name, peak * 1e-9);
    }
    fmt::print("\nerror beside each rate\n{:>5}   {:>5}   {:>5}  {:>14} {:>14} {:>14} {:>14}\n", "rows", "in", "out",
               "float32", "of bf16", "bfloat16", "int8");
    for (const Layer& layer : layers) measure(layer, rows, rounds);
  });
  try {
    line.run(argc, argv);
  } catch (const Error& error) {
    fmt::print(stderr, "bench_product: {}\n", error.what());
    return exit_status(error.code());
  }
}
