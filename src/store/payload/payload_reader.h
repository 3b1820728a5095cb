// store/payload/payload_reader.h: payloads as they are stored, JSON objects as text, taken apart to be looked at.
//
// A payload is valid UTF-8 JSON, an object of at most kPayloadBytesMax bytes, nested kPayloadDepthMax deep at most,
// without a key twice in one object and without numbers that neither 64 bits nor a double hold.
// Threads: a PayloadReader belongs to one thread and is kept: its memory is used again.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace simdjson::dom {
class element;
}

namespace sextant::store {

inline constexpr size_t kPayloadBytesMax = size_t{32} << 20;
inline constexpr size_t kPayloadDepthMax = 64;

// Throws invalid_argument that says what is wrong, NAME standing for the payload.
void check_payload(std::string_view text, std::string_view name = "payload");

class PayloadReader {
 public:
  PayloadReader();
  PayloadReader(PayloadReader&&) noexcept;
  PayloadReader& operator=(PayloadReader&&) noexcept;
  ~PayloadReader();

  // The object, until the next call; nullptr for an empty text, which is a point without a payload. Throws corrupted
  // for what check_payload() would have refused, but for keys that are there twice: then the first one counts.
  const simdjson::dom::element* read(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant::store
