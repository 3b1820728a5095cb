#include "io/vector_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "io/npy.h"
#include "sextant/error.h"

namespace sextant::io {
namespace {

using Layout = VectorFile::Layout;

enum class Container { bin, npy, vecs };

struct Format {
  std::string_view ending;
  Container container;
  ElementType type;  // of a .npy the header says it
};

constexpr std::array<Format, 6> kFormats = {{
    {".fbin", Container::bin, ElementType::float32},
    {".u8bin", Container::bin, ElementType::uint8},
    {".i8bin", Container::bin, ElementType::int8},
    {".npy", Container::npy, ElementType::float32},
    {".fvecs", Container::vecs, ElementType::float32},
    {".bvecs", Container::vecs, ElementType::uint8},
}};

constexpr std::string_view kCompressedEnding = ".zst";
constexpr size_t kBinHeaderBytes = 8;
constexpr size_t kVecsPrefixBytes = 4;
constexpr uint64_t kFileBytesMax = uint64_t{1} << 62;
constexpr size_t kBlockBytes = size_t{1} << 18;  // what is decoded at a time; a row where that is larger

[[noreturn]] void corrupted(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::corrupted, name + ": " + what);
}

const Format& format_of(std::string_view path) {
  std::string_view plain = path;
  if (plain.ends_with(kCompressedEnding)) plain.remove_suffix(kCompressedEnding.size());
  for (const Format& format : kFormats) {
    if (plain.ends_with(format.ending)) return format;
  }
  std::string known;
  for (const Format& format : kFormats) known += fmt::format("{}{}", known.empty() ? "" : ", ", format.ending);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: is not a known kind of vectors' file, expected a name that ends in {}, or in one of "
                          "these and {}",
                          path, known, kCompressedEnding));
}

uint32_t u32_at(std::string_view bytes, size_t offset) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// The whole file's length by its header. REQUIRES: parse_start has accepted it.
uint64_t promised_bytes(const Layout& layout) { return layout.data_offset + layout.rows * layout.row_bytes(); }

// START is the file's beginning, as much of it as start_bytes_max() says or all. The rows of Container::vecs are left
// at 0: only the file's length tells them.
Layout parse_start(const Format& format, std::string_view start, const std::string& name) {
  Layout layout;
  layout.type = format.type;
  switch (format.container) {
    case Container::bin:
      if (start.size() < kBinHeaderBytes) {
        corrupted(name, fmt::format("has {} bytes, expected a header of {}: rows and dimensions", start.size(),
                                    kBinHeaderBytes));
      }
      layout.rows = u32_at(start, 0);
      layout.dim = u32_at(start, 4);
      layout.data_offset = kBinHeaderBytes;
      break;
    case Container::vecs:
      if (start.size() < kVecsPrefixBytes) {
        corrupted(name, fmt::format("has {} bytes, expected rows that begin with their dimensions", start.size()));
      }
      layout.dim = u32_at(start, 0);
      layout.row_prefix_bytes = kVecsPrefixBytes;
      break;
    case Container::npy: {
      const NpyHeader header = parse_npy_header(start, name);
      const std::array<std::pair<NpyType, ElementType>, 4> types = {{{NpyType::float32, ElementType::float32},
                                                                     {NpyType::float16, ElementType::float16},
                                                                     {NpyType::uint8, ElementType::uint8},
                                                                     {NpyType::int8, ElementType::int8}}};
      auto known = std::find_if(types.begin(), types.end(), [&](const auto& t) { return t.first == header.type; });
      if (known == types.end()) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("{}: holds {}, expected float32, float16, uint8 or int8", name, io::name(header.type)));
      }
      if (header.shape.size() != 2) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("{}: is an array of {} dimension{}, expected 2: rows and their components", name,
                                header.shape.size(), header.shape.size() == 1 ? "" : "s"));
      }
      layout.type = known->second;
      layout.rows = header.rows;
      layout.dim = header.cols;
      layout.data_offset = header.data_offset;
      break;
    }
  }
  if (layout.dim == 0) {
    corrupted(name, fmt::format("its vectors have no dimensions, expected 1 to {}", kVectorDimMax));
  }
  if (layout.dim > kVectorDimMax) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: its vectors have {} dimensions, expected 1 to {}", name, layout.dim, kVectorDimMax));
  }
  if (layout.rows > kFileBytesMax / layout.row_bytes()) {
    corrupted(name, fmt::format("its header promises {} rows of {} dimensions, more than any file holds", layout.rows,
                                layout.dim));
  }
  return layout;
}

size_t start_bytes_max(Container container) {
  return container == Container::npy ? kNpyHeaderBytesMax : kBinHeaderBytes;
}

