#include "model/precision.h"

#include <fmt/format.h>

#include "sextant/error.h"

namespace sextant::model {
namespace {

constexpr std::string_view kTexts[] = {
    "bank",
    "How do I stop my tap from dripping?",
    "The committee postponed its decision until the auditors had seen the accounts of both subsidiaries.",
    "In 1987, 42.7 % of the 1,903 households paid more than EUR 310 a month; by 2004 it was 61.2 %.",
    "Der Zug nach M\u00fcnchen f\u00e4hrt heute von Gleis 7, et le suivant partira \u00e0 dix-huit heures trente.",
    "def area(radius): return 3.14159 * radius ** 2  # in square metres",
    "\u4eca\u5929\u7684\u4f1a\u8bae\u6539\u5230\u4e0b\u5348\u4e09\u70b9\u3002 "
    "\u041f\u043e\u0433\u043e\u0434\u0430 \u0431\u0443\u0434\u0435\u0442 "
    "\u0445\u043e\u043b\u043e\u0434\u043d\u043e\u0439.",
    "When the river had risen for the third night in a row, the farmers drove their cattle to the upper meadows, "
    "stacked the sacks of grain under the roof of the church, and sent two boys on bicycles to the town to ask "
    "whether the dam would hold. They came back before noon with an engineer who smelled of diesel, a map that had "
    "been folded too often, and the answer that nobody could say: the gauges had stopped reporting at four in the "
    "morning, and the last number they had sent was one that none of the tables contained.",
};

}  // namespace

double precision_bar(Compute compute) {
  switch (compute) {
    case Compute::bfloat16:
      return 0.9999;
    case Compute::int8:
      return 0.999;
    default:
      return 1.0;
  }
}

tensor::Compute operand_of(Compute compute) {
  switch (compute) {
    case Compute::bfloat16:
      return tensor::Compute::bfloat16;
    case Compute::int8:
      return tensor::Compute::int8;
    default:
      return tensor::Compute::float32;
  }
}

std::vector<Compute> precisions_to_try(const tensor::Kernels& kernels) {
  // Tiles multiply bf16 so fast that the rest of a layer decides: nothing is gained by losing more.
  if (kernels.tier == simd::Tier::amx) return {Compute::bfloat16, Compute::float32};
  if (kernels.bf16_native) return {Compute::int8, Compute::bfloat16, Compute::float32};
  return {Compute::int8, Compute::float32};
}

std::span<const std::string_view> check_texts() { return kTexts; }

std::string PrecisionCheck::text() const {
  return fmt::format("cosine {:.5f} to float32, {} {}", cosine, passed() ? "which reaches" : "below the bar of",
                     precision_bar(compute));
}

}  // namespace sextant::model
