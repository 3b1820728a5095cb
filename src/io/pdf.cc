#include "io/pdf.h"

#include <fmt/format.h>
#include <poppler-document.h>
#include <poppler-global.h>
#include <poppler-page.h>

#include <ctime>
#include <limits>
#include <memory>
#include <mutex>
#include <string>

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

// The header may stand behind other bytes, as readers have always allowed.
constexpr size_t kPdfHeaderWithinBytes = 1024;

double pdf_cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string utf8_of(const poppler::ustring& text) {
  const poppler::byte_array bytes = text.to_utf8();
  return base::repair_utf8({bytes.data(), bytes.size()});
}

// A page's lines without white space at their ends, at most one empty one between two, none at the ends.
void append_lines(std::string& out, std::string_view page) {
  bool any = false;
  size_t breaks = 0;
  while (!page.empty()) {
    const size_t end = page.find_first_of("\n\r\f\v");
    std::string_view line = page.substr(0, end);
    page.remove_prefix(end == std::string_view::npos ? page.size() : end + 1);
    line = line.substr(0, line.find_last_not_of(std::string_view(" \t\0", 3)) + 1);
    if (line.find_first_not_of(std::string_view(" \t\0", 3)) == std::string_view::npos) {
      ++breaks;
      continue;
    }
    if (any) out.append(breaks > 0 ? "\n\n" : "\n");
    for (char c : line) out += c == '\0' ? ' ' : c;
    any = true;
    breaks = 0;
  }
}

ExtractedText read_pages(poppler::document& document, const PdfOptions& options, double cpu_seconds_end) {
  const int pages = document.pages();
  if (pages <= 0) throw Error(ErrorCode::corrupted, "is a PDF without pages");
  if (static_cast<size_t>(pages) > options.pages_max) {
    throw Error(ErrorCode::exhausted, fmt::format("is a PDF of {} pages, the limit is {}", pages, options.pages_max));
  }
  ExtractedText out;
  out.title = collapse_space(utf8_of(document.get_title()));
  for (int i = 0; i < pages; ++i) {
    if (pdf_cpu_seconds() > cpu_seconds_end) {
      throw Error(ErrorCode::exhausted,
                  fmt::format("is a PDF that takes more than the limit of {} s; page {} of {} was "
                              "reached",
                              options.cpu_seconds_max, i + 1, pages));
    }
    std::string lines;
    const std::unique_ptr<poppler::page> page(document.create_page(i));
    if (page) {
      append_lines(lines, utf8_of(page->text(poppler::rectf(), poppler::page::non_raw_non_physical_layout)));
    }
    if (!lines.empty() && !out.text.empty()) out.text += "\n\n";
    out.page_begins.push_back(out.text.size());
    if (lines.size() > options.text_bytes_max - std::min(out.text.size(), options.text_bytes_max)) {
      throw Error(ErrorCode::exhausted,
                  fmt::format("is a PDF with more than the limit of {} bytes of text", options.text_bytes_max));
    }
    out.text += lines;
  }
  return out;
}

}  // namespace

ExtractedText extract_pdf(std::string_view bytes, const PdfOptions& options) {
  static std::once_flag silenced;
  std::call_once(silenced, [] { poppler::set_debug_error_function([](const std::string&, void*) {}, nullptr); });
  const double cpu_seconds_end = pdf_cpu_seconds() + options.cpu_seconds_max;
  if (bytes.substr(0, kPdfHeaderWithinBytes).find("%PDF-") == std::string_view::npos) {
    throw Error(ErrorCode::corrupted, "is not a PDF: has no %PDF- at its beginning");
  }
  if (bytes.size() > std::numeric_limits<int>::max()) {
    throw Error(ErrorCode::exhausted, fmt::format("is a PDF of {} bytes, expected fewer than 2 GiB", bytes.size()));
  }
  try {
    const std::unique_ptr<poppler::document> document(
        poppler::document::load_from_raw_data(bytes.data(), static_cast<int>(bytes.size())));
    if (!document) throw Error(ErrorCode::corrupted, "is not a readable PDF: its structure cannot be repaired");
    if (document->is_locked()) {
      throw Error(ErrorCode::unsupported, "is encrypted: a password is needed to read it");
    }
    return read_pages(*document, options, cpu_seconds_end);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::exhausted, "is a PDF that takes more memory than there is");
  } catch (const std::exception& failure) {
    throw Error(ErrorCode::corrupted, fmt::format("is not a readable PDF: {}", failure.what()));
  }
}

}  // namespace sextant::io
