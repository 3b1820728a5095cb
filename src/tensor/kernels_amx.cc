// bf16 and int8 with AMX: a tile is 16 rows of 64 bytes; one instruction multiplies 16 x 16 elements of C by 32 (bf16)
// or 64 (int8) of k in 16 cycles.
//
// Blocks of C are 2 x 2 tiles: tiles 0 1 / 2 3 are C, 4 5 the rows of A, 6 7 the columns of B, so that four loads of
// 8 cycles go beside four products. Both halves of a step of B lie in one run of 2 KB. What limits it is the first
// cache: a step reads 4 KB in 64 cycles, which the second cache cannot give. B is therefore taken 8 steps deep (16 KB,
// beside 16 KB of A) and passes by all rows before the next 8; sums wait in C. A block's sums are the same however k is
// cut: they go out and come back in 32 bits, as they are in the tile. Rows that do not fill a block take a
// configuration of their own, in a pass of their own: LDTILECFG at most twice a call. Tiles never read or write beyond
// the configured rows.
#include <immintrin.h>

#include "tensor/kernel_shapes.h"
#include "tensor/kernel_sums_512.h"

namespace sextant::tensor {
namespace {

constexpr size_t kTileRows = 16;
constexpr size_t kTileBytes = 64;                 // of a row
constexpr size_t kRows = 2 * kTileRows;           // of a block
constexpr size_t kColumns = 32;                   // of a block and of a panel
constexpr size_t kStepBytes = kColumns * 4 * 16;  // of B: 16 rows of 32 groups of 4 bytes
constexpr size_t kSliceSteps = 8;

struct alignas(64) TileConfiguration {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// Blocks of so many rows: UPPER in [1, 16], LOWER in [0, 16].
void configure(size_t upper, size_t lower) {
  TileConfiguration configuration = {};
  configuration.palette = 1;
  const size_t rows[8] = {upper, upper, lower, lower, upper, lower, kTileRows, kTileRows};
  for (size_t tile = 0; tile < 8; ++tile) {
    if (rows[tile] == 0) continue;  // stays unconfigured
    configuration.rows[tile] = static_cast<uint8_t>(rows[tile]);
    configuration.row_bytes[tile] = kTileBytes;
  }
  // The compilers' headers do not say that all 64 bytes are read.
  __asm__ volatile("" : : "r"(&configuration) : "memory");
  _tile_loadconfig(&configuration);
}

struct Block {
  const char* a;
  size_t a_stride;
  const char* b;
  size_t steps;
  const void* from;  // sums so far, or nullptr: none
  void* to;
  size_t from_stride, to_stride;  // bytes
  size_t prefetch;                // bytes from B's step to what is wanted next, or 0
};

// kBytes: int8, else bf16. kLower: the block has more than 16 rows.
template <bool kBytes, bool kLower>
void multiply_block(const Block& block) {
// Tiles are named by constants, so no function can take them.
#define SEXTANT_TILE_PRODUCT(c, a, b) \
  if constexpr (kBytes) {             \
    _tile_dpbusd(c, a, b);            \
  } else {                            \
    _tile_dpbf16ps(c, a, b);          \
  }
  if (block.from == nullptr) {
    _tile_zero(0);
    _tile_zero(1);
    if constexpr (kLower) {
      _tile_zero(2);
      _tile_zero(3);
    }
  } else {
    const char* from = static_cast<const char*>(block.from);
    _tile_loadd(0, from, block.from_stride);
    _tile_loadd(1, from + kTileBytes, block.from_stride);
    if constexpr (kLower) {
      _tile_loadd(2, from + kTileRows * block.from_stride, block.from_stride);
      _tile_loadd(3, from + kTileRows * block.from_stride + kTileBytes, block.from_stride);
    }
  }
  const char* a = block.a;
  const char* b = block.b;
  for (size_t step = 0; step < block.steps; ++step) {
    if (block.prefetch != 0) {
      for (size_t line = 0; line < kStepBytes; line += 64) _mm_prefetch(b + block.prefetch + line, _MM_HINT_T1);
    }
    _tile_loadd(6, b, 2 * kTileBytes);
    _tile_loadd(4, a, block.a_stride);
    SEXTANT_TILE_PRODUCT(0, 4, 6)
    _tile_loadd(7, b + kTileBytes, 2 * kTileBytes);
    SEXTANT_TILE_PRODUCT(1, 4, 7)
    if constexpr (kLower) {
      _tile_loadd(5, a + kTileRows * block.a_stride, block.a_stride);
      SEXTANT_TILE_PRODUCT(2, 5, 6)
      SEXTANT_TILE_PRODUCT(3, 5, 7)
    }
    a += kTileBytes;
    b += kStepBytes;
  }
  char* to = static_cast<char*>(block.to);
  _tile_stored(0, to, block.to_stride);
  _tile_stored(1, to + kTileBytes, block.to_stride);
  if constexpr (kLower) {
    _tile_stored(2, to + kTileRows * block.to_stride, block.to_stride);
    _tile_stored(3, to + kTileRows * block.to_stride + kTileBytes, block.to_stride);
  }
#undef SEXTANT_TILE_PRODUCT
}

// WIDTH columns of ROWS rows of a finished block to C, from row i and column j on.
template <bool kBytes>
void write(const float* sums, const Product& product, size_t i, size_t j, size_t rows, size_t width) {
  for (size_t r = 0; r < rows; ++r) {
    float* c = product.c + (i + r) * product.c_stride + j;
    for (size_t x = 0; x < width; x += 16) {
      __m512 values = _mm512_loadu_ps(sums + r * kColumns + x);
      if constexpr (kBytes) values = dequantised(_mm512_castps_si512(values), product, i + r, j + x);
      const size_t count = smaller(16, width - x);
      _mm512_mask_storeu_ps(c + x, static_cast<__mmask16>((1u << count) - 1), values);
    }
  }
}

// Rows [first, last) of C in blocks that fit the configuration.
template <bool kBytes, bool kLower>
void multiply_rows(const Product& product, size_t first, size_t last) {
  constexpr size_t kElement = kBytes ? 1 : 2;
  alignas(64) float finished[kRows * kColumns];
  const size_t steps = product.k * kElement / kTileBytes;
  const size_t slices = steps == 0 ? 1 : (steps + kSliceSteps - 1) / kSliceSteps;
  const size_t slice = (steps + slices - 1) / slices;
  for (size_t j = 0; j < product.n; j += kColumns) {
    const char* panel = static_cast<const char*>(product.b) + j * product.k * kElement;
    const size_t width = smaller(kColumns, product.n - j);
    // Where C has no room for a whole block, sums cannot wait in it: the last columns take k in one.
    const size_t depth = width == kColumns ? slice : steps;
    for (size_t p = 0; p == 0 || p < steps; p += depth) {
      Block block = {};
      block.a_stride = product.a_stride;
      block.b = panel + p * kStepBytes;
      block.steps = smaller(depth, steps - p);
      const bool done = p + block.steps == steps;
      const bool in_place = width == kColumns && !(kBytes && done);
      for (size_t i = first; i < last; i += kRows) {
        float* c = product.c + i * product.c_stride + j;
        block.a = static_cast<const char*>(product.a) + i * product.a_stride + p * kTileBytes;
        block.from = p == 0 ? nullptr : c;
        block.from_stride = product.c_stride * sizeof(float);
        block.to = in_place ? c : finished;
        block.to_stride = (in_place ? product.c_stride : kColumns) * sizeof(float);
        // The first rows to meet a slice fetch the next one, which follows it even across panels, into the second
        // cache.
        block.prefetch = i == first ? block.steps * kStepBytes : 0;
        multiply_block<kBytes, kLower>(block);
        if (!in_place) write<kBytes>(finished, product, i, j, smaller(kRows, last - i), width);
      }
      if (done) break;
    }
  }
}

template <bool kBytes>
void multiply(const Product& product) {
  if (product.m == 0) return;
  const size_t whole = product.m / kRows * kRows;
  if (whole > 0) {
    configure(kTileRows, kTileRows);
    multiply_rows<kBytes, true>(product, 0, whole);
  }
  const size_t rest = product.m - whole;
  if (rest > kTileRows) {
    configure(kTileRows, rest - kTileRows);
    multiply_rows<kBytes, true>(product, whole, product.m);
  } else if (rest > 0) {
    configure(rest, 0);
    multiply_rows<kBytes, false>(product, whole, product.m);
  }
  _tile_release();
}

}  // namespace

void fill_amx(Kernels& kernels) {
  kernels.bf16 = {{kColumns, 2, 32}, kRows, multiply<false>};
  kernels.i8 = {{kColumns, 4, 64}, kRows, multiply<true>};
  kernels.i8_max = 255;
  kernels.bf16_native = true;
}

}  // namespace sextant::tensor
