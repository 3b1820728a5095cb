// Every kernel on every tier that this machine has, and the AVX-512 and AMX files over emulated instructions
// everywhere, against references in double. What is read lies at the end of a page after which nothing may be touched;
// what is written lies between values that must stay.
#include "tensor/kernels.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "tensor/testing_matrices.h"

namespace sextant::tensor {
void fill_avx512_emulated(Kernels& kernels);
void fill_avx512_vnni_emulated(Kernels& kernels);
void fill_avx512_bf16_emulated(Kernels& kernels);
void fill_amx_emulated(Kernels& kernels);
}  // namespace sextant::tensor

namespace sextant::tensor {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kGuard = -12345.25f;

// COUNT elements that end where a page begins which may not be touched.
template <class T>
class Edged {
 public:
  explicit Edged(size_t count) : count_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = (count * sizeof(T) + page - 1) / page * page;
    mapped_ = bytes + page;
    memory_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    if (mprotect(static_cast<char*>(memory_) + bytes, page, PROT_NONE) != 0) throw std::bad_alloc();
    data_ = reinterpret_cast<T*>(static_cast<char*>(memory_) + bytes - count * sizeof(T));
  }
  Edged(const Edged&) = delete;
  Edged& operator=(const Edged&) = delete;
  ~Edged() { munmap(memory_, mapped_); }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }

 private:
  size_t count_;
  size_t mapped_ = 0;
  void* memory_ = nullptr;
  T* data_ = nullptr;
};

