// store/payload/testing_payloads.h: payloads, schemas and filters by chance, for tests and fuzzers: few keys and few
// values, so that they meet, of all kinds in all places.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>

#include "base/random.h"

namespace sextant::store::testing_payloads {

template <size_t N>
std::string_view one_of(base::Random& random, const std::array<std::string_view, N>& choices) {
  return choices[random.below(N)];
}

inline bool chance(base::Random& random, uint64_t one_in) { return random.below(one_in) == 0; }

inline constexpr std::array<std::string_view, 8> kStrings = {"red",   "blue", "Red",  "",
                                                             "größe", "re",   "日本", "a\\\"b\\u0000"};
inline constexpr std::array<std::string_view, 9> kTexts = {
    "a good cheap bike", "Good!", "cheap cheap bike", "bike, good", "the good old the", "!!!", "GOOD cheap",
    "ÅNGSTRÖM bike",     "a"};
inline constexpr std::array<std::string_view, 7> kDates = {
    "2020-02-15T00:00:00Z", "2020-02-15", "2020-02-15T01:00:00+01:00", "2021-01-01T00:00:00.000001Z", "1969-12-31",
    "2020-02-15 00:00",     "2020-13-01"};
inline constexpr std::array<std::string_view, 5> kUuids = {
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6ba7b8109dad11d180b400c04fd430c8",
    "00000000-0000-0000-0000-000000000000", "6ba7b811-9dad-11d1-80b4-00c04fd430c8"};
inline constexpr std::array<std::string_view, 12> kNumbers = {"0",
                                                              "1",
                                                              "-1",
                                                              "2",
                                                              "1.0",
                                                              "2.5",
                                                              "-0.0",
                                                              "9007199254740993",
                                                              "9007199254740992",
                                                              "18446744073709551615",
                                                              "-9223372036854775808",
                                                              "1e300"};
inline constexpr std::array<std::string_view, 6> kPlaces = {
    R"({"lon":13.4,"lat":52.5})", R"({"lon":13.41,"lat":52.51,"x":1})",
    R"({"lon":-180,"lat":0})",    R"({"lon":180,"lat":-90})",
    R"({"lon":190,"lat":0})",     R"({"lat":1})"};
// Paths that filters and schemas name; some lead nowhere, and some are named more often.
inline constexpr std::array<std::string_view, 14> kPaths = {"s",   "n",   "x",      "t",   "l[].s", "l[].n", "l[].t",
                                                            "o.s", "o.n", "l[0].s", "n[]", "l",     "none",  "l[]"};

inline std::string_view any_path(base::Random& random) {
  return kPaths[chance(random, 4) ? random.below(kPaths.size()) : random.below(7)];
}

inline std::string any_string(base::Random& random) {
  switch (random.below(16)) {
    case 0:
    case 1:
      return '"' + std::string(one_of(random, kTexts)) + '"';
    case 2:
      return '"' + std::string(one_of(random, kDates)) + '"';
    case 3:
      return '"' + std::string(one_of(random, kUuids)) + '"';
    case 4:
    case 5:
    case 6:
      return '"' + std::string(one_of(random, kStrings)) + '"';
    default:
      return '"' + std::string(kStrings[random.below(3)]) + '"';
  }
}

inline std::string any_scalar(base::Random& random) {
  switch (random.below(8)) {
    case 0:
      return "null";
    case 1:
      return chance(random, 2) ? "true" : "false";
    case 2:
    case 3:
      return std::string(one_of(random, kNumbers));
    case 4:
      return std::string(one_of(random, kPlaces));
    default:
      return any_string(random);
  }
}

// What a key of this name usually has, or anything.
inline std::string any_value(base::Random& random, std::string_view key) {
  if (chance(random, 4)) {
    std::string out = "[";
    for (uint64_t i = random.below(4); i > 0; --i) out += any_value(random, key) + (i > 1 ? "," : "");
    return out + ']';
  }
  if (key == "s" && !chance(random, 4)) return any_string(random);
  if (key == "t" && !chance(random, 4)) return '"' + std::string(one_of(random, kTexts)) + '"';
  if (key == "n" && !chance(random, 4)) return std::string(one_of(random, kNumbers));
  return any_scalar(random);
}

inline std::string any_object(base::Random& random, int depth) {
  std::string out = "{";
  for (const std::string_view key : {"s", "n", "x", "t"}) {
    if (!chance(random, 4)) out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", key, any_value(random, key));
  }
  if (depth > 0 && !chance(random, 3)) {
    out += fmt::format("{}\"o\":{}", out.size() > 1 ? "," : "",
                       chance(random, 5) ? any_scalar(random) : any_object(random, depth - 1));
  }
  if (depth > 0 && !chance(random, 3)) {
    std::string list;
    for (uint64_t i = random.below(4); i > 0; --i) {
      list += (chance(random, 6) ? any_scalar(random) : any_object(random, depth - 1)) + (i > 1 ? "," : "");
    }
    out += fmt::format("{}\"l\":{}", out.size() > 1 ? "," : "",
                       chance(random, 6) ? any_object(random, 0) : '[' + list + ']');
  }
  return out + '}';
}

// "" at times: a point without a payload.
inline std::string any_payload(base::Random& random) { return chance(random, 12) ? "" : any_object(random, 2); }

inline std::string any_schema(base::Random& random) {
  constexpr std::array<std::string_view, 18> kFields = {
      R"("keyword")",
      R"("keyword")",
      R"("integer")",
      R"("integer")",
      R"("float")",
      R"("bool")",
      R"("datetime")",
      R"("datetime")",
      R"("geo")",
      R"("text")",
      R"("text")",
      R"("uuid")",
      R"({"type":"integer","lookup":false})",
      R"({"type":"integer","range":false})",
      R"({"type":"text","tokenizer":"whitespace","lowercase":false})",
      R"({"type":"text","tokenizer":"prefix","min_token_len":2,"max_token_len":3})",
      R"({"type":"text","tokenizer":"multilingual","ascii_folding":true})",
      R"({"type":"text","stopwords":{"custom":["the"]},"max_token_len":5})"};
  std::string out = "{";
  for (const std::string_view path : kPaths) {
    if (chance(random, 4)) continue;
    std::string_view field = one_of(random, kFields);
    // Often what the values are.
    if (!chance(random, 3)) {
      if (path.ends_with('s')) field = R"("keyword")";
      if (path.ends_with('n')) field = chance(random, 2) ? R"("integer")" : R"("float")";
      if (path.ends_with('t')) field = R"("text")";
    }
    out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", path, field);
  }
  return out + '}';
}

inline std::string any_bounds(base::Random& random, bool dates, bool counts) {
  std::string out = "{";
  for (const std::string_view bound : {"gt", "gte", "lt", "lte"}) {
    if (!chance(random, 3)) continue;
    const std::string value = counts  ? fmt::format("{}", random.below(4))
                              : dates ? fmt::format("\"{}\"", kDates[random.below(kDates.size() - 1)])
                                      : std::string(one_of(random, kNumbers));
    out += fmt::format("{}\"{}\":{}", out.size() > 1 ? "," : "", bound, value);
  }
  return out + '}';
}

inline std::string any_list(base::Random& random) {
  const bool integers = chance(random, 3);
  std::string out = "[";
  for (uint64_t i = chance(random, 5) ? 0 : 1 + random.below(4); i > 0; --i) {
    constexpr std::array<std::string_view, 5> kIntegers = {"0", "1", "-1", "9007199254740993", "2"};
    out += (integers ? std::string(one_of(random, kIntegers)) : any_string(random)) + (i > 1 ? "," : "");
  }
  return out + ']';
}

inline std::string any_test(base::Random& random) {
  constexpr std::array<std::string_view, 6> kQueries = {"good", "GOOD bike", "cheap", "the good", "", "ch"};
  constexpr std::array<std::string_view, 6> kValues = {"0", "1", "-1", "9007199254740993", "true", "false"};
  constexpr std::array<std::string_view, 3> kTextModes = {"text", "text_any", "phrase"};
  switch (random.below(15)) {
    case 0:
    case 1:
      return fmt::format(R"("match":{{"value":{}}})",
                         chance(random, 2) ? any_string(random) : std::string(one_of(random, kValues)));
    case 2:
    case 3:
      return fmt::format(R"("match":{{"any":{}}})", any_list(random));
    case 4:
    case 5:
      return fmt::format(R"("match":{{"except":{}}})", any_list(random));
    case 6:
    case 7:
      return fmt::format(R"("match":{{"{}":"{}"}})", one_of(random, kTextModes), one_of(random, kQueries));
    case 8:
      return fmt::format(R"("match":{{"prefix":{}}})", any_string(random));
    case 9:
      return fmt::format(R"("range":{})", any_bounds(random, false, false));
    case 10:
      return fmt::format(R"("range":{})", any_bounds(random, true, false));
    case 11:
      return fmt::format(R"("values_count":{})", any_bounds(random, false, true));
    case 12:
      return fmt::format(R"("{}":{})", chance(random, 2) ? "is_empty" : "is_null",
                         chance(random, 3) ? "false" : "true");
    case 13:
      return fmt::format(R"("geo_radius":{{"center":{},"radius":{}}})", kPlaces[0], random.below(3) * 1500);
    default:
      return chance(random, 2)
                 ? R"("geo_bounding_box":{"top_left":{"lon":170,"lat":60},"bottom_right":{"lon":14,"lat":-60}})"
                 : R"("geo_polygon":{"exterior":{"points":[{"lon":0,"lat":0},{"lon":50,"lat":0},{"lon":50,"lat":80},)"
                   R"({"lon":0,"lat":80},{"lon":0,"lat":0}]}})";
  }
}

inline std::string any_filter(base::Random& random, int depth);

inline std::string any_condition(base::Random& random, int depth) {
  switch (random.below(depth > 0 ? 12 : 9)) {
    case 0:
      switch (random.below(3)) {
        case 0:
          return fmt::format(R"({{"has_id":[{},{},"{}"]}})", random.below(40), random.below(40), kUuids[0]);
        case 1:
          return fmt::format(R"({{"has_vector":"{}"}})", chance(random, 2) ? "image" : "");
        default:
          return fmt::format(R"({{"slice":{{"index":{},"total":3}}}})", random.below(3));
      }
    case 9:
    case 10:
      return fmt::format(R"({{"nested":{{"key":"{}","filter":{}}}}})", chance(random, 4) ? "o.l[]" : "l",
                         any_filter(random, depth - 1));
    case 11:
      return any_filter(random, depth - 1);
    default:
      return fmt::format(R"({{"key":"{}",{}}})", any_path(random), any_test(random));
  }
}

inline std::string any_filter(base::Random& random, int depth) {
  const auto conditions = [&](uint64_t most) {
    std::string out = "[";
    for (uint64_t i = random.below(most + 1); i > 0; --i) out += any_condition(random, depth) + (i > 1 ? "," : "");
    return out + ']';
  };
  std::string out = R"({"must":)" + conditions(2);
  if (chance(random, 3)) out += R"(,"should":)" + conditions(3);
  if (chance(random, 3)) out += R"(,"must_not":)" + conditions(1);
  if (chance(random, 5)) {
    out += fmt::format(R"(,"min_should":{{"conditions":{},"min_count":{}}})", conditions(4), 1 + random.below(3));
  }
  return out + '}';
}

}  // namespace sextant::store::testing_payloads
