// npy arrays, CSV and JSON lines.
#include "fuzz/fuzz.h"
#include "io/csv.h"
#include "io/jsonl.h"
#include "io/npy.h"
#include "sextant/error.h"

std::vector<std::string> fuzz_seeds() {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
  header.resize(117, ' ');
  return {std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + std::string(16, '\0'),
          "a,b\n1,\"two, \"\"quoted\"\"\nlines\"\n3,4\n",
          "{\"a\": \"x\", \"b\": 1.5, \"c\": [1, {\"d\": null}]}\n\n{\"a\": \"y\"}\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Each reader gets the bytes, whatever the others think of them.
  auto attempt = [](auto read) {
    try {
      read();
    } catch (const sextant::Error&) {
    }
  };
  attempt([&] {
    sextant::io::CsvReader reader(sextant::fuzz::as_file(data, size, ".csv"));
    while (reader.next()) {
    }
  });
  attempt([&] {
    sextant::io::JsonLineReader reader(sextant::fuzz::as_file(data, size, ".jsonl"));
    while (reader.next()) reader.find_text("a");
  });
  attempt([&] { sextant::io::NpyFile(sextant::fuzz::as_file(data, size, ".npy")).floats(1 << 20); });
  return 0;
}