float value_of(float x) { return x; }
float value_of(uint8_t x) { return x; }
float value_of(int8_t x) { return x; }
float value_of(simd::BFloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Operands of a product: A [m, k] in rows that are longer than they need be, B [k, n] packed as the shape says.
template <class A, class B>
struct Operands {
  Operands(const PanelShape& shape, size_t m_, size_t n_, size_t k_)
      : m(m_),
        n(n_),
        k(k_),
        filled(shape.filled(k_)),
        stride(filled + 3),
        panels((n_ + shape.width - 1) / shape.width),
        a(m_ == 0 ? 0 : (m_ - 1) * stride + filled),
        b(panels * shape.width * filled),
        plain_b(k_ * n_),
        shape_(shape) {}

  void set(size_t p, size_t j, B value) {
    plain_b[p * n + j] = value;
    b[j / shape_.width * shape_.width * filled + (p / shape_.group * shape_.width + j % shape_.width) * shape_.group +
      p % shape_.group] = value;
  }
  template <class MakeA, class MakeB>
  void fill(MakeA make_a, MakeB make_b) {
    for (size_t i = 0; i < m; ++i) {
      for (size_t p = 0; p < k; ++p) a[i * stride + p] = make_a(i, p);
    }
    for (size_t p = 0; p < k; ++p) {
      for (size_t j = 0; j < n; ++j) set(p, j, make_b(p, j));
    }
  }
  double dot(size_t i, size_t j, double* size = nullptr) const {
    double sum = 0;
    for (size_t p = 0; p < k; ++p) {
      const double term = static_cast<double>(value_of(a[i * stride + p])) * value_of(plain_b[p * n + j]);
      sum += term;
      if (size != nullptr) *size += std::fabs(term);
    }
    return sum;
  }
  Product product() const {
    Product p{};
    p.m = m;
    p.n = n;
    p.k = filled;
    p.a = a.data();
    p.a_stride = stride * sizeof(A);
    p.b = b.data();
    return p;
  }

  size_t m, n, k, filled, stride, panels;
  Edged<A> a;
  Edged<B> b;
  std::vector<B> plain_b;

 private:
  PanelShape shape_;
};

// C [m, n] with guards around it and between its rows.
class Result {
 public:
  Result(size_t m, size_t n) : m_(m), n_(n), stride_(n + 5), values_((m + 2) * stride_, kGuard) {}
  float* data() { return values_.data() + stride_; }
  size_t stride() const { return stride_; }
  float& at(size_t i, size_t j) { return data()[i * stride_ + j]; }
  void fill(float value) {
    for (size_t i = 0; i < m_; ++i) std::fill_n(data() + i * stride_, n_, value);
  }
  bool guards_stand() {
    for (size_t i = 0; i < values_.size(); ++i) {
      const size_t row = i / stride_;
      const bool inside = row > 0 && row <= m_ && i % stride_ < n_;
      if (!inside && values_[i] != kGuard) return false;
    }
    return true;
  }

 private:
  size_t m_, n_, stride_;
  std::vector<float> values_;
};

struct Shape {
  size_t m, n, k;
};

std::string text(const Shape& s) {
  return "m " + std::to_string(s.m) + " n " + std::to_string(s.n) + " k " + std::to_string(s.k);
}

// Every number of rows, and the edges of panels, groups, depths and slices.
std::vector<Shape> shapes_for(const ProductKernel& kernel) {
  const size_t width = kernel.panel.width;
  std::vector<Shape> all;
  for (size_t m = 1; m <= 40; ++m) all.push_back({m, width + 3, 33});
  for (size_t m : {1, 7, 33}) {
    for (size_t n : {size_t{1}, width - 1, width, 2 * width + 5}) {
      for (size_t k : {0, 1, 3, 31, 33, 255, 257}) all.push_back({m, n, k});
    }
  }
  for (size_t k : {768, 1025, 4097}) all.push_back({3, width + 1, k});
  all.push_back({35, width, 1100});
  all.push_back({0, width, 5});
  all.push_back({5, 0, 5});
  return all;
}

// ---- The contestants.

const std::vector<std::string>& contestants() {
  static const std::vector<std::string> kNames = {
      "scalar",
      "avx2",
      "avx512",
      "avx512_vnni",
      "avx512_bf16",
      "amx",
      "avx512_emulated",
      "avx512_vnni_emulated",
      "avx512_bf16_emulated",
      "amx_emulated",
  };
  return kNames;
}

class TensorKernelsOf : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string contestant = GetParam();
    if (contestant.ends_with("_emulated")) {
      contestant.resize(contestant.size() - std::strlen("_emulated"));
      const simd::Tier tier = simd::parse_tier(contestant);
      fill_scalar(emulated_);
      fill_avx512_emulated(emulated_);
      if (tier >= simd::Tier::avx512_vnni) fill_avx512_vnni_emulated(emulated_);
      if (tier >= simd::Tier::avx512_bf16) fill_avx512_bf16_emulated(emulated_);
      if (tier >= simd::Tier::amx) fill_amx_emulated(emulated_);
      k = &emulated_;
      return;
    }
    const simd::Tier tier = simd::parse_tier(contestant);
    if (!simd::is_available(tier)) GTEST_SKIP() << "this machine lacks the tier " << contestant;
    k = &tensor::kernels_for(tier);
    EXPECT_EQ(k->tier, tier);
  }

  float normal() { return static_cast<float>(random.normal()); }
  simd::BFloat16 half() {
    const float value = normal();
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return {static_cast<uint16_t>(bits >> 16)};
  }
  uint8_t byte() { return static_cast<uint8_t>(random.below(static_cast<uint64_t>(k->i8_max) + 1)); }
  int8_t weight() { return static_cast<int8_t>(static_cast<int>(random.below(255)) - 127); }

  const Kernels* k = nullptr;
  base::Random random{20261121};

 private:
  Kernels emulated_{};
};

INSTANTIATE_TEST_SUITE_P(Tier, TensorKernelsOf, testing::ValuesIn(contestants()),
                         [](const auto& contestant) { return contestant.param; });

// ---- Products.

// How far a sum of k rounded products may be from the exact one whose terms' magnitudes sum to SIZE.
double tolerance(size_t k, double size) { return static_cast<double>(k + 2) * 0x1p-24 * size; }

