// model/pickle.h: Python's pickles (protocols 2 to 5) read as data: nothing is imported, called or run.
//
// A pickle is a program for a stack machine. Here the machine can build numbers, strings, tuples, lists and dicts;
// objects of the classes and functions that the caller lists are kept as what the pickle says of them, a `call` with
// its arguments; what the pickle leaves to its container is kept as a `persistent`. Every other opcode and every other
// global is refused by name.
// Memory: values lie in one arena and refer to each other by number, so that shared and circular structures cost
// nothing and nothing recurses. Pickle, values, memo and marks are bounded (pickle.cc says by how much); every value
// costs the file at least a byte, and strings are views into it.
// Throws corrupted (not a pickle), unsupported (an opcode or global that is not read) or exhausted (beyond a limit).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::model {

// The place of a value in its pickle.
enum class PickleRef : uint32_t {};

struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,      // integer is 0 or 1
    integer,      // integer
    big_integer,  // text: beyond 64 bits, little-endian two's complement
    real,         // real
    text,         // text, valid UTF-8
    bytes,        // text
    tuple,        // items
    list,         // items
    dict,         // items: key, value, key, value; keys may repeat
    global,       // text: one of the listed names
    call,         // text: the name that is called; items: its arguments
    persistent,   // items: the one value that identifies what lies outside
  };

  Kind kind = Kind::none;
  int64_t integer = 0;
  double real = 0;
  std::string_view text;
  std::vector<PickleRef> items;
};

class Pickle {
 public:
  // Reads the pickle that BYTES begin with. GLOBALS are the names that may occur, as "module.name"; they and BYTES must
  // outlive the object. collections.OrderedDict is always read, as a dict whose attributes are left out. SOURCE names
  // the bytes in errors.
  Pickle(std::span<const std::byte> bytes, std::span<const std::string_view> globals, std::string source);

  const PickleValue& root() const { return values_[root_]; }
  const PickleValue& operator[](PickleRef ref) const { return values_[static_cast<size_t>(ref)]; }
  // Every value, in the order in which they were made.
  std::span<const PickleValue> values() const { return values_; }
  // How many of the bytes the pickle takes; others may follow.
  size_t size_bytes() const { return size_bytes_; }

 private:
  friend class PickleMachine;

  std::vector<PickleValue> values_;
  size_t root_ = 0;
  size_t size_bytes_ = 0;
};

}  // namespace sextant::model
