// io/jsonl.h: JSON lines: one object a line, its fields by name.
//
// Blank lines are skipped. A field is named by its key, or by a JSON pointer that starts with "/" ("/meta/title/0").
// Every error names the file, the line and the field. Memory: the longest line, several times over.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/lines.h"

namespace sextant::io {

class JsonLineReader {
 public:
  explicit JsonLineReader(const std::string& path, const LineOptions& options = {});
  JsonLineReader(JsonLineReader&&) noexcept;
  JsonLineReader& operator=(JsonLineReader&&) noexcept;
  ~JsonLineReader();

  // Moves to the next object; false at the end. Throws corrupted when a line is not one JSON object.
  bool next();

  // Views are valid until next(). text() throws corrupted when the field is missing or not a string; find_text() gives
  // nothing when it is missing or null, and throws for other types.
  std::string_view text(std::string_view field) const;
  std::optional<std::string_view> find_text(std::string_view field) const;
  std::optional<double> find_number(std::string_view field) const;
  bool has(std::string_view field) const;

  // Each field of the object itself whose value is a string, in the order of the file.
  void for_each_text(const std::function<void(std::string_view field, std::string_view text)>& visit) const;

  std::string_view raw() const;  // the line as it is
  uint64_t line_number() const;
  const std::string& name() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// TEXT as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// The shortest decimal that reads back as the same float; null for NaN and infinities.
void append_json_number(std::string& out, float value);
void append_json_number(std::string& out, double value);

}  // namespace sextant::io
