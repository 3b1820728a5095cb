#include "io/html.h"

#include <fmt/format.h>
#include <gumbo.h>

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "sextant/error.h"

namespace sextant::io {
namespace {

double cpu_seconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Where gumbo gets its memory. Nothing is freed one by one: gumbo's own clean-up recurses as deep as the page nests,
// and a page can nest deeper than any stack. Reaching a limit jumps out of the parser, which is plain C and owns
// nothing but what lies here.
struct Arena {
  std::vector<std::unique_ptr<char[]>> blocks;
  char* next = nullptr;
  size_t left = 0;
  size_t bytes_used = 0;
  size_t bytes_max = 0;
  double cpu_seconds_end = 0;
  uint32_t calls = 0;
  const char* reached = nullptr;  // which limit
  std::jmp_buf out;

  void* allocate(size_t bytes) {
    bytes = (bytes + 15) & ~size_t{15};
    bytes_used += bytes;
    if (bytes_used > bytes_max) give_up("memory");
    if (++calls % 256 == 0 && cpu_seconds_now() > cpu_seconds_end) give_up("time");
    if (bytes > left) {
      size_t block_bytes = std::max<size_t>(bytes, size_t{1} << 16);
      char* block = new (std::nothrow) char[block_bytes];
      if (!block) give_up("memory");
      blocks.emplace_back(block);
      next = block;
      left = block_bytes;
    }
    void* result = next;
    next += bytes;
    left -= bytes;
    return result;
  }

  [[noreturn]] void give_up(const char* limit) {
    reached = limit;
    std::longjmp(out, 1);
  }
};

// Null when a limit was reached. Holds no object with a destructor, as setjmp asks.
GumboOutput* parse(Arena* arena, const char* text, size_t size) {
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = [](void* userdata, size_t bytes) { return static_cast<Arena*>(userdata)->allocate(bytes); };
  options.deallocator = [](void*, void*) {};
  options.userdata = arena;
  options.max_errors = 0;
  if (setjmp(arena->out) != 0) return nullptr;
  return gumbo_parse_with_options(&options, text, size);
}

std::string_view attribute(const GumboElement& element, const char* name) {
  const GumboAttribute* found = gumbo_get_attribute(&element.attributes, name);
  return found ? std::string_view(found->value) : std::string_view();
}

bool is_left_out(const GumboElement& element) {
  switch (element.tag) {
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_CANVAS:
    case GUMBO_TAG_AUDIO:
    case GUMBO_TAG_VIDEO:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA:
      return true;
    default:
      break;
  }
  if (gumbo_get_attribute(&element.attributes, "hidden")) return true;
  if (attribute(element, "aria-hidden") == "true") return true;
  std::string style(attribute(element, "style"));
  std::erase_if(style, [](char c) { return c == ' '; });
  return style.find("display:none") != std::string::npos || style.find("visibility:hidden") != std::string::npos;
}

enum class Break { none, cell, line, paragraph };

Break break_around(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
      return Break::cell;
    case GUMBO_TAG_LI:
    case GUMBO_TAG_TR:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_BR:
    case GUMBO_TAG_SUMMARY:
      return Break::line;
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_CENTER:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_FIELDSET:
    case GUMBO_TAG_FIGCAPTION:
    case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_H1:
    case GUMBO_TAG_H2:
    case GUMBO_TAG_H3:
    case GUMBO_TAG_H4:
    case GUMBO_TAG_H5:
    case GUMBO_TAG_H6:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_HR:
    case GUMBO_TAG_MAIN:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_P:
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_UL:
      return Break::paragraph;
    default:
      return Break::none;
  }
}

int heading_level(GumboTag tag) {
  return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6 ? 1 + static_cast<int>(tag) - static_cast<int>(GUMBO_TAG_H1) : 0;
}

// The text of <title>, wherever under <html><head> it stands.
std::string find_title(const GumboNode& root) {
  const GumboVector& children = root.v.element.children;
  for (unsigned i = 0; i < children.length; ++i) {
    const auto* head = static_cast<const GumboNode*>(children.data[i]);
    if (head->type != GUMBO_NODE_ELEMENT || head->v.element.tag != GUMBO_TAG_HEAD) continue;
    const GumboVector& inside = head->v.element.children;
    for (unsigned j = 0; j < inside.length; ++j) {
      const auto* title = static_cast<const GumboNode*>(inside.data[j]);
      if (title->type != GUMBO_NODE_ELEMENT || title->v.element.tag != GUMBO_TAG_TITLE) continue;
      std::string text;
      const GumboVector& parts = title->v.element.children;
      for (unsigned k = 0; k < parts.length; ++k) {
        const auto* part = static_cast<const GumboNode*>(parts.data[k]);
        if (part->type == GUMBO_NODE_TEXT || part->type == GUMBO_NODE_WHITESPACE) text += part->v.text.text;
      }
      return collapse_space(text);
    }
  }
  return {};
}

class Walk {
 public:
  // Not recursive, for the reason that Arena gives.
  void run(const GumboNode& root) {
    enter(root);
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      const GumboElement& element = frame.node->v.element;
      if (frame.child < element.children.length) {
        enter(*static_cast<const GumboNode*>(element.children.data[frame.child++]));
      } else {
        leave(element);
        stack_.pop_back();
      }
    }
  }
  TextBuilder& text() { return text_; }

