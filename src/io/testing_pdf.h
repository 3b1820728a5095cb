// io/testing_pdf.h: for tests: a small PDF.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

namespace sextant::io {

struct TestingPdf {
  std::vector<std::string> contents;  // of each page: drawing instructions
  std::string title = {};             // as a literal string: "(Title)"
  std::string trailer = {};           // more of it

  // Lines of text from the top of a page down.
  static std::string lines(const std::vector<std::string>& texts) {
    std::string out = "BT /F1 12 Tf 14 TL 72 720 Td\n";
    for (const std::string& text : texts) out += "(" + text + ") Tj T*\n";
    return out + "ET\n";
  }

  std::string bytes() const {
    std::string out = "%PDF-1.4\n";
    std::vector<size_t> places;
    auto object = [&](const std::string& body) {
      places.push_back(out.size());
      out += fmt::format("{} 0 obj\n{}\nendobj\n", places.size(), body);
    };
    std::string kids;
    for (size_t i = 0; i < contents.size(); ++i) kids += fmt::format("{} 0 R ", 5 + 2 * i);
    object("<< /Type /Catalog /Pages 2 0 R >>");
    object(fmt::format("<< /Type /Pages /Kids [{}] /Count {} >>", kids, contents.size()));
    object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
    object("<< " + (title.empty() ? "" : "/Title " + title) + " >>");
    for (size_t i = 0; i < contents.size(); ++i) {
      object(
          fmt::format("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R "
                      "/Resources << /Font << /F1 3 0 R >> >> >>",
                      6 + 2 * i));
      object(fmt::format("<< /Length {} >>\nstream\n{}\nendstream", contents[i].size(), contents[i]));
    }
    const size_t table = out.size();
    out += fmt::format("xref\n0 {}\n0000000000 65535 f \n", places.size() + 1);
    for (size_t place : places) out += fmt::format("{:010} 00000 n \n", place);
    out += fmt::format("trailer\n<< /Size {} /Root 1 0 R /Info 4 0 R {} >>\nstartxref\n{}\n%%EOF\n", places.size() + 1,
                       trailer, table);
    return out;
  }
};

}  // namespace sextant::io
