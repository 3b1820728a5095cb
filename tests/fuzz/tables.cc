// npy arrays, CSV and JSON, as they are and as rows.
#include <cstdlib>

#include "fuzz/fuzz.h"
#include "io/csv.h"
#include "io/json_text.h"
#include "io/jsonl.h"
#include "io/npy.h"
#include "io/rows.h"
#include "sextant/error.h"

std::vector<std::string> fuzz_seeds() {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
  header.resize(117, ' ');
  return {std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + std::string(16, '\0'),
          "a,b\n1,\"two, \"\"quoted\"\"\nlines\"\n3,4\n",
          "{\"a\": \"x\", \"b\": 1.5, \"c\": [1, {\"d\": null}]}\n\n{\"a\": \"y\"}\n",
          "[{\"id\": 7, \"text\": \"t\", \"vector\": [1, -2.5e3]},\n {\"id\": \"u\", \"vector\": [3, 4], \"payload\": "
          "{\"a\": true}}]",
          "id,text,vector,price,sold\n1,one,\"[1, 2]\",2.5,true\n,,\"[3,4]\",-1e5,\n"};
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
  for (const char* ending : {".csv", ".jsonl", ".json"}) {
    attempt([&] {
      auto rows = sextant::io::open_rows(sextant::fuzz::as_file(data, size, ending));
      for (sextant::io::Row row; rows->next(row);) {
        // What is handed on as a payload is one JSON object, whatever came in.
        std::string again;
        if (!sextant::io::append_compact_object(again, row.payload_json)) std::abort();
      }
    });
  }
  return 0;
}