[[noreturn]] void refuse_size(const Layout& layout, const std::string& present, const std::string& name) {
  corrupted(name, fmt::format("its header promises {} rows of {} x {}, a file of {} bytes, but it has {}", layout.rows,
                              layout.dim, io::name(layout.type), promised_bytes(layout), present));
}

[[noreturn]] void refuse_dim(const Layout& layout, uint32_t dim, uint64_t row, const std::string& name) {
  // Written as an i32; whatever is above its range is garbage all the same.
  corrupted(name, fmt::format("row {} has {} dimensions, row 0 has {}", row, static_cast<int32_t>(dim), layout.dim));
}

[[noreturn]] void refuse_last_row(const Layout& layout, uint64_t row, uint64_t bytes, const std::string& name) {
  corrupted(name, fmt::format("row {} is cut short: {} bytes are left of {}", row, bytes,
                              static_cast<uint64_t>(layout.row_bytes())));
}

void finish_mapped(Layout& layout, std::string_view all, const std::string& name) {
  if (layout.row_prefix_bytes == 0) {
    if (promised_bytes(layout) != all.size()) refuse_size(layout, std::to_string(all.size()), name);
    return;
  }
  layout.rows = all.size() / layout.row_bytes();
  if (all.size() % layout.row_bytes() == 0) return;
  // Either a row of another length lies in between, or the last one is cut: the first case deserves its number.
  for (size_t row = 0; row <= layout.rows; ++row) {
    const std::string_view rest = all.substr(row * layout.row_bytes());
    if (rest.size() < kVecsPrefixBytes) break;
    const uint32_t dim = u32_at(rest, 0);
    if (dim != layout.dim) refuse_dim(layout, dim, row, name);
  }
  refuse_last_row(layout, layout.rows, all.size() % layout.row_bytes(), name);
}

// The layout of a compressed file, after a look at all of it. What is decoded is bounded by what the header promises.
Layout survey_stream(const Format& format, const std::string& path) {
  ByteReader stream(path);
  std::string start(start_bytes_max(format.container), '\0');
  start.resize(stream.read_fully(start.data(), start.size()));
  Layout layout = parse_start(format, start, path);
  if (layout.row_prefix_bytes == 0) {
    const uint64_t promised = promised_bytes(layout);
    std::string buffer(kBlockBytes, '\0');
    uint64_t present = start.size();
    while (present <= promised) {
      const size_t n = stream.read(buffer.data(), buffer.size());
      if (n == 0) break;
      present += n;
    }
    if (promised != present) {
      refuse_size(layout, present > promised ? "more" : std::to_string(present), path);
    }
    return layout;
  }
  std::string row(layout.row_bytes(), '\0');
  size_t have = std::min(start.size(), row.size());
  std::memcpy(row.data(), start.data(), have);
  std::string_view rest = std::string_view(start).substr(have);  // a first row can be shorter than START
  for (;; ++layout.rows) {
    while (have < row.size() && !rest.empty()) {
      row[have++] = rest.front();
      rest.remove_prefix(1);
    }
    have += stream.read_fully(row.data() + have, row.size() - have);
    if (have == 0) return layout;
    if (have >= kVecsPrefixBytes && u32_at(row, 0) != layout.dim) {
      refuse_dim(layout, u32_at(row, 0), layout.rows, path);
    }
    if (have < row.size()) refuse_last_row(layout, layout.rows, have, path);
    have = 0;
  }
}

template <class Value>
void widen(const std::byte* from, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    Value value;
    std::memcpy(&value, from + i * sizeof(Value), sizeof(Value));
    out[i] = static_cast<float>(value);
  }
}

void widen_values(ElementType type, const std::byte* from, size_t count, float* out) {
  switch (type) {
    case ElementType::float32:
      std::memcpy(out, from, count * sizeof(float));
      return;
    case ElementType::float16:
      for (size_t i = 0; i < count; ++i) {
        uint16_t half = 0;
        std::memcpy(&half, from + 2 * i, 2);
        out[i] = half_to_float(half);
      }
      return;
    case ElementType::uint8:
      return widen<uint8_t>(from, count, out);
    case ElementType::int8:
      return widen<int8_t>(from, count, out);
  }
}

}  // namespace

size_t size_bytes(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return 4;
    case ElementType::float16:
      return 2;
    case ElementType::uint8:
    case ElementType::int8:
      break;
  }
  return 1;
}

std::string_view name(ElementType type) {
  constexpr std::array<std::string_view, 4> kNames = {"float32", "float16", "uint8", "int8"};
  return kNames[static_cast<size_t>(type)];
}

