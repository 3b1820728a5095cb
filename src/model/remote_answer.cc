#include "model/remote_answer.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <simdjson.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/utf8.h"
#include "sextant/error.h"

namespace sextant::model {
namespace {

namespace dom = simdjson::dom;

constexpr size_t kMessageBytesMax = 500;
static_assert(std::endian::native == std::endian::little, "base64 answers are little-endian");

// The bytes of BASE64; false where it is none.
bool decode_base64(std::string_view base64, std::vector<unsigned char>& bytes) {
  if (base64.size() % 4 != 0 || base64.size() > std::numeric_limits<int>::max()) return false;
  // The decoder skips blanks and counts the padding's bytes as data.
  if (base64.find_first_of(" \t\r\n") != std::string_view::npos) return false;
  size_t padding = base64.ends_with("==") ? 2 : base64.ends_with("=") ? 1 : 0;
  bytes.resize(base64.size() / 4 * 3);
  int size = EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(base64.data()),
                             static_cast<int>(base64.size()));
  if (size < 0) return false;
  bytes.resize(static_cast<size_t>(size) - padding);
  return true;
}

// The member's text; empty where there is none.
std::string_view text_of(dom::element object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

std::string one_line(std::string_view text) {
  std::string out = base::repair_utf8(text.substr(0, kMessageBytesMax));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (text.size() > kMessageBytesMax) out += "...";
  return out;
}

}  // namespace

EmbeddingsAnswer read_embeddings(std::string_view body, size_t count, const std::string& server) {
  auto wrong = [&](const std::string& what) {
    return Error(ErrorCode::corrupted, fmt::format("{}: the answer {}", server, what));
  };
  dom::parser parser;
  dom::element root;
  if (auto error = parser.parse(body.data(), body.size()).get(root)) {
    throw wrong(fmt::format("is not valid JSON: {}", simdjson::error_message(error)));
  }
  dom::array data;
  if (root["data"].get(data) != simdjson::SUCCESS) throw wrong("has no array 'data'");
  EmbeddingsAnswer answer;
  std::vector<bool> seen(count);
  std::vector<unsigned char> bytes;
  std::vector<float> row;
  size_t found = 0;
  for (dom::element item : data) {
    if (found == count) throw wrong(fmt::format("has more than the {} embeddings asked for", count));
    uint64_t index = found;
    // A server that sends no indices sends them in order.
    dom::element given;
    if (item["index"].get(given) == simdjson::SUCCESS && given.get(index) != simdjson::SUCCESS) {
      throw wrong(fmt::format("has an 'index' that is no number, at data[{}]", found));
    }
    if (index >= count) throw wrong(fmt::format("has index {}, of {} texts", index, count));
    if (seen[index]) throw wrong(fmt::format("has index {} twice", index));
    seen[index] = true;
    row.clear();
    std::string_view base64;
    dom::array numbers;
    if (item["embedding"].get(base64) == simdjson::SUCCESS) {
      if (!decode_base64(base64, bytes) || bytes.size() % sizeof(float) != 0) {
        throw wrong(fmt::format("has an embedding that is no base64 of float32, at index {}", index));
      }
      row.resize(bytes.size() / sizeof(float));
      if (!row.empty()) std::memcpy(row.data(), bytes.data(), bytes.size());
    } else if (item["embedding"].get(numbers) == simdjson::SUCCESS) {
      for (dom::element number : numbers) {
        double value = 0;
        if (number.get(value) != simdjson::SUCCESS) {
          throw wrong(fmt::format("has a component that is no number, at index {}", index));
        }
        row.push_back(static_cast<float>(value));
      }
    } else {
      throw wrong(fmt::format("has no 'embedding' at data[{}]", found));
    }
    if (row.empty()) throw wrong(fmt::format("has an empty embedding at index {}", index));
    if (answer.dim == 0) {
      answer.dim = row.size();
      answer.rows.resize(count * answer.dim);
    }
    if (row.size() != answer.dim) {
      throw wrong(fmt::format("has embeddings of {} and of {} components", answer.dim, row.size()));
    }
    for (float value : row) {
      if (!std::isfinite(value)) throw wrong(fmt::format("has a component that is not finite, at index {}", index));
    }
    std::copy(row.begin(), row.end(), answer.rows.begin() + static_cast<std::ptrdiff_t>(index * answer.dim));
    ++found;
  }
  if (found != count) throw wrong(fmt::format("has {} embeddings, expected {}", found, count));
  uint64_t tokens = 0;
  if (root["usage"]["prompt_tokens"].get(tokens) == simdjson::SUCCESS ||
      root["usage"]["total_tokens"].get(tokens) == simdjson::SUCCESS) {
    answer.token_count = tokens;
  }
  return answer;
}

ApiError read_api_error(std::string_view body) {
  dom::parser parser;
  dom::element root, error;
  ApiError out;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) return out;
  std::string_view message;
  if (root["error"].get(error) == simdjson::SUCCESS) {
    if (error.get(message) != simdjson::SUCCESS) message = text_of(error, "message");
    out.code = one_line(text_of(error, "code"));
    if (out.code.empty()) out.code = one_line(text_of(error, "type"));
  }
  if (message.empty()) message = text_of(root, "message");
  if (message.empty()) message = text_of(root, "detail");
  out.message = one_line(message);
  return out;
}

}  // namespace sextant::model
