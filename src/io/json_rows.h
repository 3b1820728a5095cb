// io/json_rows.h: rows from JSON: an object a line, or a .json file of objects (io/rows.h).
//
//   {"id": 7, "text": "...", "vector": [0.1, ...], "color": "red"}        what has no meaning of its own is the payload
//   {"id": "a-b", "vector": [0.1, ...], "payload": {"color": "red"}}      a payload that is an object is all of it
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/bytes.h"
#include "io/lines.h"
#include "io/rows.h"

namespace sextant::io {

class JsonObjectRows : public RowSource {
 public:
  JsonObjectRows(const std::string& path, const RowOptions& row_options);
  ~JsonObjectRows() override;

 protected:
  // OBJECT's meaning into ROW.
  void parse(std::string_view object, Row& row);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// An object a line; blank lines are skipped.
class JsonLineRows : public JsonObjectRows {
 public:
  JsonLineRows(const std::string& path, const RowOptions& row_options);

 protected:
  bool read(Row& row) override;
  std::string place() const override;

 private:
  LineReader lines_;
};

// One list of objects, or objects one after another with white space between them, over any number of lines. Only the
// object at hand is in memory.
class JsonRows : public JsonObjectRows {
 public:
  JsonRows(const std::string& path, const RowOptions& row_options);

 protected:
  bool read(Row& row) override;

 private:
  // The byte at the place; false at the end.
  bool peek(char& byte);
  bool skip_space(char& byte);
  // The object that begins at the place, which is then behind it.
  std::string_view take_object();
  [[noreturn]] void fail_at(const std::string& what) const;

  ByteReader bytes_;
  std::string buffer_;
  size_t begin_ = 0;  // unread bytes of buffer_ are [begin_, end_)
  size_t end_ = 0;
  uint64_t taken_ = 0;  // bytes of the file before buffer_
  enum class Form { unknown, list, sequence, done } form_ = Form::unknown;
};

}  // namespace sextant::io