template <class Operands>
void expect_product_near(const ProductKernel& kernel, const Operands& operands, bool accumulate) {
  Result c(operands.m, operands.n);
  if (accumulate) c.fill(2.5f);
  Product product = operands.product();
  product.c = c.data();
  product.c_stride = c.stride();
  product.accumulate = accumulate;
  kernel.multiply(product);
  ASSERT_TRUE(c.guards_stand());
  for (size_t i = 0; i < operands.m; ++i) {
    for (size_t j = 0; j < operands.n; ++j) {
      double size = accumulate ? 2.5 : 0;
      const double want = operands.dot(i, j, &size) + (accumulate ? 2.5 : 0);
      ASSERT_NEAR(c.at(i, j), want, tolerance(operands.k, size)) << i << ", " << j;
    }
  }
}

TEST_P(TensorKernelsOf, f32_products_equal_the_reference_for_every_shape) {
  for (const Shape& shape : shapes_for(k->f32)) {
    SCOPED_TRACE(text(shape));
    Operands<float, float> operands(k->f32.panel, shape.m, shape.n, shape.k);
    operands.fill([&](size_t, size_t) { return normal(); }, [&](size_t, size_t) { return normal(); });
    expect_product_near(k->f32, operands, shape.m % 2 == 1);
    if (HasFatalFailure()) return;
  }
}

TEST_P(TensorKernelsOf, f32_products_replace_or_add_to_what_is_there) {
  Operands<float, float> operands(k->f32.panel, 9, k->f32.panel.width + 2, 300);
  operands.fill([&](size_t, size_t) { return normal(); }, [&](size_t, size_t) { return normal(); });
  for (bool accumulate : {false, true}) expect_product_near(k->f32, operands, accumulate);
}

// Every half there is, but for NaNs, whose payload nobody promises.
TEST_P(TensorKernelsOf, f32_products_with_halves_give_the_bytes_of_their_floats) {
  auto compare = [&](const auto& halves, const ProductKernel& kernel, size_t n, size_t depth, size_t m, auto widen) {
    const size_t width = k->f32.panel.width;
    ASSERT_EQ(kernel.panel.width, width);
    ASSERT_EQ(halves.size(), (n + width - 1) / width * width * depth);
    std::vector<float> floats(halves.size()), a(m * depth);
    widen(halves.data(), halves.size(), floats.data());
    for (float& value : a) value = normal();
    Result wanted(m, n), got(m, n);
    Product product{};
    product.m = m;
    product.n = n;
    product.k = depth;
    product.a = a.data();
    product.a_stride = depth * sizeof(float);
    product.b = floats.data();
    product.c = wanted.data();
    product.c_stride = wanted.stride();
    k->f32.multiply(product);
    product.b = halves.data();
    product.c = got.data();
    kernel.multiply(product);
    ASSERT_TRUE(got.guards_stand());
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < n; ++j) ASSERT_EQ(got.at(i, j), wanted.at(i, j)) << i << ", " << j;
    }
  };
  const size_t width = k->f32.panel.width;
  // All finite values, one a product: k = 1 shows each by itself.
  std::vector<simd::BFloat16> all_bf16;
  std::vector<simd::Float16> all_f16;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    if ((bits >> 7 & 255) != 255) all_bf16.push_back({static_cast<uint16_t>(bits)});
    if ((bits >> 10 & 31) != 31) all_f16.push_back({static_cast<uint16_t>(bits)});
  }
  const auto& simd_kernels = simd::kernels();
  all_bf16.resize((all_bf16.size() + width - 1) / width * width);
  all_f16.resize((all_f16.size() + width - 1) / width * width);
  compare(all_bf16, k->f32_bf16, all_bf16.size(), 1, 1, simd_kernels.bf16_to_f32);
  compare(all_f16, k->f32_f16, all_f16.size(), 1, 1, simd_kernels.f16_to_f32);
  // And several slices deep.
  for (size_t m : {1, 5, 40}) {
    const size_t depth = 700;
    std::vector<simd::BFloat16> bf16(2 * width * depth);
    std::vector<simd::Float16> f16(2 * width * depth);
    for (auto& value : bf16) value = half();
    for (auto& value : f16) value = {static_cast<uint16_t>(random.below(0x7C00) | (random.below(2) << 15))};
    compare(bf16, k->f32_bf16, width + 3, depth, m, simd_kernels.bf16_to_f32);
    compare(f16, k->f32_f16, width + 3, depth, m, simd_kernels.f16_to_f32);
  }
}

