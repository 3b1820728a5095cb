// io/extracted_text.h: what remains of a document once its markup is gone: plain text, a title, headings.
//
// Paragraphs are separated by an empty line, list items and table rows by a line end, cells by a tab; white space
// inside a paragraph is one space. Preformatted text keeps its lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sextant::io {

// A heading stands in the text as a paragraph of its own: bytes [begin, end).
struct Heading {
  size_t begin = 0;
  size_t end = 0;
  int level = 1;  // 1 to 6
  bool operator==(const Heading&) const = default;
};

struct ExtractedText {
  std::string title;  // what the document says its title is; may be empty
  std::string text;
  std::vector<Heading> headings;    // in the order of the text
  std::vector<size_t> page_begins;  // of a document with pages: the byte at which each begins
};

// Builds the text from a stream of inline text and breaks, as a walk over a document tree meets them.
class TextBuilder {
 public:
  void inline_text(std::string_view text);    // white space collapses
  void verbatim_text(std::string_view text);  // white space stays
  void cell_break() { wait_for(Gap::tab); }
  void line_break() { wait_for(Gap::line); }
  void paragraph_break() { wait_for(Gap::paragraph); }
  void begin_heading(int level);
  void end_heading();
  // Appends text that was extracted elsewhere as a paragraph, with its headings.
  void append(const ExtractedText& other);

  ExtractedText take();

 private:
  enum class Gap { none, space, tab, line, paragraph };
  void wait_for(Gap gap) {
    if (gap > gap_) gap_ = gap;
  }
  void close_gap();

  ExtractedText out_;
  Gap gap_ = Gap::none;
  std::string indent_;     // white space that begins a verbatim line, until something follows it
  int heading_level_ = 0;  // 0: not in a heading
  bool heading_empty_ = true;
  Heading heading_;
};

// All white space of ASCII runs turned into one space, none at the ends.
std::string collapse_space(std::string_view text);

}  // namespace sextant::io
