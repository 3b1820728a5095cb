// io/pdf.h: the text of a PDF, page by page in reading order (poppler).
//
// Lines and paragraphs are as the page has them; nothing of the layout besides. What a page shows as an image is not
// text. Of a PDF that is written to be opened by anybody but not copied, the text is taken all the same.
// Poppler is fed with what others made: sizes, pages and time are limited, what it prints goes nowhere, what it throws
// becomes an Error. Chinese, Japanese and Korean PDFs without tables of their own need Debian's package poppler-data.
// Threads: any.
#pragma once

#include <cstddef>
#include <string_view>

#include "io/extracted_text.h"

namespace sextant::io {

struct PdfOptions {
  size_t pages_max = 20'000;
  size_t text_bytes_max = size_t{256} << 20;
  double cpu_seconds_max = 60;  // looked at between pages
};

// With page_begins, without headings. Throws corrupted for what is no PDF or cannot be repaired, unsupported for one
// that needs a password, exhausted when a limit is reached.
ExtractedText extract_pdf(std::string_view bytes, const PdfOptions& options = {});

}  // namespace sextant::io