VectorFile VectorFile::open(const std::filesystem::path& path) {
  VectorFile file;
  file.name_ = path.string();
  const Format& format = format_of(file.name_);
  file.compressed_ = file.name_.ends_with(kCompressedEnding);
  if (file.compressed_) {
    file.layout_ = survey_stream(format, file.name_);
  } else {
    file.file_ = base::MappedFile(path);
    const std::string_view all = file.file_.text();
    file.layout_ = parse_start(format, all.substr(0, start_bytes_max(format.container)), file.name_);
    finish_mapped(file.layout_, all, file.name_);
  }
  return file;
}

void VectorFile::widen_rows(const std::byte* rows, size_t first, size_t count, float* out) const {
  if (layout_.row_prefix_bytes == 0) return widen_values(layout_.type, rows, count * layout_.dim, out);
  for (size_t i = 0; i < count; ++i) {
    const std::byte* row = rows + i * layout_.row_bytes();
    const uint32_t dim = u32_at({reinterpret_cast<const char*>(row), kVecsPrefixBytes}, 0);
    if (dim != layout_.dim) refuse_dim(layout_, dim, first + i, name_);
    widen_values(layout_.type, row + kVecsPrefixBytes, layout_.dim, out + i * layout_.dim);
  }
}

void VectorFile::read(size_t first, size_t count, std::span<float> out) {
  if (first > layout_.rows || count > layout_.rows - first || out.size() != count * layout_.dim) {
    throw Error(ErrorCode::internal, fmt::format("{}: {} rows from {} on were asked for into room for {} values, of {} "
                                                 "rows of {} dimensions",
                                                 name_, count, first, out.size(), layout_.rows, layout_.dim));
  }
  if (count == 0) return;
  if (compressed_) return read_stream(first, count, out);
  widen_rows(file_.bytes().data() + layout_.data_offset + first * layout_.row_bytes(), first, count, out.data());
}

void VectorFile::read_stream(size_t first, size_t count, std::span<float> out) {
  const size_t row_bytes = layout_.row_bytes();
  std::vector<std::byte> block(std::max<size_t>(kBlockBytes / row_bytes, 1) * row_bytes);
  // Taken out for the while: after an error the next call starts anew.
  std::optional<ByteReader> stream = std::move(stream_);
  stream_.reset();
  auto next = [&](size_t size) {
    if (stream->read_fully(reinterpret_cast<char*>(block.data()), size) != size) {
      corrupted(name_, "has become shorter since it was opened");
    }
  };
  if (!stream || first < next_row_) {
    stream.emplace(name_);
    next_row_ = 0;
    for (size_t left = layout_.data_offset; left > 0;) {
      const size_t size = std::min(left, block.size());
      next(size);
      left -= size;
    }
  }
  const size_t block_rows = block.size() / row_bytes;
  while (next_row_ < first) {
    const size_t skipped = std::min(first - next_row_, block_rows);
    next(skipped * row_bytes);
    next_row_ += skipped;
  }
  for (float* to = out.data(); count > 0;) {
    const size_t taken = std::min(count, block_rows);
    next(taken * row_bytes);
    widen_rows(block.data(), next_row_, taken, to);
    to += taken * layout_.dim;
    next_row_ += taken;
    count -= taken;
  }
  stream_ = std::move(stream);
}

std::span<const std::byte> VectorFile::mapped() const {
  if (compressed_ || layout_.row_prefix_bytes != 0) return {};
  const std::span<const std::byte> rows = file_.bytes().subspan(layout_.data_offset);
  if (reinterpret_cast<uintptr_t>(rows.data()) % size_bytes(layout_.type) != 0) return {};
  return rows;
}

VectorFileWriter::VectorFileWriter(const std::string& path, size_t dim) : out_(path), dim_(dim) {
  if (path == "-") {
    throw Error(ErrorCode::invalid_argument, "a .fbin needs a file: its number of rows is written at the end");
  }
  const auto width = static_cast<uint32_t>(dim);
  const uint32_t rows = 0;
  out_.write({reinterpret_cast<const char*>(&rows), sizeof rows});
  out_.write({reinterpret_cast<const char*>(&width), sizeof width});
}

void VectorFileWriter::append(std::span<const float> rows) {
  if (rows.size() % dim_ != 0) {
    throw Error(ErrorCode::internal,
                fmt::format("{}: {} values are not whole rows of {}", out_.name(), rows.size(), dim_));
  }
  row_count_ += rows.size() / dim_;
  if (row_count_ > std::numeric_limits<uint32_t>::max()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: a .fbin holds at most 2^32 - 1 rows, there are {} and more", out_.name(), row_count_));
  }
  out_.write({reinterpret_cast<const char*>(rows.data()), rows.size_bytes()});
}

void VectorFileWriter::finish() {
  const auto rows = static_cast<uint32_t>(row_count_);
  out_.patch(0, {reinterpret_cast<const char*>(&rows), sizeof rows});
  out_.finish();
}

}  // namespace sextant::io
