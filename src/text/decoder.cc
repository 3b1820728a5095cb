#include "text/decoder.h"

#include <algorithm>

#include "text/byte_level.h"
#include "text/unicode.h"

namespace sextant::text {
namespace {

void replace_all(std::string& text, std::string_view searched, std::string_view replacement) {
  size_t found = searched.empty() ? std::string::npos : text.find(searched);
  if (found == std::string::npos) return;
  std::string out;
  size_t kept = 0;
  for (; found != std::string::npos; found = text.find(searched, kept)) {
    out.append(text, kept, found - kept);
    out.append(replacement);
    kept = found + searched.size();
  }
  out.append(text, kept);
  text.swap(out);
}

// English spacing as it is written.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (auto [searched, replacement] : kRules) replace_all(text, searched, replacement);
}

std::string join(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

}  // namespace

void ByteLevelDecoder::apply(std::vector<std::string>& tokens) const {
  std::string bytes;
  for (const std::string& token : tokens) {
    std::string from_characters;
    bool all = true;
    for (size_t i = 0; i < token.size() && all;) {
      int byte = byte_of_character(base::decode_utf8(token, i));
      all = byte >= 0;
      from_characters += static_cast<char>(byte);
    }
    bytes += all ? from_characters : token;
  }
  tokens.assign(1, base::repair_utf8(bytes));
}

void WordPieceDecoder::apply(std::vector<std::string>& tokens) const {
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string& token = tokens[i];
    if (i > 0) {
      if (!prefix_.empty() && token.starts_with(prefix_)) {
        token.erase(0, prefix_.size());
      } else if (!prefix_.empty()) {
        token.insert(token.begin(), ' ');
      }
    }
    if (cleanup_) clean_up(token);
  }
}

void MetaspaceDecoder::apply(std::vector<std::string>& tokens) const {
  for (size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], mark_, i == 0 && drop_first_ ? "" : " ");
}

void BpeDecoder::apply(std::vector<std::string>& tokens) const {
  for (size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], suffix_, i + 1 < tokens.size() ? " " : "");
}

void ByteFallbackDecoder::apply(std::vector<std::string>& tokens) const {
  std::vector<std::string> out;
  std::string bytes;
  auto flush = [&] {
    if (bytes.empty()) return;
    if (base::is_valid_utf8(bytes)) {
      out.push_back(bytes);
    } else {
      out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
    }
    bytes.clear();
  };
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (std::string& token : tokens) {
    bool is_byte = token.size() == 6 && token.starts_with("<0x") && token.ends_with('>') && digit(token[3]) >= 0 &&
                   digit(token[4]) >= 0;
    if (is_byte) {
      bytes += static_cast<char>(digit(token[3]) << 4 | digit(token[4]));
    } else {
      flush();
      out.push_back(std::move(token));
    }
  }
  flush();
  tokens.swap(out);
}

void FuseDecoder::apply(std::vector<std::string>& tokens) const { tokens.assign(1, join(tokens)); }

void StripDecoder::apply(std::vector<std::string>& tokens) const {
  for (std::string& token : tokens) {
    size_t begin = 0;
    size_t end = token.size();
    for (size_t count = 0; count < start_ && begin < end; ++count) {
      size_t next = begin;
      if (base::decode_utf8(token, next) != content_) break;
      begin = next;
    }
    for (size_t count = 0; count < stop_ && end > begin; ++count) {
      if (previous_code_point(token, end) != content_) break;
      end -= static_cast<size_t>(utf8_size(content_));
    }
    token = token.substr(begin, end - begin);
  }
}

void ReplaceDecoder::apply(std::vector<std::string>& tokens) const {
  AlignedText text;
  for (std::string& token : tokens) {
    text.assign(token, 0, false);
    replace_->apply(text);
    token = text.view();
  }
}

void CtcDecoder::apply(std::vector<std::string>& tokens) const {
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  for (std::string& token : tokens) {
    replace_all(token, padding_, "");
    if (!cleanup_) continue;
    clean_up(token);
    replace_all(token, delimiter_, " ");
  }
  std::erase_if(tokens, [](const std::string& token) { return token.empty(); });
}

}  // namespace sextant::text
