// tensor/kernel_shapes.h: the loops of the kernels, written once over a few operations that each instruction set
// supplies.
//
// Included by kernels_*.cc alone. Everything is in an unnamed namespace: each file compiles its own copy with its own
// flags, and the linker cannot mix them. An instruction set supplies
//   V  lanes of f32: Reg, kLanes, zero, set1, load (also of BFloat16 and Float16), load_part (the rest is 0), store,
//   store_part, add, sub, mul, div,
//      fma (a b + c), min, max, round (to the nearest integer), pow2 (2^n of an integral n), sum and largest (of the
//      lanes), store_bytes (integral lanes in [0, 255] as uint8)
//   W  products of small numbers, as product_small says
#pragma once

#include "tensor/kernel_table.h"

namespace sextant::tensor {
namespace {

#define SEXTANT_INLINE inline __attribute__((always_inline))

// Says that a running sum is wanted in a register at this point. Without it g++ 12 reorders the integer tiles until
// sums spill: a quarter of int8's speed with AVX2, more with AVX-512.
#ifndef SEXTANT_KEEP_REGISTER  // the emulated instructions bring their own
#define SEXTANT_KEEP_REGISTER(reg) __asm__("" : "+v"(reg))
#endif

constexpr size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// How many of the rows LEFT the next tile takes, at most MOST: tiles share rows out evenly, because one of few rows
// would wait for its own sums.
constexpr size_t tile_rows(size_t left, size_t most) {
  const size_t tiles = (left + most - 1) / most;
  return (left + tiles - 1) / tiles;
}

// ---- Products

// R rows of A times one panel of C registers' width, k deep, summed in order of p.
template <class V, size_t R, size_t C>
SEXTANT_INLINE void tile_f32(size_t k, const float* a, size_t a_stride, const float* b, float* c, size_t c_stride,
                             bool accumulate) {
  using Reg = typename V::Reg;
  Reg sums[R][C];
#pragma GCC unroll 16
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (size_t j = 0; j < C; ++j) sums[r][j] = V::zero();
  }
  // From -k to 0, which takes no register for the end: 12 pointers to rows leave none.
  a += k;
  for (ptrdiff_t p = -static_cast<ptrdiff_t>(k); p != 0; ++p) {
    Reg columns[C];
#pragma GCC unroll 4
    for (size_t j = 0; j < C; ++j) columns[j] = V::load(b + j * V::kLanes);
#pragma GCC unroll 16
    for (size_t r = 0; r < R; ++r) {
      const Reg value = V::set1((a + r * a_stride)[p]);
#pragma GCC unroll 4
      for (size_t j = 0; j < C; ++j) sums[r][j] = V::fma(value, columns[j], sums[r][j]);
    }
    b += C * V::kLanes;
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (size_t j = 0; j < C; ++j) {
      float* out = c + r * c_stride + j * V::kLanes;
      V::store(out, accumulate ? V::add(sums[r][j], V::load(out)) : sums[r][j]);
    }
  }
}

// The same for any number of rows up to R.
template <class V, size_t R, size_t C>
void tile_f32_of(size_t rows, size_t k, const float* a, size_t a_stride, const float* b, float* c, size_t c_stride,
                 bool accumulate) {
  if (rows == R) {
    tile_f32<V, R, C>(k, a, a_stride, b, c, c_stride, accumulate);
  } else if constexpr (R > 1) {
    tile_f32_of<V, R - 1, C>(rows, k, a, a_stride, b, c, c_stride, accumulate);
  }
}

// Floats of a slice: 16 KB, half of a first cache.
constexpr size_t kSliceFloats = 4096;

// All rows times a slice of one panel: k deep from P on, columns from J on. B holds T: float, or a smaller type.
template <class V, class T, size_t R, size_t C>
SEXTANT_INLINE void slice_f32(const Product& product, size_t j, size_t p, size_t k) {
  constexpr size_t kWidth = C * V::kLanes;
  const size_t a_stride = product.a_stride / sizeof(float);
  const float* a = static_cast<const float*>(product.a) + p;
  const T* stored = static_cast<const T*>(product.b) + j * product.k + p * kWidth;
  const float* slice;
  float wide[__is_same(T, float) ? 1 : kSliceFloats];
  if constexpr (__is_same(T, float)) {
    slice = stored;
  } else {
    for (size_t x = 0; x < k * kWidth; x += V::kLanes) V::store(wide + x, V::load(stored + x));
    slice = wide;
  }
  const bool accumulate = product.accumulate || p > 0;
  const size_t width = smaller(kWidth, product.n - j);
  for (size_t i = 0, rows = 0; i < product.m; i += rows) {
    rows = tile_rows(product.m - i, R);
    float* c = product.c + i * product.c_stride + j;
    if (width == kWidth) {
      tile_f32_of<V, R, C>(rows, k, a + i * a_stride, a_stride, slice, c, product.c_stride, accumulate);
      continue;
    }
    float whole[R * kWidth];
    tile_f32_of<V, R, C>(rows, k, a + i * a_stride, a_stride, slice, whole, kWidth, false);
    for (size_t r = 0; r < rows; ++r) {
      for (size_t x = 0; x < width; ++x) {
        float& out = c[r * product.c_stride + x];
        out = accumulate ? whole[r * kWidth + x] + out : whole[r * kWidth + x];
      }
    }
  }
}

// B is taken kDepth deep at a time: a slice of a panel stays in the first cache while all rows pass by it. Where A is
// small enough for the second cache, B is read from end to end, which memory likes best; else A's slice is kept there.
template <class V, class T, size_t R, size_t C>
void product_f32(const Product& product) {
  constexpr size_t kWidth = C * V::kLanes;
  constexpr size_t kDepth = kSliceFloats / kWidth;
  constexpr size_t kSmallA = 65536;
  if (product.k == 0) {
    for (size_t j = 0; j < product.n; j += kWidth) slice_f32<V, T, R, C>(product, j, 0, 0);
    return;
  }
  const size_t slices = (product.k + kDepth - 1) / kDepth;
  const size_t depth = (product.k + slices - 1) / slices;
  if (product.m * product.k <= kSmallA) {
    for (size_t j = 0; j < product.n; j += kWidth) {
      for (size_t p = 0; p < product.k; p += depth) slice_f32<V, T, R, C>(product, j, p, smaller(depth, product.k - p));
    }
  } else {
    for (size_t p = 0; p < product.k; p += depth) {
      for (size_t j = 0; j < product.n; j += kWidth)
        slice_f32<V, T, R, C>(product, j, p, smaller(depth, product.k - p));
    }
  }
}

// Sums of products of small numbers, kGroup of a row of A with kGroup of a column of B in a step. W supplies
//   A, B         the elements' types
//   kGroup       how many are multiplied at once
//   kColumns     columns in a register
//   Left, Right  registers: a group of one row for all columns; groups of kColumns columns
//   Sum          running sums of kColumns columns; zero, left, right, step
//   finish(sum, row, column)  into floats: V's register; Rest holds what that takes
template <class W, size_t R, size_t C>
SEXTANT_INLINE void tile_small(const Product& product, size_t i, size_t j, const typename W::B* b, float* c,
                               size_t c_stride) {
  typename W::Sum sums[R][C];
#pragma GCC unroll 16
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (size_t x = 0; x < C; ++x) sums[r][x] = W::zero();
  }
  const size_t k = product.k * sizeof(typename W::A);
  const size_t a_stride = product.a_stride;
  const char* rows = static_cast<const char*>(product.a) + i * a_stride + k;
  for (ptrdiff_t p = -static_cast<ptrdiff_t>(k); p != 0;
       p += static_cast<ptrdiff_t>(W::kGroup * sizeof(typename W::A))) {
    typename W::Right columns[C];
#pragma GCC unroll 4
    for (size_t x = 0; x < C; ++x) columns[x] = W::right(b + x * W::kColumns * W::kGroup);
#pragma GCC unroll 16
    for (size_t r = 0; r < R; ++r) {
      const typename W::Left value = W::left(reinterpret_cast<const typename W::A*>(rows + r * a_stride + p));
#pragma GCC unroll 4
      for (size_t x = 0; x < C; ++x) {
        sums[r][x] = W::step(sums[r][x], value, columns[x]);
        SEXTANT_KEEP_REGISTER(sums[r][x]);
      }
    }
    b += C * W::kColumns * W::kGroup;
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (size_t x = 0; x < C; ++x) {
      W::store(c + r * c_stride + x * W::kColumns, sums[r][x], product, i + r, j + x * W::kColumns);
    }
  }
}

