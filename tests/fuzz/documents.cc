// HTML and Markdown into documents whose headings lie inside their text.
#include "io/documents.h"

#include <cstdlib>

#include "fuzz/fuzz.h"

std::vector<std::string> fuzz_seeds() {
  return {
      "<!doctype html><title>T</title><h1>A &amp; b</h1><p>Text "
      "<b>bold</b></p><script>x</script><ul><li>one<li>two</ul>",
      "# Title\n\nText *emph* `code`\n\n## Sub\n\n- one\n- two\n\n```\n# no\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
      "---\ntitle: Front\n---\n\nText\n====\n\n<div>raw</div>\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const char* name : {"a.html", "a.md", "a.txt"}) {
    sextant::io::Document document = sextant::io::make_document(name, bytes);
    if (document.title.empty()) std::abort();
  }
  return 0;
}
