// io/html.h: the text of an HTML page, parsed as browsers do (gumbo).
//
// Left out: scripts, styles, navigation, templates, vector graphics, embedded players, form choices, and whatever is
// marked hidden. Images give their alternative text. Entities are decoded.
// Memory and time are bounded whatever the page: 64 bytes a byte of HTML, and a limit in processor seconds, because
// the parsing that browsers agreed on is quadratic for absurdly nested pages. Threads: any.
#pragma once

#include <string_view>

#include "io/extracted_text.h"

namespace sextant::io {

struct HtmlOptions {
  double cpu_seconds_max = 10;
};

// HTML must be UTF-8. Throws exhausted when a limit is reached.
ExtractedText extract_html(std::string_view html, const HtmlOptions& options = {});

}  // namespace sextant::io