template <class W, size_t R, size_t C>
void tile_small_of(size_t rows, const Product& product, size_t i, size_t j, const typename W::B* b, float* c,
                   size_t c_stride) {
  if (rows == R) {
    tile_small<W, R, C>(product, i, j, b, c, c_stride);
  } else if constexpr (R > 1) {
    tile_small_of<W, R - 1, C>(rows, product, i, j, b, c, c_stride);
  }
}

template <class W, size_t R, size_t C>
void product_small(const Product& product) {
  constexpr size_t kWidth = C * W::kColumns;
  const auto* b = static_cast<const typename W::B*>(product.b);
  for (size_t j = 0; j < product.n; j += kWidth) {
    const size_t width = smaller(kWidth, product.n - j);
    for (size_t i = 0, rows = 0; i < product.m; i += rows) {
      rows = tile_rows(product.m - i, R);
      float* c = product.c + i * product.c_stride + j;
      if (width == kWidth) {
        tile_small_of<W, R, C>(rows, product, i, j, b + j * product.k, c, product.c_stride);
        continue;
      }
      float whole[R * kWidth];
      tile_small_of<W, R, C>(rows, product, i, j, b + j * product.k, whole, kWidth);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t x = 0; x < width; ++x) c[r * product.c_stride + x] = whole[r * kWidth + x];
      }
    }
  }
}