TEST_P(TensorKernelsOf, bf16_products_equal_the_reference_for_every_shape) {
  for (const Shape& shape : shapes_for(k->bf16)) {
    SCOPED_TRACE(text(shape));
    Operands<simd::BFloat16, simd::BFloat16> operands(k->bf16.panel, shape.m, shape.n, shape.k);
    operands.fill([&](size_t, size_t) { return half(); }, [&](size_t, size_t) { return half(); });
    expect_product_near(k->bf16, operands, false);
    if (HasFatalFailure()) return;
  }
}

// Scales of 1 and offsets of 0 show the sums themselves; then others show what becomes of them.
TEST_P(TensorKernelsOf, i8_products_equal_integer_sums_for_every_shape) {
  for (const Shape& shape : shapes_for(k->i8)) {
    SCOPED_TRACE(text(shape));
    Operands<uint8_t, int8_t> operands(k->i8.panel, shape.m, shape.n, shape.k);
    operands.fill([&](size_t, size_t) { return byte(); }, [&](size_t, size_t) { return weight(); });
    const size_t columns = operands.panels * k->i8.panel.width;
    std::vector<float> row_scales(shape.m, 1.0f), row_offsets(shape.m, 0.0f);
    std::vector<float> column_scales(columns, 1.0f), column_sums(columns, 3.0f);
    Product product = operands.product();
    product.row_scales = row_scales.data();
    product.row_offsets = row_offsets.data();
    product.column_scales = column_scales.data();
    product.column_sums = column_sums.data();
    for (bool scaled : {false, true}) {
      if (scaled) {
        for (float& x : row_scales) x = normal();
        for (float& x : row_offsets) x = normal() * 100;
        for (float& x : column_scales) x = normal();
        for (float& x : column_sums) x = std::round(normal() * 1000);
      }
      Result c(shape.m, shape.n);
      product.c = c.data();
      product.c_stride = c.stride();
      k->i8.multiply(product);
      ASSERT_TRUE(c.guards_stand());
      for (size_t i = 0; i < shape.m; ++i) {
        for (size_t j = 0; j < shape.n; ++j) {
          const double sum = operands.dot(i, j);  // exact: below 2^53
          if (!scaled) {
            ASSERT_EQ(c.at(i, j), static_cast<float>(sum)) << i << ", " << j;
            continue;
          }
          const double first = row_scales[i] * sum;
          const double second = static_cast<double>(row_offsets[i]) * column_sums[j];
          ASSERT_NEAR(c.at(i, j), (first + second) * column_scales[j],
                      5 * 0x1p-24 * std::fabs(column_scales[j]) * (std::fabs(first) + std::fabs(second)))
              << i << ", " << j;
        }
      }
    }
  }
}

TEST_P(TensorKernelsOf, i8_sums_never_saturate) {
  for (int sign : {1, -1, 0}) {  // 0: signs in turn, pairs of one sign
    Operands<uint8_t, int8_t> operands(k->i8.panel, 5, 37, 4096);
    operands.fill([&](size_t, size_t) { return static_cast<uint8_t>(k->i8_max); },
                  [&](size_t p, size_t j) {
                    const int alternating = (p / 2 + j) % 2 == 0 ? 127 : -127;
                    return static_cast<int8_t>(sign == 0 ? alternating : sign * 127);
                  });
    const size_t columns = operands.panels * k->i8.panel.width;
    std::vector<float> ones(columns + 5, 1.0f), zeros(columns + 5, 0.0f);
    Result c(5, 37);
    Product product = operands.product();
    product.c = c.data();
    product.c_stride = c.stride();
    product.row_scales = product.column_scales = ones.data();
    product.row_offsets = product.column_sums = zeros.data();
    k->i8.multiply(product);
    for (size_t i = 0; i < 5; ++i) {
      for (size_t j = 0; j < 37; ++j) ASSERT_EQ(c.at(i, j), static_cast<float>(operands.dot(i, j)));
    }
  }
}