 private:
  struct Frame {
    const GumboNode* node;
    unsigned child;
  };

  void apply(Break kind) {
    if (kind == Break::cell) text_.cell_break();
    if (kind == Break::line) text_.line_break();
    if (kind == Break::paragraph) text_.paragraph_break();
  }

  void enter(const GumboNode& node) {
    switch (node.type) {
      case GUMBO_NODE_TEXT:
      case GUMBO_NODE_CDATA:
      case GUMBO_NODE_WHITESPACE:
        if (pre_depth_ > 0) {
          text_.verbatim_text(node.v.text.text);
        } else {
          text_.inline_text(node.v.text.text);
        }
        return;
      case GUMBO_NODE_ELEMENT:
        break;
      default:
        return;
    }
    const GumboElement& element = node.v.element;
    if (is_left_out(element)) return;
    if (element.tag == GUMBO_TAG_IMG) {
      std::string_view alt = attribute(element, "alt");
      text_.inline_text(" ");
      text_.inline_text(alt);
      text_.inline_text(" ");
    }
    apply(break_around(element.tag));
    if (int level = heading_level(element.tag)) text_.begin_heading(level);
    if (element.tag == GUMBO_TAG_PRE) ++pre_depth_;
    stack_.push_back({&node, 0});
  }

  void leave(const GumboElement& element) {
    if (element.tag == GUMBO_TAG_PRE) --pre_depth_;
    if (heading_level(element.tag)) text_.end_heading();
    apply(break_around(element.tag));
  }

  TextBuilder text_;
  std::vector<Frame> stack_;
  size_t pre_depth_ = 0;
};

}  // namespace

ExtractedText extract_html(std::string_view html, const HtmlOptions& options) {
  Arena arena;
  arena.bytes_max = (size_t{16} << 20) + 64 * html.size();
  arena.cpu_seconds_end = cpu_seconds_now() + options.cpu_seconds_max;
  const GumboOutput* output = parse(&arena, html.data(), html.size());
  if (!output) {
    throw Error(
        ErrorCode::exhausted,
        fmt::format("HTML of {} bytes is nested so that parsing it takes more than the limit of {}", html.size(),
                    std::string_view(arena.reached) == "time" ? fmt::format("{} s", options.cpu_seconds_max)
                                                              : fmt::format("{} bytes", arena.bytes_max)));
  }
  Walk walk;
  walk.run(*output->root);
  ExtractedText out = walk.text().take();
  out.title = find_title(*output->root);
  return out;
}

}  // namespace sextant::io