// ---- Functions of each element

// exp(x) = 2^n e^r with |r| <= ln 2 / 2, ln 2 split in two so that r is exact, and a polynomial of degree 6 for e^r
// (the Taylor coefficients leave 1.2e-7 at the ends, which is one ulp).
template <class V>
SEXTANT_INLINE typename V::Reg exp_of(typename V::Reg x) {
  x = V::max(V::set1(-87.3f), V::min(V::set1(88.0f), x));  // in this order NaN stays NaN
  const typename V::Reg n = V::round(V::mul(x, V::set1(1.44269504088896341f)));
  typename V::Reg r = V::fma(n, V::set1(-0.693359375f), x);
  r = V::fma(n, V::set1(2.12194440e-4f), r);
  typename V::Reg p = V::set1(1.0f / 720);
  p = V::fma(p, r, V::set1(1.0f / 120));
  p = V::fma(p, r, V::set1(1.0f / 24));
  p = V::fma(p, r, V::set1(1.0f / 6));
  p = V::fma(p, r, V::set1(0.5f));
  p = V::fma(p, r, V::set1(1.0f));
  p = V::fma(p, r, V::set1(1.0f));
  return V::mul(p, V::pow2(n));
}

// x P(x^2) / Q(x^2) on [-4, 4], beyond which a float's erf is 1: the coefficients of Eigen's rational approximation,
// right to a few ulp.
template <class V>
SEXTANT_INLINE typename V::Reg erf_of(typename V::Reg x) {
  x = V::max(V::set1(-4.0f), V::min(V::set1(4.0f), x));
  const typename V::Reg y = V::mul(x, x);
  typename V::Reg p = V::set1(-2.72614225801306e-10f);
  p = V::fma(p, y, V::set1(2.77068142495902e-08f));
  p = V::fma(p, y, V::set1(-2.10102402082508e-06f));
  p = V::fma(p, y, V::set1(-5.69250639462346e-05f));
  p = V::fma(p, y, V::set1(-7.34990630326855e-04f));
  p = V::fma(p, y, V::set1(-2.95459980854025e-03f));
  p = V::fma(p, y, V::set1(-1.60960333262415e-02f));
  typename V::Reg q = V::set1(-1.45660718464996e-05f);
  q = V::fma(q, y, V::set1(-2.13374055278905e-04f));
  q = V::fma(q, y, V::set1(-1.68282697438203e-03f));
  q = V::fma(q, y, V::set1(-7.37332916720468e-03f));
  q = V::fma(q, y, V::set1(-1.42647390514189e-02f));
  return V::div(V::mul(x, p), q);
}

template <class V>
SEXTANT_INLINE typename V::Reg sigmoid_of(typename V::Reg x) {
  const typename V::Reg one = V::set1(1.0f);
  return V::div(one, V::add(one, exp_of<V>(V::sub(V::zero(), x))));
}

