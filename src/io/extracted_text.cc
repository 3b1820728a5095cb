#include "io/extracted_text.h"

#include <utility>

namespace sextant::io {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

}  // namespace

void TextBuilder::close_gap() {
  if (!out_.text.empty()) {
    switch (gap_) {
      case Gap::none:
        break;
      case Gap::space:
        out_.text += ' ';
        break;
      case Gap::tab:
        out_.text += '\t';
        break;
      case Gap::line:
        out_.text += '\n';
        break;
      case Gap::paragraph:
        out_.text += "\n\n";
        break;
    }
  }
  gap_ = Gap::none;
  if (heading_level_ > 0 && heading_empty_) {
    heading_ = {out_.text.size(), 0, heading_level_};
    heading_empty_ = false;
  }
}

void TextBuilder::inline_text(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (is_space(text[i])) {
      wait_for(Gap::space);
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && !is_space(text[end])) ++end;
    close_gap();
    out_.text.append(text.substr(i, end - i));
    i = end;
  }
}

void TextBuilder::verbatim_text(std::string_view text) {
  // Line ends wait, so that those at the end of a block are not kept; the spaces that indent a line are.
  size_t i = 0;
  while (i < text.size()) {
    size_t end = text.find('\n', i);
    std::string_view line = text.substr(i, end == std::string_view::npos ? end : end - i);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
      close_gap();
      out_.text.append(indent_).append(line);
      indent_.clear();
    } else {
      indent_ += line;
    }
    if (end == std::string_view::npos) break;
    indent_.clear();
    wait_for(gap_ == Gap::line ? Gap::paragraph : Gap::line);
    i = end + 1;
  }
}

void TextBuilder::begin_heading(int level) {
  if (heading_level_ > 0) end_heading();
  paragraph_break();
  heading_level_ = level;
  heading_empty_ = true;
}

void TextBuilder::end_heading() {
  if (heading_level_ > 0 && !heading_empty_) {
    heading_.end = out_.text.size();
    out_.headings.push_back(heading_);
  }
  heading_level_ = 0;
  paragraph_break();
}

void TextBuilder::append(const ExtractedText& other) {
  if (other.text.empty()) return;
  paragraph_break();
  close_gap();
  size_t start = out_.text.size();
  out_.text += other.text;
  for (Heading heading : other.headings) {
    out_.headings.push_back({heading.begin + start, heading.end + start, heading.level});
  }
  paragraph_break();
}

ExtractedText TextBuilder::take() {
  end_heading();
  gap_ = Gap::none;
  return std::exchange(out_, {});
}

std::string collapse_space(std::string_view text) {
  TextBuilder builder;
  builder.inline_text(text);
  return builder.take().text;
}

}  // namespace sextant::io
