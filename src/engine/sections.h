// engine/sections.h: what stands under which heading of a document, and what a passage needs to be told of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "io/documents.h"

namespace sextant::engine {

struct DocumentSection {
  size_t begin = 0;  // bytes of the document's text
  size_t end = 0;
  std::string headings;  // "A > B", outermost first; the document's title is left out
};

// In order of the text and without overlap. A heading that has neither text nor a deeper heading below it is a section
// itself, so that no word of the document is lost.
std::vector<DocumentSection> sections_of(const io::Document& document);

// "Title > A > B": what is embedded with a passage. HEADINGS: as sections_of() joins them.
std::string context_of(std::string_view title, std::string_view headings);

}  // namespace sextant::engine
