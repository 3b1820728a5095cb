#include "io/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>

#include "sextant/error.h"

namespace sextant::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kNpyHeaderBytes = 128;  // what the writer reserves; a multiple of 64 as numpy aligns
constexpr size_t kOwnHeaderBytesMax = size_t{1} << 16;
constexpr size_t kDimensionsMax = 32;

struct TypeRow {
  NpyType type;
  std::string_view name;
  std::string_view descr;  // without byte order
  size_t bytes;
};

constexpr std::array<TypeRow, 12> kTypes = {{
    {NpyType::boolean, "bool", "b1", 1},
    {NpyType::int8, "int8", "i1", 1},
    {NpyType::uint8, "uint8", "u1", 1},
    {NpyType::int16, "int16", "i2", 2},
    {NpyType::uint16, "uint16", "u2", 2},
    {NpyType::int32, "int32", "i4", 4},
    {NpyType::uint32, "uint32", "u4", 4},
    {NpyType::int64, "int64", "i8", 8},
    {NpyType::uint64, "uint64", "u8", 8},
    {NpyType::float16, "float16", "f2", 2},
    {NpyType::float32, "float32", "f4", 4},
    {NpyType::float64, "float64", "f8", 8},
}};

const TypeRow& row_of(NpyType type) { return kTypes[static_cast<size_t>(type)]; }

// The header is a Python dict literal; this reads the part of the language that numpy writes.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::string descr;
  bool fortran_order = false;
  std::vector<uint64_t> shape;

  void parse() {
    expect('{');
    bool seen_descr = false;
    bool seen_order = false;
    bool seen_shape = false;
    while (!accept('}')) {
      std::string key = quoted();
      expect(':');
      if (key == "descr" && !seen_descr) {
        seen_descr = true;
        skip_space();
        if (position_ < text_.size() && text_[position_] == '[') {
          throw Error(ErrorCode::unsupported, file_ + ": holds a structured array, expected plain numbers");
        }
        descr = quoted();
      } else if (key == "fortran_order" && !seen_order) {
        seen_order = true;
        fortran_order = boolean();
      } else if (key == "shape" && !seen_shape) {
        seen_shape = true;
        read_shape();
      } else {
        fail(fmt::format("field '{}' is unknown or repeated", key.substr(0, 40)));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!seen_descr || !seen_order || !seen_shape) fail("fields descr, fortran_order and shape are expected");
    skip_space();
    if (position_ != text_.size()) fail("something follows the closing brace");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::corrupted, fmt::format("{}: .npy header: {} (at byte {})", file_, what, position_));
  }
  void skip_space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }
  bool accept(char c) {
    skip_space();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("expected '{}'", c));
  }
  std::string quoted() {
    skip_space();
    char quote = position_ < text_.size() ? text_[position_] : '\0';
    if (quote != '\'' && quote != '"') fail("expected a quoted string");
    size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) fail("a string has no end");
    std::string out(text_.substr(position_ + 1, end - position_ - 1));
    position_ = end + 1;
    return out;
  }
  bool boolean() {
    skip_space();
    for (std::string_view word : {std::string_view("True"), std::string_view("False")}) {
      if (text_.substr(position_).starts_with(word)) {
        position_ += word.size();
        return word == "True";
      }
    }
    fail("expected True or False");
  }
  void read_shape() {
    expect('(');
    while (!accept(')')) {
      skip_space();
      uint64_t value = 0;
      const char* begin = text_.data() + position_;
      auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
      if (error != std::errc() || end == begin) fail("expected a dimension of at most 2^64 - 1");
      position_ += static_cast<size_t>(end - begin);
      if (position_ < text_.size() && text_[position_] == 'L') ++position_;  // Python 2 wrote (3L, 4L)
      shape.push_back(value);
      if (shape.size() > kDimensionsMax) fail("too many dimensions");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view text_;
  const std::string& file_;
  size_t position_ = 0;
};

template <class Value>
void convert(const std::byte* from, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    Value value;
    std::memcpy(&value, from + i * sizeof(Value), sizeof(Value));
    out[i] = static_cast<float>(value);
  }
}

}  // namespace

size_t size_bytes(NpyType type) { return row_of(type).bytes; }
std::string_view name(NpyType type) { return row_of(type).name; }

NpyHeader parse_npy_header(std::string_view start, const std::string& file) {
  static_assert(std::endian::native == std::endian::little);
  auto corrupted = [&](const std::string& what) { return Error(ErrorCode::corrupted, file + ": " + what); };
  if (start.size() < 10 || !start.starts_with(kMagic)) {
    throw corrupted("is not a .npy file: it does not begin with \\x93NUMPY");
  }
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(start[i])); };
  uint32_t version = byte(6);
  if (version < 1 || version > 3) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: .npy version {}, expected 1, 2 or 3", file, version));
  }
  size_t text_offset = version == 1 ? 10 : 12;
  if (start.size() < text_offset) throw corrupted("is cut short inside its header");
  size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > kOwnHeaderBytesMax || length > start.size() - text_offset) {
    throw corrupted(fmt::format(".npy header of {} bytes does not fit; the file has {} and the limit is {}", length,
                                start.size() - text_offset, kOwnHeaderBytesMax));
  }
  HeaderParser parser(start.substr(text_offset, length), file);
  parser.parse();

  std::string_view descr = parser.descr;
  if (descr.starts_with('>') && !descr.ends_with('1')) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: is big-endian ('{}'), expected little-endian", file, descr));
  }
  if (!descr.empty() && std::string_view("<>|=").find(descr[0]) != std::string_view::npos) descr.remove_prefix(1);
  auto known = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeRow& row) { return row.descr == descr; });
  if (known == kTypes.end()) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: has elements of type '{}', expected booleans, integers or "
                                                    "floats of up to 64 bits",
                                                    file, parser.descr.substr(0, 40)));
  }
  if (parser.shape.empty()) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: is a single number, expected an array", file));
  }
  NpyHeader header;
  header.type = known->type;
  header.shape.assign(parser.shape.begin(), parser.shape.end());
  header.rows = header.shape[0];
  header.data_offset = text_offset + length;
  for (size_t i = 1; i < header.shape.size(); ++i) {
    if (__builtin_mul_overflow(header.cols, header.shape[i], &header.cols)) {
      throw corrupted("header promises more than there can be");
    }
  }
  if (parser.fortran_order && header.shape.size() > 1 && header.rows > 1 && header.cols > 1) {
    throw Error(ErrorCode::unsupported,
                file + ": is in Fortran order, expected C order (numpy.ascontiguousarray before saving)");
  }
  return header;
}

