// simd/kernels_test_fixture.h: the tables of kernels that tests compare, and vectors that show what is read beside
// them.
//
// A contestant is a tier that this machine may have or the AVX-512 files over emulated instructions, which run
// anywhere.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "simd/kernels.h"

namespace sextant::simd {
void fill_avx512_emulated(Kernels& kernels);
void fill_avx512_popcnt_emulated(Kernels& kernels);
void fill_avx512_vnni_emulated(Kernels& kernels);
void fill_avx512_bf16_emulated(Kernels& kernels);

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr size_t kPad = 70;  // more than any register or step

// A vector of dim elements that begins `offset` elements into its memory, with poison before and after.
template <class T>
class Padded {
 public:
  Padded(size_t count, size_t offset, T poison) : begin_(kPad + offset), memory_(begin_ + count + kPad, poison) {}
  T* data() { return memory_.data() + begin_; }
  const T* data() const { return memory_.data() + begin_; }
  T& operator[](size_t i) { return memory_[begin_ + i]; }
  const T& operator[](size_t i) const { return memory_[begin_ + i]; }
  const std::vector<T>& memory() const { return memory_; }

 private:
  size_t begin_;
  std::vector<T> memory_;
};

template <class T>
T poison();
template <>
inline float poison<float>() {
  return kNan;
}
template <>
inline Float16 poison<Float16>() {
  return {0x7e00};
}
template <>
inline BFloat16 poison<BFloat16>() {
  return {0x7fc0};
}
template <>
inline int8_t poison<int8_t>() {
  return 77;
}
template <>
inline uint8_t poison<uint8_t>() {
  return 77;
}

template <class T>
T random_value(base::Random& random);
template <>
inline float random_value<float>(base::Random& random) {
  return static_cast<float>(random.normal());
}
template <>
inline Float16 random_value<Float16>(base::Random& random) {  // finite, all exponents from denormal to 8
  uint16_t magnitude = static_cast<uint16_t>(random.below(0x4800));
  return {static_cast<uint16_t>(magnitude | (random.below(2) << 15))};
}
template <>
inline BFloat16 random_value<BFloat16>(base::Random& random) {
  return {static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(random.normal())) >> 16)};
}
template <>
inline int8_t random_value<int8_t>(base::Random& random) {
  return static_cast<int8_t>(random.below(256));
}
template <>
inline uint8_t random_value<uint8_t>(base::Random& random) {
  return static_cast<uint8_t>(random.below(256));
}

template <class T>
Padded<T> random_vector(base::Random& random, size_t count, size_t offset = 0) {
  Padded<T> vector(count, offset, poison<T>());
  for (size_t i = 0; i < count; ++i) vector[i] = random_value<T>(random);
  return vector;
}

// ---- The contestants.

inline const std::vector<std::string>& contestants() {
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
  };
  return kNames;
}

class KernelsOf : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string& contestant = GetParam();
    if (contestant.ends_with("_emulated")) {
      emulated_ = kernels_for(Tier::scalar);
      emulated_.tier = Tier::avx512;
      fill_avx512_emulated(emulated_);
      if (contestant != "avx512_emulated") {
        fill_avx512_popcnt_emulated(emulated_);
        fill_avx512_vnni_emulated(emulated_);
        emulated_.tier = Tier::avx512_vnni;
      }
      if (contestant == "avx512_bf16_emulated") {
        fill_avx512_bf16_emulated(emulated_);
        emulated_.tier = Tier::avx512_bf16;
      }
      k = &emulated_;
      return;
    }
    Tier tier = parse_tier(contestant);
    if (!is_available(tier)) GTEST_SKIP() << "this machine lacks the tier " << contestant;
    k = &kernels_for(tier);
    EXPECT_EQ(k->tier, tier);
  }

  const Kernels* k = nullptr;
  base::Random random{20240731};

 private:
  Kernels emulated_{};
};

}  // namespace sextant::simd
