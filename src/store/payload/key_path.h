// store/payload/key_path.h: where in a payload a value stands, as Qdrant writes it: "a.b", "a[].b", "a[0]",
// "\"a.b\".c".
//
//   path = key { "." key | "[" digits "]" | "[]" }      key = letters, digits, "_", "-" | '"' any but '"' and "\" '"'
// A dotted key looks into objects alone: through an array one goes with [] (every element) or [n] (one element).
// Threads: a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::store {

struct PathStep {
  enum class Kind : uint8_t { key, element, each };
  Kind kind = Kind::key;
  std::string key;     // of a key
  uint64_t index = 0;  // of an element

  bool operator==(const PathStep&) const = default;
};

class KeyPath {
 public:
  static constexpr size_t kBytesMax = 4096;
  static constexpr size_t kStepsMax = 64;

  KeyPath() = default;
  // nullopt where the text is no path; throws nothing.
  static std::optional<KeyPath> read(std::string_view text);
  // The same, or throws invalid_argument that shows the text.
  static KeyPath parse(std::string_view text);

  // At least one; the first is a key. Empty only in an object that was never assigned.
  const std::vector<PathStep>& steps() const { return steps_; }
  // The only spelling that text() gives: quotes where they are needed and nowhere else.
  const std::string& text() const { return text_; }
  bool has_each() const;
  // With [] at its end, where it does not end so already: the elements of an array.
  KeyPath each() const;
  // This path, then INNER from where it ends.
  KeyPath with(const KeyPath& inner) const;

  bool operator==(const KeyPath& other) const { return text_ == other.text_; }

 private:
  explicit KeyPath(std::vector<PathStep> steps);

  std::vector<PathStep> steps_;
  std::string text_;
};

}  // namespace sextant::store