template <class V>
SEXTANT_INLINE typename V::Reg tanh_of(typename V::Reg x) {
  const typename V::Reg one = V::set1(1.0f);
  return V::fma(V::set1(2.0f), sigmoid_of<V>(V::add(x, x)), V::sub(V::zero(), one));
}

struct Identity {
  template <class V>
  static SEXTANT_INLINE typename V::Reg of(typename V::Reg x) {
    return x;
  }
};
struct Gelu {
  template <class V>
  static SEXTANT_INLINE typename V::Reg of(typename V::Reg x) {
    const typename V::Reg half = V::mul(x, V::set1(0.5f));
    return V::fma(half, erf_of<V>(V::mul(x, V::set1(0.7071067811865476f))), half);
  }
};
struct GeluTanh {
  template <class V>
  static SEXTANT_INLINE typename V::Reg of(typename V::Reg x) {
    // 1/2 (1 + tanh z) is sigmoid(2 z).
    const typename V::Reg cube = V::mul(V::mul(x, x), V::mul(x, V::set1(0.044715f)));
    return V::mul(x, sigmoid_of<V>(V::mul(V::set1(2 * 0.7978845608028654f), V::add(x, cube))));
  }
};
struct GeluQuick {
  template <class V>
  static SEXTANT_INLINE typename V::Reg of(typename V::Reg x) {
    return V::mul(x, sigmoid_of<V>(V::mul(x, V::set1(1.702f))));
  }
};
struct Relu {
  template <class V>
  static SEXTANT_INLINE typename V::Reg of(typename V::Reg x) {
    return V::max(V::zero(), x);  // in this order NaN stays
  }
};
struct Silu {
  template <class V>
  static SEXTANT_INLINE typename V::Reg of(typename V::Reg x) {
    return V::mul(x, sigmoid_of<V>(x));
  }
};
struct Tanh {
  template <class V>
  static SEXTANT_INLINE typename V::Reg of(typename V::Reg x) {
    return tanh_of<V>(x);
  }
};
struct Sigmoid {
  template <class V>
  static SEXTANT_INLINE typename V::Reg of(typename V::Reg x) {
    return sigmoid_of<V>(x);
  }
};

// Calls body(i, n) with n = kLanes for whole registers, then once with the rest.
#define SEXTANT_ACTIVATE(activation, CALL) \
  switch (activation) {                    \
    case Activation::identity:             \
      return CALL(Identity);               \
    case Activation::gelu:                 \
      return CALL(Gelu);                   \
    case Activation::gelu_tanh:            \
      return CALL(GeluTanh);               \
    case Activation::gelu_quick:           \
      return CALL(GeluQuick);              \
    case Activation::relu:                 \
      return CALL(Relu);                   \
    case Activation::silu:                 \
      return CALL(Silu);                   \
    case Activation::tanh:                 \
      return CALL(Tanh);                   \
    case Activation::sigmoid:              \
      return CALL(Sigmoid);                \
  }

// ---- Rows

template <class V, class F>
void finish_with(float* row, size_t n, const float* bias, const float* residual) {
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    typename V::Reg x = V::load(row + i);
    if (bias != nullptr) x = V::add(x, V::load(bias + i));
    x = F::template of<V>(x);
    if (residual != nullptr) x = V::add(x, V::load(residual + i));
    V::store(row + i, x);
  }
  if (i == n) return;
  typename V::Reg x = V::load_part(row + i, n - i);
  if (bias != nullptr) x = V::add(x, V::load_part(bias + i, n - i));
  x = F::template of<V>(x);
  if (residual != nullptr) x = V::add(x, V::load_part(residual + i, n - i));
  V::store_part(row + i, x, n - i);
}

template <class V>
void finish(float* row, size_t n, const float* bias, Activation activation, const float* residual) {
#define SEXTANT_FINISH(F) finish_with<V, F>(row, n, bias, residual)
  SEXTANT_ACTIVATE(activation, SEXTANT_FINISH)
#undef SEXTANT_FINISH
}