TEST_P(TensorKernelsOf, products_with_nan_or_infinity_spread_them_over_their_row) {
  Operands<float, float> single(k->f32.panel, 3, 20, 40);
  single.fill([](size_t i, size_t p) { return i == 1 && p == 7   ? kNan
                                              : i == 2 && p == 9 ? kInf
                                                                 : 1.0f; },
              [](size_t, size_t) { return 0.5f; });
  Operands<simd::BFloat16, simd::BFloat16> half_size(k->bf16.panel, 3, 20, 40);
  half_size.fill(
      [](size_t i, size_t p) {
        return simd::BFloat16{static_cast<uint16_t>(i == 1 && p == 7 ? 0x7fc0 : i == 2 && p == 9 ? 0x7f80 : 0x3f80)};
      },
      [](size_t, size_t) { return simd::BFloat16{0x3f00}; });
  for (bool halves : {false, true}) {
    Result c(3, 20);
    Product product = halves ? half_size.product() : single.product();
    product.c = c.data();
    product.c_stride = c.stride();
    (halves ? k->bf16 : k->f32).multiply(product);
    for (size_t j = 0; j < 20; ++j) {
      ASSERT_EQ(c.at(0, j), 20.0f);
      ASSERT_TRUE(std::isnan(c.at(1, j)));
      ASSERT_EQ(c.at(2, j), kInf);
    }
  }
}

// What the whole computes, and what any cut of its rows and panels does, byte for byte.
template <class A, class B>
void expect_the_same_bytes_however_cut(const ProductKernel& kernel, const Operands<A, B>& operands,
                                       const std::vector<float>& scales) {
  const size_t width = kernel.panel.width;
  Product product = operands.product();
  product.row_scales = product.row_offsets = product.column_scales = product.column_sums = scales.data();
  Result whole(operands.m, operands.n);
  product.c = whole.data();
  product.c_stride = whole.stride();
  kernel.multiply(product);
  for (size_t m : {1, 5, 17, 31}) {
    for (size_t first : {1, 14}) {
      for (size_t panel = 0; panel < operands.panels; ++panel) {
        const size_t rows = std::min(m, operands.m - first);
        const size_t left = operands.n - panel * width;
        for (size_t columns : {size_t{1}, width - 1, width + 1}) {
          columns = std::min(columns, left);
          Result part(rows, columns);
          Product cut = product;
          cut.m = rows;
          cut.n = columns;
          cut.a = static_cast<const char*>(product.a) + first * product.a_stride;
          cut.b = static_cast<const B*>(product.b) + panel * width * operands.filled;
          cut.row_scales += first;
          cut.row_offsets += first;
          cut.column_scales += panel * width;
          cut.column_sums += panel * width;
          cut.c = part.data();
          cut.c_stride = part.stride();
          kernel.multiply(cut);
          ASSERT_TRUE(part.guards_stand());
          for (size_t i = 0; i < rows; ++i) {
            ASSERT_EQ(std::memcmp(part.data() + i * part.stride(),
                                  whole.data() + (first + i) * whole.stride() + panel * width, columns * sizeof(float)),
                      0)
                << "row " << first + i << " of " << rows << ", panel " << panel << ", columns " << columns;
          }
        }
      }
    }
  }
}

TEST_P(TensorKernelsOf, products_are_the_same_bytes_however_rows_and_columns_are_cut) {
  std::vector<float> scales(300);
  for (float& x : scales) x = normal();
  Operands<float, float> single(k->f32.panel, 45, 2 * k->f32.panel.width + 3, 290);
  single.fill([&](size_t, size_t) { return normal(); }, [&](size_t, size_t) { return normal(); });
  expect_the_same_bytes_however_cut(k->f32, single, scales);
  Operands<simd::BFloat16, simd::BFloat16> halves(k->bf16.panel, 45, k->bf16.panel.width + 3, 290);
  halves.fill([&](size_t, size_t) { return half(); }, [&](size_t, size_t) { return half(); });
  expect_the_same_bytes_however_cut(k->bf16, halves, scales);
  Operands<uint8_t, int8_t> bytes(k->i8.panel, 45, k->i8.panel.width + 3, 580);
  bytes.fill([&](size_t, size_t) { return byte(); }, [&](size_t, size_t) { return weight(); });
  expect_the_same_bytes_however_cut(k->i8, bytes, scales);
}

