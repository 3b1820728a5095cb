// A filter, a payload and a schema, a line each: read, written and read again, and matched.
#include "store/payload/filter.h"

#include <cstdlib>

#include "base/random.h"
#include "fuzz/fuzz.h"
#include "sextant/error.h"
#include "store/payload/payload_match.h"
#include "store/payload/payload_reader.h"
#include "store/payload/testing_payloads.h"

namespace store = sextant::store;

std::vector<std::string> fuzz_seeds() {
  sextant::base::Random random(8);
  std::vector<std::string> seeds;
  for (int i = 0; i < 200; ++i) {
    seeds.push_back(store::testing_payloads::any_filter(random, 2) + '\n' +
                    store::testing_payloads::any_object(random, 2) + '\n' +
                    store::testing_payloads::any_schema(random));
  }
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto line = [&] {
    const std::string_view out = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), out.size() + 1));
    return out;
  };
  // Each reader gets its line, whatever the others think of theirs.
  const auto attempt = [](auto work) {
    try {
      work();
    } catch (const sextant::Error&) {
    }
  };
  store::Filter filter;
  store::PayloadSchema schema;
  store::PayloadReader reader;
  attempt([&, text = line()] {
    filter = store::parse_filter(text);
    if (store::parse_filter(store::filter_json(filter)) != filter) std::abort();
  });
  const std::string_view payload = line();
  attempt([&, text = line()] {
    schema = store::parse_payload_schema(text);
    if (store::parse_payload_schema(store::payload_schema_json(schema)) != schema) std::abort();
  });
  store::PayloadMatcher matcher(filter, schema);
  attempt([&] { store::check_payload(payload); });
  attempt([&] {
    volatile bool matches = matcher.matches({store::PointId::of(1), reader.read(payload), {}});
    static_cast<void>(matches);
  });
  return 0;
}
