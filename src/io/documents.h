// io/documents.h: files and folders into documents: path, title, plain text, headings.
//
// Reads .txt, .text, .md, .markdown, .html, .htm and .pdf; a file that is named itself and has another ending is read
// as plain text. Folders are walked in the order of their names' bytes, so the documents' order is the same everywhere.
// Nothing is silent: each file that gives no document is in skipped() with its reason. Invalid UTF-8 becomes U+FFFD
// and is counted. Memory: one document at a time and the list of paths.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/extracted_text.h"

namespace sextant::io {

struct Document {
  std::string path;   // relative to the folder that was asked for; of several paths, with that path before it
  std::string title;  // never empty: from the document, else from the file's name
  std::string text;   // plain text, valid UTF-8
  std::vector<Heading> headings;
  std::vector<size_t> page_begins;  // of a PDF: the byte of the text at which each page begins
  uint64_t source_bytes = 0;
  uint64_t replaced_count = 0;  // invalid sequences that became U+FFFD
};

// The page, from 1, that byte AT of the text is on; 0 where there are no pages.
size_t page_number(const Document& document, size_t at);

struct SkippedFile {
  std::string path;
  std::string reason;
};

struct DocumentOptions {
  uint64_t file_bytes_max = uint64_t{64} << 20;
  size_t folder_depth_max = 64;
};

class DocumentReader {
 public:
  // Lists the files. Throws not_found for a path that does not exist, invalid_argument for one that is neither a file
  // nor a folder.
  explicit DocumentReader(const std::vector<std::string>& paths, const DocumentOptions& options = {});

  // Reads the next document; false at the end.
  bool next(Document& document);

  size_t file_count() const { return files_.size(); }  // that will be tried
  size_t file_index() const { return next_; }          // tried so far
  const std::vector<SkippedFile>& skipped() const { return skipped_; }

 private:
  struct File {
    std::filesystem::path path;
    std::string shown;
  };
  void list_folder(const std::filesystem::path& folder, const std::string& prefix, size_t depth);
  bool read(const File& file, Document& document);

  DocumentOptions options_;
  std::vector<File> files_;
  size_t next_ = 0;
  std::vector<SkippedFile> skipped_;
};

// One document from bytes in memory; NAME's ending says the format. Throws exhausted as extract_html does, and what
// extract_pdf throws.
Document make_document(std::string name, std::string_view bytes);

}  // namespace sextant::io