template <class V, class F>
void gate_with(const float* gate, const float* other, float* out, size_t n) {
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    V::store(out + i, V::mul(F::template of<V>(V::load(gate + i)), V::load(other + i)));
  }
  if (i == n) return;
  V::store_part(out + i, V::mul(F::template of<V>(V::load_part(gate + i, n - i)), V::load_part(other + i, n - i)),
                n - i);
}

template <class V>
void gate(const float* gate, const float* other, float* out, size_t n, Activation activation) {
#define SEXTANT_GATE(F) gate_with<V, F>(gate, other, out, n)
  SEXTANT_ACTIVATE(activation, SEXTANT_GATE)
#undef SEXTANT_GATE
}

template <class V>
float sum_of(const float* in, size_t n) {
  typename V::Reg first = V::zero();
  typename V::Reg second = V::zero();
  size_t i = 0;
  for (; i + 2 * V::kLanes <= n; i += 2 * V::kLanes) {
    first = V::add(first, V::load(in + i));
    second = V::add(second, V::load(in + i + V::kLanes));
  }
  for (; i < n; i += V::kLanes) first = V::add(first, V::load_part(in + i, smaller(V::kLanes, n - i)));
  return V::sum(V::add(first, second));
}

// The sum of (in - shift)^2.
template <class V>
float square_sum_of(const float* in, size_t n, float shift) {
  const typename V::Reg shifts = V::set1(shift);
  typename V::Reg first = V::zero();
  typename V::Reg second = V::zero();
  size_t i = 0;
  for (; i + 2 * V::kLanes <= n; i += 2 * V::kLanes) {
    const typename V::Reg x = V::sub(V::load(in + i), shifts);
    const typename V::Reg y = V::sub(V::load(in + i + V::kLanes), shifts);
    first = V::fma(x, x, first);
    second = V::fma(y, y, second);
  }
  float rest = 0;
  for (; i < n; i += V::kLanes) {
    if (n - i >= V::kLanes) {
      const typename V::Reg x = V::sub(V::load(in + i), shifts);
      first = V::fma(x, x, first);
    } else {
      for (size_t j = i; j < n; ++j) rest += (in[j] - shift) * (in[j] - shift);
    }
  }
  return V::sum(V::add(first, second)) + rest;
}

template <class V>
void layer_norm(const float* in, float* out, size_t n, const float* weight, const float* bias, float epsilon) {
  const float mean = sum_of<V>(in, n) / static_cast<float>(n);
  const float variance = square_sum_of<V>(in, n, mean) / static_cast<float>(n);
  const typename V::Reg means = V::set1(mean);
  const typename V::Reg factors = V::set1(1.0f / __builtin_sqrtf(variance + epsilon));
  for (size_t i = 0; i < n; i += V::kLanes) {
    const size_t count = smaller(V::kLanes, n - i);
    const bool whole = count == V::kLanes;
    auto at = [&](const float* p) { return whole ? V::load(p + i) : V::load_part(p + i, count); };
    typename V::Reg x = V::mul(V::sub(at(in), means), factors);
    if (weight != nullptr) x = V::mul(x, at(weight));
    if (bias != nullptr) x = V::add(x, at(bias));
    whole ? V::store(out + i, x) : V::store_part(out + i, x, count);
  }
}

template <class V>
void rms_norm(const float* in, float* out, size_t n, const float* weight, float offset, float epsilon) {
  const float mean = square_sum_of<V>(in, n, 0.0f) / static_cast<float>(n);
  const typename V::Reg factors = V::set1(1.0f / __builtin_sqrtf(mean + epsilon));
  const typename V::Reg offsets = V::set1(offset);
  for (size_t i = 0; i < n; i += V::kLanes) {
    const size_t count = smaller(V::kLanes, n - i);
    const bool whole = count == V::kLanes;
    auto at = [&](const float* p) { return whole ? V::load(p + i) : V::load_part(p + i, count); };
    const typename V::Reg x = V::mul(V::mul(at(in), factors), V::add(at(weight), offsets));
    whole ? V::store(out + i, x) : V::store_part(out + i, x, count);
  }
}

template <class V>
float max(const float* values, size_t n) {
  if (n < V::kLanes) {
    float most = values[0];
    for (size_t i = 1; i < n; ++i) most = most < values[i] ? values[i] : most;
    return most;
  }
  typename V::Reg most = V::load(values);
  for (size_t i = V::kLanes; i + V::kLanes <= n; i += V::kLanes) most = V::max(most, V::load(values + i));
  return V::largest(V::max(most, V::load(values + n - V::kLanes)));
}

