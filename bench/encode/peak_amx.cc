// AMX: four tiles of sums, two of rows, two of columns: each multiplication 16 x 16 sums over 32 halves or 64 bytes.
// REQUIRES: the process has asked for the tiles.
#include <immintrin.h>

#include "peak_loops.h"

namespace sextant::bench {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

void begin() {
  const TileConfig config;
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
}

double end(uint64_t iterations, double depth, float* sink) {
  alignas(64) float out[16][16];
  _tile_stored(0, out, 64);
  *sink += out[0][0] * 1e-30f;
  _tile_release();
  return static_cast<double>(iterations) * 4 * 16 * 16 * depth * 2;
}

}  // namespace

double peak_amx_bf16(uint64_t iterations, float* sink) {
  begin();
  for (uint64_t i = 0; i < iterations; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  return end(iterations, 32, sink);
}

double peak_amx_int8(uint64_t iterations, float* sink) {
  begin();
  for (uint64_t i = 0; i < iterations; ++i) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  return end(iterations, 64, sink);
}

}  // namespace sextant::bench
