#include "model/precision.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/kernels.h"

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

constexpr std::string_view kTap = "how do I stop my tap from dripping";
constexpr std::string_view kTower = "Wie hoch ist der Eiffelturm?";
constexpr std::string_view kRead = "python read a file line by line";

constexpr CheckPair kPairs[] = {
    {kTap,
     "Turn off the water below the sink, unscrew the handle and lift out the cartridge. A worn washer is what most "
     "often lets water through: press a new one into its place, grease it and put everything back together."},
    {kTap, "Dripping taps waste up to twenty litres of water a day."},
    {kTap, "The museum opens at nine on weekdays and is closed on Mondays."},
    {kTower, "The Eiffel Tower is 330 metres high, as much as a building of 81 storeys."},
    {kTower, "La tour de Pise penche de quatre degr\u00e9s et mesure cinquante-six m\u00e8tres."},
    {kTower, "Sift the flour over the eggs, fold in the butter and bake for half an hour."},
    {kRead, "with open(path) as file:\n    for line in file:\n        print(line.rstrip())"},
    {kRead, "A python may reach five metres and lies in wait for its prey near rivers."},
    {kRead, "42"},
};

double lowest_cosine(const tensor::Matrix& exact, const tensor::Matrix& given) {
  double lowest = 1;
  for (size_t i = 0; i < exact.rows(); ++i) {
    const float cosine = simd::kernels().cosine_f32(exact.row(i), given.row(i), exact.columns());
    lowest = std::min(lowest, std::isnan(cosine) ? -1.0 : static_cast<double>(cosine));
  }
  return lowest;
}

double share_of_spread(std::span<const float> exact, std::span<const float> given) {
  const auto [low, high] = std::minmax_element(exact.begin(), exact.end());
  const double spread = double{*high} - double{*low};
  double largest = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double difference = std::abs(double{exact[i]} - double{given[i]});
    // Not a number on either side is as far as it can be.
    if (!(difference <= std::numeric_limits<double>::max())) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  return largest == 0 ? 0 : largest / spread;
}

}  // namespace

double precision_bar(Compute compute, PrecisionMeasure measure) {
  const bool cosine = measure == PrecisionMeasure::cosine;
  switch (compute) {
    case Compute::bfloat16:
      return cosine ? 0.9999 : 0.015;
    case Compute::int8:
      return cosine ? 0.999 : 0.045;
    default:
      return cosine ? 1.0 : 0.0;
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

std::span<const CheckPair> check_pairs() { return kPairs; }

PrecisionCheck PrecisionCheck::of(Compute compute, PrecisionMeasure measure, const tensor::Matrix& exact,
                                  const tensor::Matrix& given) {
  return {compute, measure,
          measure == PrecisionMeasure::cosine ? lowest_cosine(exact, given)
                                              : share_of_spread(exact.values(), given.values())};
}

bool PrecisionCheck::passed() const {
  const double bar = precision_bar(compute, measure);
  return measure == PrecisionMeasure::cosine ? value >= bar : value <= bar;
}

std::string PrecisionCheck::text() const {
  const double bar = precision_bar(compute, measure);
  if (measure == PrecisionMeasure::cosine) {
    return fmt::format("cosine {:.5f} to float32, {} {}", value, passed() ? "which reaches" : "below the bar of", bar);
  }
  return fmt::format("logits off by {:.4f} of their spread in float32, {} {}", value,
                     passed() ? "within" : "beyond the bar of", bar);
}

}  // namespace sextant::model