template <class V>
float exp_sum(const float* in, float* out, size_t n, float scale, float shift) {
  const typename V::Reg scales = V::set1(scale);
  const typename V::Reg shifts = V::set1(shift);
  typename V::Reg total = V::zero();
  size_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) {
    const typename V::Reg e = exp_of<V>(V::mul(scales, V::sub(V::load(in + i), shifts)));
    V::store(out + i, e);
    total = V::add(total, e);
  }
  float sum = V::sum(total);
  if (i < n) {
    V::store_part(out + i, exp_of<V>(V::mul(scales, V::sub(V::load_part(in + i, n - i), shifts))), n - i);
    for (; i < n; ++i) sum += out[i];
  }
  return sum;
}

template <class V>
void quantize(const float* in, size_t n, int levels, uint8_t* out, float* scale, float* offset) {
  float least = n > 0 ? in[0] : 0.0f;
  float most = least;
  float poison = 0;  // becomes NaN if a value is not finite: minima alone may lose a NaN
  size_t i = 0;
  if (n >= V::kLanes) {
    typename V::Reg low = V::load(in);
    typename V::Reg high = low;
    typename V::Reg zeros = V::mul(low, V::zero());
    for (i = V::kLanes; i + V::kLanes <= n; i += V::kLanes) {
      const typename V::Reg x = V::load(in + i);
      low = V::min(low, x);
      high = V::max(high, x);
      zeros = V::fma(x, V::zero(), zeros);
    }
    const typename V::Reg x = V::load(in + n - V::kLanes);
    poison = V::sum(V::fma(x, V::zero(), zeros));
    least = V::least(V::min(low, x));
    most = V::largest(V::max(high, x));
  } else {
    for (; i < n; ++i) {
      least = in[i] < least ? in[i] : least;
      most = in[i] > most ? in[i] : most;
      poison += in[i] * 0.0f;
    }
  }
  const float range = most - least;
  *scale = range / static_cast<float>(levels);
  *offset = least + poison;
  const float multiplier = range > 0 ? static_cast<float>(levels) / range : 0.0f;
  const typename V::Reg multipliers = V::set1(multiplier);
  const typename V::Reg leasts = V::set1(least);
  const typename V::Reg tops = V::set1(static_cast<float>(levels));
  for (i = 0; i < n; i += V::kLanes) {
    const size_t count = smaller(V::kLanes, n - i);
    const bool whole = count == V::kLanes;
    typename V::Reg x = whole ? V::load(in + i) : V::load_part(in + i, count);
    x = V::round(V::mul(V::sub(x, leasts), multipliers));
    x = V::min(V::max(x, V::zero()), tops);  // in this order NaN becomes 0
    whole ? V::store_bytes(out + i, x) : V::store_bytes_part(out + i, x, count);
  }
}

template <class V>
void fill_rows(Kernels& kernels) {
  kernels.finish = finish<V>;
  kernels.gate = gate<V>;
  kernels.layer_norm = layer_norm<V>;
  kernels.rms_norm = rms_norm<V>;
  kernels.max = max<V>;
  kernels.exp_sum = exp_sum<V>;
  kernels.quantize = quantize<V>;
}

// R rows and C registers a tile.
template <class V, size_t R, size_t C>
void fill_f32(Kernels& kernels) {
  constexpr PanelShape kPanel = {C * V::kLanes, 1, 1};
  kernels.f32 = {kPanel, R, product_f32<V, float, R, C>};
  kernels.f32_bf16 = {kPanel, R, product_f32<V, simd::BFloat16, R, C>};
  kernels.f32_f16 = {kPanel, R, product_f32<V, simd::Float16, R, C>};
}

template <class W, size_t R, size_t C>
constexpr ProductKernel small_kernel() {
  return {{C * W::kColumns, W::kGroup, W::kGroup}, R, product_small<W, R, C>};
}

#undef SEXTANT_INLINE
#undef SEXTANT_KEEP_REGISTER
#undef SEXTANT_ACTIVATE

}  // namespace
}  // namespace sextant::tensor
