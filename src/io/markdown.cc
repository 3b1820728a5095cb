#include "io/markdown.h"

#include <fmt/format.h>
#include <md4c.h>

#include <charconv>
#include <exception>
#include <string>

#include "base/utf8.h"
#include "io/html.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr size_t kDepthMax = 1000;

class Renderer {
 public:
  TextBuilder text;
  std::exception_ptr error;

  int enter_block(MD_BLOCKTYPE type, void* detail) {
    if (++depth_ > kDepthMax) {
      throw Error(ErrorCode::exhausted, fmt::format("Markdown is nested deeper than {} blocks", kDepthMax));
    }
    switch (type) {
      case MD_BLOCK_H:
        text.begin_heading(static_cast<int>(static_cast<MD_BLOCK_H_DETAIL*>(detail)->level));
        break;
      case MD_BLOCK_UL:
      case MD_BLOCK_OL:
        if (list_depth_++ > 0) {
          text.line_break();
        } else {
          text.paragraph_break();
        }
        break;
      case MD_BLOCK_LI:
      case MD_BLOCK_TR:
        text.line_break();
        break;
      case MD_BLOCK_TH:
      case MD_BLOCK_TD:
        text.cell_break();
        break;
      case MD_BLOCK_HTML:
        html_.clear();
        break;
      case MD_BLOCK_DOC:
      case MD_BLOCK_THEAD:
      case MD_BLOCK_TBODY:
        break;
      default:
        text.paragraph_break();
    }
    if (type == MD_BLOCK_CODE) in_code_ = true;
    return 0;
  }

  int leave_block(MD_BLOCKTYPE type) {
    --depth_;
    switch (type) {
      case MD_BLOCK_H:
        text.end_heading();
        break;
      case MD_BLOCK_UL:
      case MD_BLOCK_OL:
        if (--list_depth_ > 0) {
          text.line_break();
        } else {
          text.paragraph_break();
        }
        break;
      case MD_BLOCK_LI:
      case MD_BLOCK_TR:
        text.line_break();
        break;
      case MD_BLOCK_TH:
      case MD_BLOCK_TD:
        text.cell_break();
        break;
      case MD_BLOCK_HTML:
        text.append(extract_html(html_));
        break;
      case MD_BLOCK_DOC:
      case MD_BLOCK_THEAD:
      case MD_BLOCK_TBODY:
        break;
      default:
        text.paragraph_break();
    }
    if (type == MD_BLOCK_CODE) in_code_ = false;
    return 0;
  }

  int take_text(MD_TEXTTYPE type, std::string_view part) {
    switch (type) {
      case MD_TEXT_NULLCHAR:
        text.inline_text("\xEF\xBF\xBD");
        break;
      case MD_TEXT_BR:
        text.line_break();
        break;
      case MD_TEXT_SOFTBR:
        text.inline_text(" ");
        break;
      case MD_TEXT_ENTITY:
        text.inline_text(decode_entity(part));
        break;
      case MD_TEXT_HTML:
        if (in_html(part)) break;
        if (part.starts_with("<br") || part.starts_with("<BR")) text.line_break();
        break;
      default:
        if (in_code_) {
          text.verbatim_text(part);
        } else {
          text.inline_text(part);
        }
    }
    return 0;
  }

  void begin_html_block() { html_block_ = true; }
  void end_html_block() { html_block_ = false; }

 private:
  // Text of an HTML block is gathered and parsed as a whole when the block ends.
  bool in_html(std::string_view part) {
    if (html_block_) html_ += part;
    return html_block_;
  }

  static std::string decode_entity(std::string_view entity) {
    std::string_view digits = entity;
    if (digits.starts_with("&#") && digits.ends_with(';')) {
      digits.remove_prefix(2);
      digits.remove_suffix(1);
      int radix = 10;
      if (digits.starts_with('x') || digits.starts_with('X')) {
        digits.remove_prefix(1);
        radix = 16;
      }
      uint32_t value = 0;
      auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value, radix);
      if (failure != std::errc() || end != digits.data() + digits.size()) return std::string(entity);
      if (value == 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) value = base::kReplacement;
      std::string out;
      base::append_utf8(out, static_cast<char32_t>(value));
      return out;
    }
    // Named ones are rare enough to ask the HTML parser, which knows all 2,231.
    return extract_html(entity).text;
  }

  size_t depth_ = 0;
  size_t list_depth_ = 0;
  bool in_code_ = false;
  bool html_block_ = false;
  std::string html_;
};

// Exceptions must not cross md4c's frames, which are plain C.
template <class Body>
int guarded(void* userdata, Body body) {
  auto* renderer = static_cast<Renderer*>(userdata);
  try {
    return body(*renderer);
  } catch (...) {
    renderer->error = std::current_exception();
    return -1;
  }
}

// Cuts the front matter off and returns its title.
std::string take_front_matter(std::string_view& markdown) {
  auto line_at = [&](size_t begin, size_t& next) {
    size_t end = markdown.find('\n', begin);
    next = end == std::string_view::npos ? markdown.size() : end + 1;
    std::string_view line = markdown.substr(begin, (end == std::string_view::npos ? markdown.size() : end) - begin);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    return line;
  };
  size_t position = 0;
  if (line_at(0, position) != "---") return {};
  std::string title;
  while (position < markdown.size()) {
    size_t next = 0;
    std::string_view line = line_at(position, next);
    // A blank line right away means a horizontal rule, not front matter.
    if (line.empty() && title.empty() && position < 6) return {};
    position = next;
    if (line == "---" || line == "...") {
      markdown.remove_prefix(position);
      return title;
    }
    if (line.starts_with("title:")) {
      title = collapse_space(line.substr(6));
      if (title.size() >= 2 && (title.front() == '"' || title.front() == '\'') && title.back() == title.front()) {
        title = title.substr(1, title.size() - 2);
      }
    }
  }
  return {};
}

}  // namespace

ExtractedText extract_markdown(std::string_view markdown) {
  std::string title = take_front_matter(markdown);
  Renderer renderer;
  MD_PARSER parser{};
  parser.flags = MD_DIALECT_GITHUB;
  parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* userdata) {
    return guarded(userdata, [&](Renderer& r) {
      if (type == MD_BLOCK_HTML) r.begin_html_block();
      return r.enter_block(type, detail);
    });
  };
  parser.leave_block = [](MD_BLOCKTYPE type, void*, void* userdata) {
    return guarded(userdata, [&](Renderer& r) {
      if (type == MD_BLOCK_HTML) r.end_html_block();
      return r.leave_block(type);
    });
  };
  parser.enter_span = [](MD_SPANTYPE, void*, void*) { return 0; };
  parser.leave_span = [](MD_SPANTYPE, void*, void*) { return 0; };
  parser.text = [](MD_TEXTTYPE type, const MD_CHAR* text, MD_SIZE size, void* userdata) {
    return guarded(userdata, [&](Renderer& r) { return r.take_text(type, {text, size}); });
  };
  int result = md_parse(markdown.data(), static_cast<MD_SIZE>(markdown.size()), &parser, &renderer);
  if (renderer.error) std::rethrow_exception(renderer.error);
  if (result != 0) throw Error(ErrorCode::exhausted, "Markdown could not be parsed: out of memory");
  ExtractedText out = renderer.text.take();
  out.title = std::move(title);
  for (const Heading& heading : out.headings) {
    if (!out.title.empty()) break;
    if (heading.level == 1) out.title = out.text.substr(heading.begin, heading.end - heading.begin);
  }
  return out;
}

}  // namespace sextant::io