// ---- Functions of rows.

double reference(Activation activation, double x) {
  switch (activation) {
    case Activation::identity:
      return x;
    case Activation::gelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::gelu_quick:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return 0;
}

std::vector<size_t> lengths() {
  std::vector<size_t> all;
  for (size_t n = 1; n <= 70; ++n) all.push_back(n);
  all.push_back(384);
  all.push_back(1001);
  return all;
}

TEST_P(TensorKernelsOf, finish_adds_bias_activates_and_adds_the_residual) {
  for (size_t n : lengths()) {
    for (Activation activation : kActivations) {
      for (int given = 0; given < 4; ++given) {
        Edged<float> row(n), bias(n), residual(n);
        for (size_t i = 0; i < n; ++i) {
          row[i] = 4 * normal();
          bias[i] = normal();
          residual[i] = normal();
        }
        const std::vector<float> in(row.begin(), row.end());
        k->finish(row.data(), n, (given & 1) != 0 ? bias.data() : nullptr, activation,
                  (given & 2) != 0 ? residual.data() : nullptr);
        for (size_t i = 0; i < n; ++i) {
          const float x = (given & 1) != 0 ? in[i] + bias[i] : in[i];
          const double rest = (given & 2) != 0 ? residual[i] : 0;
          ASSERT_NEAR(row[i], reference(activation, x) + rest, 4e-7 * (1 + std::fabs(x) + std::fabs(rest)))
              << "n " << n << " activation " << static_cast<int>(activation) << " of " << x;
        }
      }
    }
  }
}

TEST_P(TensorKernelsOf, finish_takes_the_row_itself_as_residual) {
  for (size_t n : {5, 33}) {
    std::vector<float> row(n, 1.5f), bias(n, 0.25f);
    k->finish(row.data(), n, bias.data(), Activation::relu, row.data());
    for (float x : row) ASSERT_EQ(x, 3.25f);
  }
}

TEST_P(TensorKernelsOf, activations_are_right_far_from_zero) {
  std::vector<float> values;
  for (float x = 0; x <= 12; x += 0.0625f) values.insert(values.end(), {x, -x});
  values.insert(values.end(), {20, -20, 60, -60, 100, -100, 1e4f, -1e4f, 1e-6f, -1e-6f, 1e-38f});
  for (Activation activation : kActivations) {
    std::vector<float> row = values;
    k->finish(row.data(), row.size(), nullptr, activation, nullptr);
    for (size_t i = 0; i < row.size(); ++i) {
      ASSERT_NEAR(row[i], reference(activation, values[i]), 4e-7 * (1 + std::fabs(values[i])))
          << "activation " << static_cast<int>(activation) << " of " << values[i];
    }
  }
}

TEST_P(TensorKernelsOf, activations_spread_nan_and_know_their_limits) {
  for (Activation activation : kActivations) {
    for (size_t n : {1, 40}) {
      std::vector<float> row(n, 0.5f);
      row[n / 2] = kNan;
      k->finish(row.data(), n, nullptr, activation, nullptr);
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(std::isnan(row[i]), i == n / 2) << static_cast<int>(activation);
      std::fill(row.begin(), row.end(), kInf);
      k->finish(row.data(), n, nullptr, activation, nullptr);
      const bool bounded = activation == Activation::tanh || activation == Activation::sigmoid;
      for (float x : row) ASSERT_EQ(x, bounded ? 1.0f : kInf) << static_cast<int>(activation);
    }
  }
}

TEST_P(TensorKernelsOf, gate_multiplies_the_activated_half_with_the_other) {
  for (size_t n : lengths()) {
    for (Activation activation : {Activation::silu, Activation::gelu, Activation::gelu_tanh}) {
      Edged<float> gate(n), other(n), out(n);
      for (size_t i = 0; i < n; ++i) {
        gate[i] = 3 * normal();
        other[i] = normal();
      }
      const std::vector<float> left(gate.begin(), gate.end());
      k->gate(gate.data(), other.data(), out.data(), n, activation);
      for (size_t i = 0; i < n; ++i) {
        ASSERT_NEAR(out[i], reference(activation, gate[i]) * other[i],
                    4e-7 * (1 + std::fabs(gate[i])) * (1 + std::fabs(other[i])));
      }
      k->gate(gate.data(), other.data(), gate.data(), n, activation);
      ASSERT_EQ(std::memcmp(gate.data(), out.data(), n * sizeof(float)), 0);
      std::copy(left.begin(), left.end(), gate.begin());
      k->gate(gate.data(), other.data(), other.data(), n, activation);
      ASSERT_EQ(std::memcmp(other.data(), out.data(), n * sizeof(float)), 0);
    }
  }
}

TEST_P(TensorKernelsOf, norms_equal_the_reference_in_place_and_apart) {
  for (size_t n : lengths()) {
    Edged<float> in(n), out(n), weight(n), bias(n);
    for (size_t i = 0; i < n; ++i) {
      in[i] = 5 + 2 * normal();
      weight[i] = normal();
      bias[i] = normal();
    }
    double mean = 0, variance = 0, squares = 0;
    for (float x : in) mean += x / static_cast<double>(n);
    for (float x : in) variance += (x - mean) * (x - mean) / static_cast<double>(n);
    for (float x : in) squares += static_cast<double>(x) * x / static_cast<double>(n);
    for (bool plain : {true, false}) {
      k->layer_norm(in.data(), out.data(), n, plain ? nullptr : weight.data(), plain ? nullptr : bias.data(), 1e-2f);
      for (size_t i = 0; i < n; ++i) {
        const double want = (in[i] - mean) / std::sqrt(variance + 1e-2);
        ASSERT_NEAR(out[i], plain ? want : want * weight[i] + bias[i], 3e-5) << "layer norm of " << n;
      }
    }
    for (float offset : {0.0f, 1.0f}) {
      k->rms_norm(in.data(), out.data(), n, weight.data(), offset, 1e-2f);
      for (size_t i = 0; i < n; ++i) {
        ASSERT_NEAR(out[i], in[i] / std::sqrt(squares + 1e-2) * (offset + weight[i]), 3e-6) << "rms norm of " << n;
      }
    }
    k->rms_norm(in.data(), in.data(), n, weight.data(), 1.0f, 1e-2f);
    ASSERT_EQ(std::memcmp(in.data(), out.data(), n * sizeof(float)), 0);
    k->layer_norm(in.data(), out.data(), n, weight.data(), nullptr, 1e-5f);
    k->layer_norm(in.data(), in.data(), n, weight.data(), nullptr, 1e-5f);
    ASSERT_EQ(std::memcmp(in.data(), out.data(), n * sizeof(float)), 0);
  }
}

TEST_P(TensorKernelsOf, norms_of_a_row_with_nan_are_nan) {
  std::vector<float> row(40, 1.0f), weight(40, 1.0f), out(40);
  row[33] = kNan;
  k->layer_norm(row.data(), out.data(), 40, nullptr, nullptr, 1e-5f);
  for (float x : out) ASSERT_TRUE(std::isnan(x));
  k->rms_norm(row.data(), out.data(), 40, weight.data(), 0, 1e-5f);
  for (float x : out) ASSERT_TRUE(std::isnan(x));
}

TEST_P(TensorKernelsOf, max_finds_the_largest_wherever_it_is) {
  for (size_t n = 1; n <= 70; ++n) {
    Edged<float> values(n);
    for (float& x : values) x = -1 - std::fabs(normal());
    for (size_t i = 0; i < n; ++i) {
      const float old = values[i];
      values[i] = -0.5f;
      ASSERT_EQ(k->max(values.data(), n), -0.5f) << i << " of " << n;
      values[i] = old;
    }
  }
}

TEST_P(TensorKernelsOf, exponentials_are_within_a_few_units_of_the_last_place) {
  for (size_t n : lengths()) {
    Edged<float> values(n);
    for (size_t i = 0; i < n; ++i) values[i] = -3.3f + 8.0f * static_cast<float>(i) / static_cast<float>(n);
    const std::vector<float> in(values.begin(), values.end());
    const float sum = k->exp_sum(values.data(), values.data(), n, 20.0f, 1.0f);
    double want_sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const double want = std::exp(static_cast<double>(20.0f * (in[i] - 1.0f)));
      want_sum += want;
      ASSERT_NEAR(values[i] / want, 1.0, 3e-7) << "at " << in[i];
    }
    ASSERT_NEAR(sum / want_sum, 1.0, 1e-6);
  }
}

