// Saved payload indexes: as they are, and with the head's checksum made right again, which lets damage get further.
#include "store/payload/payload_index.h"

#include "fuzz/fuzz.h"
#include "sextant/error.h"
#include "store/payload/testing_segment.h"

namespace segment = sextant::store::testing_segment;

std::vector<std::string> fuzz_seeds() { return {segment::index_of_all_kinds()}; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const segment::SomePoints points = segment::points_of_all_kinds();
  std::string bytes(reinterpret_cast<const char*>(data), size);
  segment::ask_everything(sextant::fuzz::as_file(data, size, ".idx"), points);
  segment::mend_head(bytes);
  segment::ask_everything(sextant::fuzz::as_file(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), ".idx"),
                          points);
  return 0;
}