NpyFile::NpyFile(const std::filesystem::path& path) : name_(path.string()), file_(path) {
  header_ = parse_npy_header(file_.text(), name_);
  const size_t width = io::size_bytes(header_.type);
  const size_t present = file_.bytes().size() - header_.data_offset;
  size_t promised = 0;
  if (__builtin_mul_overflow(header_.rows, header_.cols, &promised) ||
      __builtin_mul_overflow(promised, width, &promised) || promised != present) {
    throw Error(ErrorCode::corrupted, fmt::format("{}: header promises {} x {} of {}, but {} bytes of data follow",
                                                  name_, header_.rows, header_.cols, io::name(header_.type), present));
  }
  bytes_ = file_.bytes().subspan(header_.data_offset);
}

void NpyFile::read_floats(size_t row, std::span<float> out) const {
  const std::byte* from = bytes_.data() + row * header_.cols * io::size_bytes(header_.type);
  switch (header_.type) {
    case NpyType::boolean:
    case NpyType::uint8:
      return convert<uint8_t>(from, out);
    case NpyType::int8:
      return convert<int8_t>(from, out);
    case NpyType::int16:
      return convert<int16_t>(from, out);
    case NpyType::uint16:
      return convert<uint16_t>(from, out);
    case NpyType::int32:
      return convert<int32_t>(from, out);
    case NpyType::uint32:
      return convert<uint32_t>(from, out);
    case NpyType::int64:
      return convert<int64_t>(from, out);
    case NpyType::uint64:
      return convert<uint64_t>(from, out);
    case NpyType::float64:
      return convert<double>(from, out);
    case NpyType::float32:
      if (!out.empty()) std::memcpy(out.data(), from, out.size_bytes());
      return;
    case NpyType::float16:
      for (size_t i = 0; i < out.size(); ++i) {
        uint16_t half = 0;
        std::memcpy(&half, from + 2 * i, 2);
        out[i] = half_to_float(half);
      }
      return;
  }
}

std::vector<float> NpyFile::floats(size_t values_max) const {
  size_t count = bytes_.size() / io::size_bytes(header_.type);
  if (count > values_max) {
    throw Error(ErrorCode::exhausted, fmt::format("{}: holds {} values, the limit is {}", name_, count, values_max));
  }
  std::vector<float> out(count);
  read_floats(0, out);
  return out;
}

NpyWriter::NpyWriter(const std::string& path, NpyType type, size_t cols)
    : out_(path), type_(type), cols_(cols), row_bytes_(io::size_bytes(type) * std::max<size_t>(cols, 1)) {
  if (path == "-") {
    throw Error(ErrorCode::invalid_argument, "a .npy array needs a file: its header is completed at the end");
  }
  out_.write(header());
}

std::string NpyWriter::header() const {
  const TypeRow& row = row_of(type_);
  std::string dict =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({},{}), }}", row.bytes == 1 ? '|' : '<',
                  row.descr, row_count_, cols_ == 0 ? "" : fmt::format(" {}", cols_));
  std::string out(kMagic);
  out += '\x01';
  out += '\0';
  size_t length = kNpyHeaderBytes - 10;
  out += static_cast<char>(length & 0xFF);
  out += static_cast<char>(length >> 8);
  dict.resize(length - 1, ' ');  // 20 digits of rows and of columns fit
  return out + dict + '\n';
}

void NpyWriter::append_bytes(std::string_view rows) {
  if (rows.size() % row_bytes_ != 0) {
    throw Error(ErrorCode::internal,
                fmt::format("{}: {} bytes are not whole rows of {}", out_.name(), rows.size(), row_bytes_));
  }
  out_.write(rows);
  row_count_ += rows.size() / row_bytes_;
}

void NpyWriter::finish() {
  out_.patch(0, header());
  out_.finish();
}

float half_to_float(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 0x1F;
  uint32_t mantissa = half & 0x3FF;
  if (exponent == 0) {
    float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -value : value;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t float_to_half(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return static_cast<uint16_t>(sign | 0x7E00 | ((magnitude >> 13) & 0x3FF));  // NaN
  if (magnitude >= 0x477FF000) return static_cast<uint16_t>(sign | 0x7C00);  // rounds to 65536 or more
  if (magnitude < 0x38800000) {  // below 2^-14: a multiple of 2^-24; nearbyint rounds halves to even
    float scaled = std::bit_cast<float>(magnitude) * 0x1p24f;
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(scaled)));
  }
  uint32_t rounded = magnitude + 0xFFF + ((magnitude >> 13) & 1) - (112u << 23);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

}  // namespace sextant::io