TEST_P(TensorKernelsOf, an_excluded_entry_adds_nothing_to_the_sum_and_nan_is_kept) {
  float values[3] = {0.5f, -1e4f, 0.25f};
  const float sum = k->exp_sum(values, values, 3, 20.0f, 1.0f);
  EXPECT_NEAR(sum, std::exp(-10.0) + std::exp(-15.0), 1e-9);
  EXPECT_LE(values[1], 1.3e-38f);
  std::vector<float> row(37, 0.0f);
  row[20] = -kInf;
  EXPECT_NEAR(k->exp_sum(row.data(), row.data(), row.size(), 1.0f, 0.0f), 36.0f, 1e-4);
  EXPECT_LE(row[20], 1.3e-38f);
  for (size_t at : {3, 36}) {
    std::fill(row.begin(), row.end(), 0.0f);
    row[at] = kNan;
    EXPECT_TRUE(std::isnan(k->exp_sum(row.data(), row.data(), row.size(), 1.0f, 0.0f)));
    EXPECT_TRUE(std::isnan(row[at]));
  }
}

TEST_P(TensorKernelsOf, quantized_rows_come_back_within_half_a_step) {
  for (int levels : {127, 255}) {
    for (size_t n : lengths()) {
      Edged<float> in(n);
      Edged<uint8_t> codes(n);
      for (float& x : in) x = 10 + 3 * normal();
      float scale = 0, offset = 0;
      k->quantize(in.data(), n, levels, codes.data(), &scale, &offset);
      const float least = *std::min_element(in.begin(), in.end());
      const float most = *std::max_element(in.begin(), in.end());
      ASSERT_EQ(offset, least);
      ASSERT_NEAR(scale, (most - least) / static_cast<float>(levels), 1e-6);
      for (size_t i = 0; i < n; ++i) {
        ASSERT_LE(codes[i], levels);
        ASSERT_NEAR(scale * codes[i] + offset, in[i], 0.5001 * scale + 1e-5) << i << " of " << n;
        if (in[i] == least) {
          ASSERT_EQ(codes[i], 0);
        } else if (in[i] == most) {
          ASSERT_EQ(codes[i], levels);
        }
      }
    }
  }
}

