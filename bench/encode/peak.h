// bench/encode/peak.h: how many operations a second this machine's arithmetic gives when nothing else is in its way.
//
// Each loop multiplies and adds registers with enough independent sums to hide the latency; nothing is read from
// memory. One multiplication and one addition count as two operations.
// One file per instruction set (peak_NAME.cc).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::bench {

// Of these, those that this machine has: "avx2 f32", "avx2 int8", "avx512 f32", "avx512 int8" (VNNI), "avx512 bf16"
// (vdpbf16ps), "amx bf16", "amx int8".
std::vector<std::string> peak_names();

// Operations a second of THREADS threads together. Throws invalid_argument for a name that is not among peak_names().
double measure_peak(std::string_view name, size_t threads, double seconds);

}  // namespace sextant::bench
