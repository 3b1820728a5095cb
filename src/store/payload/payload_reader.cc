#include "store/payload/payload_reader.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include "sextant/error.h"
#include "store/payload/json_shown.h"

namespace sextant::store {
namespace {

// simdjson keeps some ten times the bytes of the largest text; after a giant it is made anew.
constexpr size_t kKeptBytesMax = size_t{1} << 20;

// The key that some object has twice.
std::optional<std::string_view> double_key(const simdjson::dom::element& element,
                                           std::vector<std::string_view>& scratch) {
  std::optional<std::string_view> found;
  if (element.is_array()) {
    const simdjson::dom::array array = element.get_array().value_unsafe();
    for (const auto value : array) {
      if ((value.is_object() || value.is_array()) && (found = double_key(value, scratch))) return found;
    }
  }
  if (!element.is_object()) return std::nullopt;
  const simdjson::dom::object object = element.get_object().value_unsafe();
  scratch.clear();
  for (const auto member : object) scratch.push_back(member.key);
  std::sort(scratch.begin(), scratch.end());
  const auto twice = std::adjacent_find(scratch.begin(), scratch.end());
  if (twice != scratch.end()) return *twice;
  for (const auto member : object) {
    if ((member.value.is_object() || member.value.is_array()) && (found = double_key(member.value, scratch))) {
      return found;
    }
  }
  return std::nullopt;
}

struct Parser {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::vector<char> padded;

  simdjson::error_code parse(std::string_view text) {
    if (text.size() > kPayloadBytesMax) return simdjson::CAPACITY;
    if (text.empty()) return simdjson::EMPTY;
    if (padded.size() > kKeptBytesMax && text.size() < kKeptBytesMax / 2) {
      parser = simdjson::dom::parser();
      padded = std::vector<char>();
    }
    const size_t room = text.size() + simdjson::SIMDJSON_PADDING;
    if (padded.size() < room) padded.resize(std::bit_ceil(std::max<size_t>(room, 4096)));
    if (parser.capacity() < text.size() || parser.max_depth() != kPayloadDepthMax) {
      const auto error = parser.allocate(std::bit_ceil(std::max<size_t>(text.size(), 4096)), kPayloadDepthMax);
      if (error) return error;
    }
    std::memcpy(padded.data(), text.data(), text.size());
    std::memset(padded.data() + text.size(), 0, simdjson::SIMDJSON_PADDING);
    return parser.parse(padded.data(), text.size(), false).get(root);
  }

  // nullopt where all is well.
  std::optional<std::string> wrong(std::string_view text) {
    const simdjson::error_code error = parse(text);
    if (text.size() > kPayloadBytesMax) {
      return fmt::format("it has {} bytes, at most {} expected", text.size(), kPayloadBytesMax);
    }
    if (error == simdjson::DEPTH_ERROR) {
      return fmt::format("lists and objects lie more than {} deep in each other", kPayloadDepthMax);
    }
    if (error) return fmt::format("not valid JSON: {}", simdjson::error_message(error));
    if (!root.is_object()) return fmt::format("expected an object, found {}", json_shown(root));
    return std::nullopt;
  }
};

}  // namespace

struct PayloadReader::Impl : Parser {};

PayloadReader::PayloadReader() : impl_(std::make_unique<Impl>()) {}
PayloadReader::PayloadReader(PayloadReader&&) noexcept = default;
PayloadReader& PayloadReader::operator=(PayloadReader&&) noexcept = default;
PayloadReader::~PayloadReader() = default;

const simdjson::dom::element* PayloadReader::read(std::string_view text) {
  if (text.empty()) return nullptr;
  if (const auto wrong = impl_->wrong(text)) throw Error(ErrorCode::corrupted, "a stored payload: " + *wrong);
  return &impl_->root;
}

void check_payload(std::string_view text, std::string_view name) {
  thread_local Parser parser;
  std::optional<std::string> wrong = parser.wrong(text);
  if (!wrong) {
    std::vector<std::string_view> scratch;
    if (const auto twice = double_key(parser.root, scratch)) {
      wrong = fmt::format("an object has the key {} twice", shown_string(*twice));
    }
  }
  if (wrong) throw Error(ErrorCode::invalid_argument, fmt::format("{}: {}", name, *wrong));
}

}  // namespace sextant::store
