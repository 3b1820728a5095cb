// io/markdown.h: the text of a Markdown file (CommonMark with GitHub's tables, strikethrough and links; md4c).
//
// Headings are those of the structure: a "#" inside a code fence is text. Raw HTML blocks give their text. A front
// matter between two lines of "---" at the start is left out; its "title:" becomes the title, else the first heading
// of level 1. Threads: any.
#pragma once

#include <string_view>

#include "io/extracted_text.h"

namespace sextant::io {

// MARKDOWN must be UTF-8. Throws exhausted when it is nested absurdly.
ExtractedText extract_markdown(std::string_view markdown);

}  // namespace sextant::io
