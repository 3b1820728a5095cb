#include "io/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/files.h"
#include "base/utf8.h"
#include "io/bytes.h"
#include "io/html.h"
#include "io/markdown.h"
#include "io/pdf.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

namespace fs = std::filesystem;

constexpr size_t kProbeBytes = size_t{1} << 16;
constexpr size_t kTitleBytesMax = 120;

enum class DocumentFormat { text, markdown, html, pdf, other };

DocumentFormat format_of(std::string_view name) {
  size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return DocumentFormat::other;
  std::string ending(name.substr(dot + 1));
  for (char& c : ending) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (ending == "txt" || ending == "text") return DocumentFormat::text;
  if (ending == "md" || ending == "markdown") return DocumentFormat::markdown;
  if (ending == "html" || ending == "htm") return DocumentFormat::html;
  if (ending == "pdf") return DocumentFormat::pdf;
  return DocumentFormat::other;
}

// Empty when BYTES look like text.
std::string why_binary(std::string_view bytes) {
  std::string_view probe = bytes.substr(0, kProbeBytes);
  if (probe.starts_with("\xFF\xFE") || probe.starts_with("\xFE\xFF")) return "is UTF-16, expected UTF-8";
  if (probe.find('\0') != std::string_view::npos) return "is binary (has NUL bytes)";
  size_t invalid = 0;
  size_t position = 0;
  while (position < probe.size()) {
    bool valid = true;
    base::decode_utf8(probe, position, &valid);
    invalid += valid ? 0 : 1;
  }
  // Text in a single-byte encoding has a few accented letters in a hundred; compressed data is about half invalid.
  if (invalid * 4 > probe.size()) return "is binary (mostly invalid UTF-8)";
  return {};
}

std::string repair(std::string_view bytes, uint64_t& replaced_count) {
  if (base::is_valid_utf8(bytes)) return std::string(bytes);
  std::string out;
  out.reserve(bytes.size());
  size_t position = 0;
  while (position < bytes.size()) {
    bool valid = true;
    base::append_utf8(out, base::decode_utf8(bytes, position, &valid));
    replaced_count += valid ? 0 : 1;
  }
  return out;
}

// Lines end with LF, form feeds become line ends, no white space at the ends of the text.
ExtractedText extract_plain(std::string_view bytes) {
  ExtractedText out;
  out.text.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    char c = bytes[i];
    if (c == '\r') {
      if (i + 1 < bytes.size() && bytes[i + 1] == '\n') continue;
      c = '\n';
    }
    out.text += c == '\f' ? '\n' : c;
  }
  size_t end = out.text.find_last_not_of(" \t\n");
  out.text.resize(end == std::string::npos ? 0 : end + 1);
  out.text.erase(0, std::min(out.text.find_first_not_of('\n'), out.text.size()));
  // A short first line with an empty line below it is the title of most plain text files.
  size_t line_end = out.text.find('\n');
  if (line_end == std::string::npos || out.text.compare(line_end, 2, "\n\n") != 0) return out;
  std::string title = collapse_space(std::string_view(out.text).substr(0, line_end));
  if (title.empty() || title.size() > kTitleBytesMax || title.ends_with('.')) return out;
  out.headings.push_back({out.text.find_first_not_of(" \t"), line_end, 1});
  out.title = std::move(title);
  return out;
}

std::string title_from_name(std::string_view name) {
  size_t slash = name.rfind('/');
  std::string stem(slash == std::string_view::npos ? name : name.substr(slash + 1));
  size_t dot = stem.rfind('.');
  if (dot != std::string::npos && dot > 0) stem.resize(dot);
  std::replace_if(
      stem.begin(), stem.end(), [](char c) { return c == '-' || c == '_'; }, ' ');
  std::string title = collapse_space(stem);
  return title.empty() ? std::string(name) : title;
}

}  // namespace