TEST_P(TensorKernelsOf, quantizing_a_constant_row_gives_its_value_as_offset) {
  for (size_t n : {1, 8, 16, 33}) {
    std::vector<float> in(n, -2.5f);
    std::vector<uint8_t> codes(n, 9);
    float scale = 7, offset = 7;
    k->quantize(in.data(), n, k->i8_max, codes.data(), &scale, &offset);
    EXPECT_EQ(scale, 0.0f);
    EXPECT_EQ(offset, -2.5f);
    EXPECT_EQ(codes, std::vector<uint8_t>(n, 0));
  }
}

TEST_P(TensorKernelsOf, quantizing_what_is_not_finite_makes_the_offset_nan) {
  for (size_t n : {1, 5, 16, 33, 70}) {
    for (size_t at = 0; at < n; ++at) {
      for (float bad : {kNan, kInf, -kInf}) {
        std::vector<float> in(n, 1.0f);
        in[n - 1] = 2.0f;
        in[at] = bad;
        std::vector<uint8_t> codes(n);
        float scale = 0, offset = 0;
        k->quantize(in.data(), n, k->i8_max, codes.data(), &scale, &offset);
        ASSERT_TRUE(std::isnan(offset)) << bad << " at " << at << " of " << n;
        for (uint8_t code : codes) ASSERT_LE(code, k->i8_max);
      }
    }
  }
}

}  // namespace
}  // namespace sextant::tensor