Document make_document(std::string name, std::string_view bytes) {
  Document document;
  document.source_bytes = bytes.size();
  const DocumentFormat format = format_of(name);
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  std::string text;
  if (format != DocumentFormat::pdf) text = repair(bytes, document.replaced_count);
  ExtractedText extracted;
  switch (format) {
    case DocumentFormat::pdf:
      extracted = extract_pdf(bytes);
      break;
    case DocumentFormat::html:
      extracted = extract_html(text);
      break;
    case DocumentFormat::markdown:
      extracted = extract_markdown(text);
      break;
    default:
      extracted = extract_plain(text);
  }
  for (const Heading& heading : extracted.headings) {
    if (!extracted.title.empty()) break;
    extracted.title = collapse_space(extracted.text.substr(heading.begin, heading.end - heading.begin));
  }
  document.path = base::repair_utf8(name);
  document.title = extracted.title.empty() ? title_from_name(document.path) : std::move(extracted.title);
  document.text = std::move(extracted.text);
  document.headings = std::move(extracted.headings);
  document.page_begins = std::move(extracted.page_begins);
  return document;
}

size_t page_number(const Document& document, size_t at) {
  const auto& begins = document.page_begins;
  return static_cast<size_t>(std::upper_bound(begins.begin(), begins.end(), at) - begins.begin());
}

DocumentReader::DocumentReader(const std::vector<std::string>& paths, const DocumentOptions& options)
    : options_(options) {
  for (const std::string& path : paths) {
    std::error_code error;
    fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) {
      throw Error(ErrorCode::not_found, path + ": there is no such file or folder");
    }
    // Of several paths, each document keeps the one it came by, so that no two documents have the same name.
    if (fs::is_directory(status)) {
      std::string prefix = paths.size() > 1 ? fs::path(path).lexically_normal().string() : "";
      if (!prefix.empty() && !prefix.ends_with('/')) prefix += '/';
      list_folder(path, prefix, 0);
    } else if (fs::is_regular_file(status)) {
      files_.push_back({path, paths.size() > 1 ? path : fs::path(path).filename().string()});
    } else {
      throw Error(error ? ErrorCode::unavailable : ErrorCode::invalid_argument,
                  fmt::format("{}: {}", path, error ? error.message() : "is neither a file nor a folder"));
    }
  }
}

void DocumentReader::list_folder(const fs::path& folder, const std::string& prefix, size_t depth) {
  if (depth > options_.folder_depth_max) {
    skipped_.push_back({prefix, fmt::format("is nested deeper than {} folders", options_.folder_depth_max)});
    return;
  }
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  fs::directory_iterator it(folder, error);
  while (!error && it != fs::directory_iterator()) {
    entries.push_back(*it);
    it.increment(error);
  }
  if (error) skipped_.push_back({prefix.empty() ? folder.string() : prefix, "cannot be listed: " + error.message()});
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.path().native() < b.path().native(); });
  for (const fs::directory_entry& entry : entries) {
    std::string name = entry.path().filename().string();
    std::string shown = prefix + name;
    if (name.starts_with('.')) {
      skipped_.push_back({shown, "is hidden"});
    } else if (fs::is_directory(entry.symlink_status(error))) {
      list_folder(entry.path(), shown + "/", depth + 1);
    } else if (fs::is_directory(entry.status(error))) {
      skipped_.push_back({shown, "is a link to a folder"});
    } else if (!fs::is_regular_file(entry.status(error))) {
      skipped_.push_back({shown, "is not a regular file"});
    } else if (format_of(name) == DocumentFormat::other) {
      skipped_.push_back({shown, "has none of the endings .txt .text .md .markdown .html .htm .pdf"});
    } else {
      files_.push_back({entry.path(), shown});
    }
  }
}

bool DocumentReader::next(Document& document) {
  while (next_ < files_.size()) {
    const File& file = files_[next_++];
    if (read(file, document)) return true;
  }
  return false;
}

bool DocumentReader::read(const File& file, Document& document) {
  auto skip = [&](std::string reason) {
    skipped_.push_back({base::repair_utf8(file.shown), std::move(reason)});
    return false;
  };
  try {
    std::string bytes = base::read_file(file.path, options_.file_bytes_max);
    if (format_of(file.shown) != DocumentFormat::pdf) {
      if (std::string reason = why_binary(bytes); !reason.empty()) return skip(reason);
    }
    document = make_document(file.shown, bytes);
  } catch (const Error& error) {
    return skip(error.what());
  }
  if (document.text.find_first_not_of(" \t\n") == std::string::npos) return skip("has no text");
  return true;
}

}  // namespace sextant::io
